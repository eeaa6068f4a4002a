"""The arguments of a command line, by scdaemon's rules (GnuPG common/server-help.c, 2.2 to 2.5)."""

from __future__ import annotations

_BLANKS = " \t"


class Arguments:
    """Leading words that start with `--` are options; what follows them is the rest.

    A bare `--` is skipped like an option but does not end them: `-- ID`, `ID` and `--info -- ID` have the
    same rest, so no id can begin with `--`. Octets that are not UTF-8 are kept by `surrogateescape`; nothing
    here raises.
    """

    __slots__ = ("options", "rest")

    options: tuple[str, ...]
    """The leading option words as written, in order, without bare `--`."""

    rest: str
    """What follows the options, without surrounding blanks; inner ones are kept."""

    def __init__(self, raw: bytes) -> None:
        """`raw` is `Command.args`."""
        rest = raw.decode("utf-8", "surrogateescape").strip(_BLANKS)
        options = []
        while rest.startswith("--"):
            word = _first_word(rest)
            rest = rest[len(word) :].lstrip(_BLANKS)
            if word != "--":
                options.append(word)
        self.options = tuple(options)
        self.rest = rest

    def has(self, option: str) -> bool:
        """Whether this very word, such as `--force`, is among the options; `--force=x` is another word."""
        return option in self.options

    def value(self, option: str) -> str | None:
        """What follows `--hash=` up to the next blank, may be empty; None without it. The first counts."""
        prefix = f"{option}="
        return next((word[len(prefix) :] for word in self.options if word.startswith(prefix)), None)

    @property
    def words(self) -> tuple[str, ...]:
        """The rest, split at blanks."""
        return tuple(word for word in self.rest.replace("\t", " ").split(" ") if word)


def _first_word(text: str) -> str:
    return text.partition(" ")[0].partition("\t")[0]

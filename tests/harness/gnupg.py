"""A throw-away GnuPG home with a real gpg-agent, a scripted pinentry and a smart-card daemon of choice."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.harness import processes
from tests.harness.pinentry import Pinentry
from tests.harness.tokens import REPOSITORY, Minted

INCUMBENT = Path("/usr/bin/gnupg-pkcs11-scd")
LOG_TAIL_LINES = 80


def scd_command() -> list[str]:
    """How the daemon is started with the Python the tests run in."""
    installed = Path(sys.executable).with_name("scd")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "scd"]


def scd_program(folder: Path) -> Path:
    """One file that starts the daemon: the installed program, or a script in `folder` for the working copy."""
    command = scd_command()
    if len(command) == 1:
        return Path(command[0])
    script = folder / "scd"
    text = f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(REPOSITORY))} exec {shlex.join(command)} "$@"\n'
    script.write_text(text, encoding="utf-8")
    script.chmod(0o700)
    return script


@dataclass(frozen=True, slots=True)
class Result:
    """What a command gave; `status` is its exit status."""

    command: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        """stdout as text."""
        return self.stdout.decode(errors="replace")

    @property
    def err(self) -> str:
        """stderr as text."""
        return self.stderr.decode(errors="replace")


class CommandFailed(AssertionError):
    """A command of the home ended with another status than 0."""

    def __init__(self, result: Result) -> None:
        shown = shlex.join(result.command)
        super().__init__(f"exit status {result.status}: {shown}\n{result.out}{result.err}")
        self.result = result


class GnupgHome:
    """A GNUPGHOME under /tmp, short enough for its sockets. A context manager: leaving it ends the agent.

    `scdaemon` is the program for gpg-agent.conf (None: our scd); `config` the text of the daemon's
    configuration file (None: no file), `config_name` that file's name. `tokens` adds SOFTHSM2_CONF.
    """

    def __init__(
        self,
        tokens: Minted | None = None,
        *,
        scdaemon: Path | None = None,
        config: str | None = None,
        config_name: str = "scd.conf",
        agent_options: str = "",
    ) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="home-", dir="/tmp"))
        self.pinentry = Pinentry(self.path / "pinentry")
        self.agent_log = self.path / "gpg-agent.log"
        self.daemon_log = self.path / "scd.log"
        self.env = self._environment(tokens)
        program = scdaemon or scd_program(self.path)
        self.write(
            "gpg-agent.conf",
            f"scdaemon-program {program}\npinentry-program {self.pinentry.program}\nenable-ssh-support\n"
            f"log-file {self.agent_log}\nverbose\ndebug ipc\n{agent_options}\n",
        )
        self.write("gpg.conf", "trust-model always\nno-auto-key-locate\ndisable-dirmngr\nno-tty\n")
        self.write("gpgsm.conf", "disable-crl-checks\ndisable-dirmngr\nno-tty\n")
        if config is not None:
            self.write(config_name, config)

    def _environment(self, tokens: Minted | None) -> dict[str, str]:
        env = {
            "GNUPGHOME": str(self.path),
            "HOME": str(self.path),
            "LC_ALL": "C.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "SSH_AUTH_SOCK": str(self.path / "S.gpg-agent.ssh"),
        }
        return env | processes.measured() | (tokens.env if tokens else {})

    def write(self, name: str, text: str) -> Path:
        """Put a file into the home."""
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        return path

    def run(
        self,
        *command: str | Path,
        input: bytes | str = b"",
        check: bool = True,
        timeout_s: float = 60,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command in this home, in its folder; `check` raises CommandFailed where it fails."""
        words = tuple(map(str, command))
        data = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            words,
            input=data,
            capture_output=True,
            cwd=self.path,
            env=self.env | dict(env or {}),
            timeout=timeout_s,
            check=False,
        )
        result = Result(words, done.returncode, done.stdout, done.stderr)
        if check and result.status:
            raise CommandFailed(result)
        return result

    def gpg(self, *arguments: str | Path, input: bytes | str = b"", check: bool = True) -> Result:
        """gpg --batch."""
        return self.run("gpg", "--batch", *arguments, input=input, check=check)

    def gpgsm(self, *arguments: str | Path, input: bytes | str = b"", check: bool = True) -> Result:
        """gpgsm --batch."""
        return self.run("gpgsm", "--batch", *arguments, input=input, check=check)

    def connect_agent(self, *lines: str) -> str:
        """The agent's replies to these lines as gpg-connect-agent prints them; `SCD …` goes to the daemon."""
        return self.run("gpg-connect-agent", *lines, "/bye").out

    def start_agent(self) -> int:
        """Start the agent unless it runs; gives its process id."""
        line = next(line for line in self.connect_agent("GETINFO pid").splitlines() if line.startswith("D "))
        return int(line[2:])

    def daemon_pids(self) -> list[int]:
        """The agent's children and theirs: the smart-card daemon and its workers."""
        return processes.descendants(self.start_agent())

    def stop_agent(self, timeout_s: float = 15) -> None:
        """End the agent and see its daemon end by itself; AssertionError names a daemon that does not."""
        if not self.path.exists():
            return
        alive = self.run("gpg-connect-agent", "--no-autostart", "GETINFO pid", "/bye", check=False).out
        pids = [int(line[2:]) for line in alive.splitlines() if line.startswith("D ")]
        if not pids:
            return
        below = processes.open_handles(processes.descendants(pids[0]))
        names = {pid: processes.command_line(pid) for pid in below}
        processes.end(pids[0])
        left = processes.wait_for_end(below, timeout_s)
        for pid in left:
            processes.end(pid)
        if left:
            raise AssertionError(f"outlived gpg-agent by {timeout_s} s: {[names[pid] for pid in left]}")

    def trust_root(self, certificate: Path) -> None:
        """Import a CA certificate into gpgsm and trust it without being asked."""
        self.gpgsm("--import", certificate)
        listing = self.gpgsm("--with-colons", "--list-keys").out.splitlines()
        prints = [line.split(":")[9] for line in listing if line.startswith("fpr:")]
        (self.path / "trustlist.txt").write_text("".join(f"{print_} S relax\n" for print_ in prints))
        self.connect_agent("RELOADAGENT")

    def logs(self) -> dict[str, str]:
        """The ends of the agent's and the daemon's log, for a failure's report."""
        found = {}
        for path in (self.agent_log, self.daemon_log):
            if path.exists():
                lines = path.read_text(errors="replace").splitlines()
                found[path.name] = "\n".join(lines[-LOG_TAIL_LINES:])
        return found

    def close(self) -> None:
        """End the agent, remove the home. May be called again."""
        try:
            self.stop_agent()
        finally:
            shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> GnupgHome:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def scd_config(tokens: Minted, home_log: Path | None = None) -> str:
    """A configuration naming SoftHSM's module; both scd and gnupg-pkcs11-scd understand it."""
    log = f"log-file {home_log}\n" if home_log else ""
    return f"{log}verbose\nproviders softhsm\nprovider-softhsm-library {os.fspath(tokens.module)}\n"

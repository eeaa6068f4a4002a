"""One client: its lines in, our answers out, and what belongs to its session alone."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from itertools import count

from scd.assuan import lines
from scd.assuan.arguments import Arguments
from scd.assuan.decoder import Decoder
from scd.assuan.events import Cancel, Command, Data, End, Event
from scd.assuan.gpgerror import GpgErr
from scd.assuan.protocol import State, is_left_over, refusal
from scd.daemon.agent import has_pin_cache
from scd.daemon.daemon import Daemon
from scd.daemon.doors import GREETING
from scd.daemon.failures import CommandError, code_for, text_for
from scd.daemon.lock import KEPT_OUT
from scd.daemon.slowdown import Slowdown
from scd.daemon.table import COMMANDS, CommandSpec
from scd.daemon.transport import Transport
from scd.daemon.unconfigured import needs_configuration
from scd.service.finding.catalogue import Card
from scd.service.finding.places import BY_NAME
from scd.service.operations import Service
from scd.token.errors import Canceled, TokenError
from scd.token.secrets import Pin
from scd.trace import AssuanTrace

log = logging.getLogger(__name__)

PIN_REPLY_LIMIT = 100  # octets; gpg-agent sends 90, padded with NUL (scdaemon reads at most 100)
_numbers = count(1)


class ClientGone(Exception):
    """The client closed the connection."""


class Connection:
    """`data` is what SETDATA collected; `serial` the card this client chose, None for the default one.

    `stood_for` is an absent card it asked for, and was given `serial` instead. `current` is the card it has worked
    with; when that one is gone, only SERIALNO or RESTART make it forgotten. `looks_at_one`: it asked SERIALNO --all, as
    gpg-card (2.4) does, and takes whatever LEARN lists for that card's. `peer` is the client's process, 0 when
    not known; `has_cache` whether it has a PIN cache, None as long as nobody asked.
    """

    def __init__(self, daemon: Daemon, transport: Transport, *, is_pipe: bool = False, peer: int = 0) -> None:
        self.daemon = daemon
        self.is_pipe = is_pipe
        self.number = next(_numbers)
        self.data = bytearray()
        self.serial: str | None = None
        self.current: str | None = None
        self.stood_for: str | None = None
        self.looks_at_one = False
        self.slowdown = Slowdown()
        self._peer = peer
        self.has_cache: bool | None = None
        self._transport = transport
        self._decoder = Decoder()
        self._events: deque[Event] = deque()
        self._state = State.READY
        self._out: list[bytes] = []
        self._ended = False
        self._trace = AssuanTrace(self.number)

    @property
    def service(self) -> Service:
        """The daemon's present one: a new configuration replaces it."""
        return self.daemon.service

    async def serve(self, *, greet: bool = True) -> None:
        """Answer commands until BYE or the end of input. Only CancelledError comes out."""
        try:
            if greet:
                self.send(GREETING)
                await self.flush()
            while self._state is not State.CLOSED:
                await self._answer(await self._next())
                await self.flush()
                self.daemon.replied(self)
        except (ClientGone, OSError):
            pass
        finally:
            self.daemon.lock.release(self)
            if self.is_pipe:  # gpg-agent is gone, and its process id may soon be another's
                self.daemon.watch.signal_agent(0)
            self._transport.close()

    async def _answer(self, event: Event) -> None:
        if self._state is State.SKIPPING:
            if isinstance(event, (Command, End, Cancel)):
                self._state = State.READY
            if is_left_over(event):
                return
        refused = refusal(self._state, event)
        if refused is not None:
            self._error(*refused)
        elif isinstance(event, Command):
            await self._run(event)

    async def _run(self, command: Command) -> None:
        """Exactly one OK or ERR, whatever happens."""
        spec = COMMANDS.get(command.name)
        if self._trace.active:
            self._trace_command(command, spec)
        if spec is None:
            self._error(GpgErr.ASS_UNKNOWN_CMD, "")
            return
        self.daemon.statistics.count(command.name)
        try:
            if spec.name in KEPT_OUT and self.daemon.lock.forbids(self):
                raise CommandError(GpgErr.LOCKED)
            arguments = Arguments(command.args)
            if self.daemon.mistake:
                await self._must_be_configured(spec.name, arguments)
            await spec.handler(self, arguments)
        except CommandError as error:
            self._error(error.code, error.text)
        except TokenError as error:
            log.info("connection=%d op=%s result=%s", self.number, command.name, error)
            self._error(code_for(error), text_for(error))
        except (ClientGone, OSError, asyncio.CancelledError):
            raise
        except Exception:  # one of the loops that must live: the client is told, the log has the trace
            log.exception("connection=%d op=%s failed inside scd", self.number, command.name)
            self._error(GpgErr.INTERNAL, "")
        else:
            self.send(lines.ok(spec.closing))
        finally:
            self.daemon.watch.look()

    async def _must_be_configured(self, name: str, args: Arguments) -> None:
        """ERR with what is wrong with the configuration, unless it was mended meanwhile."""
        if needs_configuration(name, args):
            await self.daemon.mend()
            if self.daemon.mistake:
                raise CommandError(GpgErr.CONFIGURATION, self.daemon.mistake)

    def _error(self, code: GpgErr, text: str) -> None:
        self.daemon.statistics.errors += 1
        self.send(lines.error(code, text))

    async def _next(self) -> Event:
        while not self._events:
            if self._ended:
                raise ClientGone
            octets = await self._transport.read()
            if octets:
                self._events.extend(self._decoder.feed(octets))
            else:
                self._ended = True
                self._events.extend(self._decoder.finish())
        return self._events.popleft()

    def _trace_command(self, command: Command, spec: CommandSpec | None) -> None:
        """Not the name of an unknown command: it may be what is left of data with a line feed in it."""
        if spec is None:
            self._trace.came_withheld("(unknown command)", len(command.name) + 1 + len(command.args))
        elif spec.confidential:
            self._trace.came_withheld(command.name, len(command.args))
        else:
            self._trace.came(
                b"%b %b" % (command.name.encode(), command.args) if command.args else command.name.encode()
            )

    def send(self, octets: bytes) -> None:
        """Queue wire lines; they leave with the next `flush`, at the latest with the command's OK."""
        self._out.append(octets)

    async def flush(self) -> None:
        if self._out:
            octets, self._out = b"".join(self._out), []
            if self._trace.active:
                self._trace.left(octets)
            await self._transport.write(octets)

    def status(self, keyword: str, *fields: str) -> None:
        """`S KEYWORD fields`; free text must have been escaped."""
        self.send(lines.status(keyword, *fields))

    def send_data(self, payload: bytes) -> None:
        """D lines. Only in commands whose client consumes data (protocol reference, 1.5)."""
        self.send(lines.data(payload))

    def close_after_reply(self) -> None:
        self._state = State.CLOSED

    async def inquire(self, keyword: str, text: str = "", limit: int = 8096) -> bytearray:
        """Ask the client; at most `limit` octets come back. Raises CommandError, or Canceled after CAN.

        After CAN the client reads one line, the ERR that our caller's error makes. So it does when its answer went
        wrong; what is left of that is passed over.
        """
        self.send(lines.inquire(keyword, text))
        await self.flush()
        self._state = State.INQUIRING
        try:
            return await self._reply(keyword, limit)
        finally:
            if self._state is State.INQUIRING:
                self._state = State.READY

    async def _reply(self, keyword: str, limit: int) -> bytearray:
        received = bytearray()
        too_much = False
        while True:
            event = await self._next()
            refused = refusal(self._state, event)
            if isinstance(event, Data):
                too_much = too_much or len(received) + len(event.octets) > limit
                if not too_much:
                    received += event.octets
            elif isinstance(event, End):
                break
            elif isinstance(event, Cancel):
                raise Canceled(f"the client cancelled {keyword}")
            elif refused is not None:
                self._state = State.SKIPPING
                raise CommandError(*refused)
        if too_much:
            raise CommandError(GpgErr.TOO_LARGE, f"more than {limit} octets in reply to {keyword}")
        return received

    async def pin(self, text: str, flags: str = "") -> Pin:
        """NEEDPIN with the flags of protocol reference 4.2; the reply is cut at its first NUL, as gpg-agent pads with
        them.
        """
        reply = await self.inquire("NEEDPIN", f"|{flags}|{lines.pinentry_text(text)}", PIN_REPLY_LIMIT)
        pin = Pin(reply.partition(b"\0")[0])
        reply[:] = bytes(len(reply))
        return pin

    async def pinpad(self, text: str) -> None:
        await self.inquire("POPUPPINPADPROMPT", lines.pinentry_text(text))

    async def dismiss(self) -> None:
        await self.inquire("DISMISSPINPADPROMPT")

    async def cache_get(self, slot: str) -> bytes | None:
        """PINCACHE_GET, from clients that are known to have such a cache; others would give up the command."""
        if self.has_cache is None:
            self.has_cache = self._peer > 0 and await has_pin_cache(self._peer)
        if not self.has_cache:
            return None
        reply = await self.inquire("PINCACHE_GET", slot)
        try:
            return bytes.fromhex(reply.decode("ascii")) or None
        except ValueError:
            return None

    async def cache_put(self, slot: str, value: bytes | None) -> None:
        """PINCACHE_PUT; status lines that a client does not know are harmless."""
        if self.has_cache:
            self.status("PINCACHE_PUT", *([slot] if value is None else [slot, value.hex().upper()]))

    async def anything(self) -> None:
        """Wait until the client says something, which stays to be answered, or leaves (ClientGone)."""
        self._events.appendleft(await self._next())

    async def card(self) -> Card | None:
        """The card this client works with now: the chosen one while it is there, else the default."""
        catalogue = self.service.catalogue
        if not catalogue.cards:
            await self.service.rescan()
        card = catalogue.by_serial(self.serial) if self.serial is not None else catalogue.default()
        if card is not None and self.current is None:
            self.current = card.serial
        return card

    async def key_name(self, name: str, absent: str) -> str:
        """What to call a key for the service, if the client has its name from an absent card that it asked for."""
        return self.service.name_now(name, absent, await self.card())

    async def need_card(self) -> Card:
        """As `card`, seen to be still there, or ERR: CARD_REMOVED as long as the one worked with before is gone and
        SERIALNO has not come.
        """
        card = await self.card()
        if card is not None:
            await self.service.notice(card.module)
            card = await self.card()
        if self.current is not None and self.service.catalogue.by_serial(self.current) is None:
            raise CommandError(GpgErr.CARD_REMOVED)
        if card is None:
            raise CommandError(GpgErr.ENODEV, self.service.absence.why())
        return card

    async def card_for(self, name: str) -> Card | None:
        """Where a key of this name is looked for first; a place is one of the client's card and no other's."""
        return await (self.need_card() if name.upper() in BY_NAME else self.card())

    def must_be_allowed_to_change(self, card: Card | None = None) -> None:
        """ERR EACCES where nothing may be changed: by the configuration, or, of this card, by the token itself."""
        if forbidden := self.forbids_changes(card):
            raise CommandError(GpgErr.EACCES, forbidden)

    def forbids_changes(self, card: Card | None) -> str:
        """Why nothing may be changed; empty when it may."""
        if self.daemon.deny_admin:
            return "deny-admin or read-only is set: no token is changed"
        if card is not None and card.token.write_protected:
            return f'token "{card.token.id.label}" is write-protected'
        return ""

    def forget_session(self) -> None:
        """What RESTART ends: data, choice of card; the login stays."""
        self.data.clear()
        self.serial = self.current = self.stood_for = None
        self.looks_at_one = False

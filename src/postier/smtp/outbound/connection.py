"""One open session with one host: connect, be greeted, say EHLO, start TLS, ask and wait.

The driver is net's own (StreamConnection); this file adds the client's side of it. Every wait has its own
limit (RFC 5321 4.5.3.2). Whatever ends the session early is a PeerFault: what the host said, or what it did
not, and the status that belongs to it. A fault says nothing about the message; the caller knows how far
it had come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from postier.net.api import ConnectionLost, IdleTimeout, Wake
from postier.net.connection import StreamConnection
from postier.smtp.outbound.routes import Host
from postier.smtp.outbound.tls_policy import TlsPolicy
from postier.smtp.wire.client import Event, MalformedReply, PeerReply, Replied, SmtpClient, Verb

__all__ = ["LoopFault", "Peer", "PeerFault", "Timeouts", "TlsFault", "open_peer"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. RFC 5321 4.5.3.2 wants those of its name at least so long, except `connect` and `handshake`,
    which it leaves open: a host that is gone should not cost minutes when the next one waits."""

    connect: float = 30.0
    handshake: float = 30.0
    greeting: float = 300.0
    command: float = 300.0
    data_start: float = 120.0
    data_block: float = 180.0
    end_of_data: float = 600.0


class PeerFault(Exception):
    """The session can't go on. `status`: class 4, or 5 where the host refuses all mail for good (521).

    `remote`: which host, `tls`: over which channel. The message holds the host's words, if it had any.
    """

    def __init__(self, status: str, text: str, *, remote: str = "", tls: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.remote = remote
        self.tls = tls


class TlsFault(PeerFault):
    """The handshake failed; in clear text, on a fresh connection, it may work."""


class LoopFault(PeerFault):
    """The host greets with our own name: it is this server, and mail would run in circles."""


class Peer:
    """An open session. `transactions` counts the messages it was used for."""

    __slots__ = ("_connection", "core", "host", "timeouts", "tls", "transactions")

    def __init__(self, host: Host, connection: StreamConnection, timeouts: Timeouts) -> None:
        self.host = host
        self.core = SmtpClient()
        self.timeouts = timeouts
        self.tls = ""
        self.transactions = 0
        self._connection = connection

    async def reply(self, verb: Verb, timeout: float) -> PeerReply:
        """Send what waits, and wait for the answer to `verb`, the earliest without one. Raises PeerFault.

        A 421 is a fault whatever it answers: the host closes the session (RFC 5321 3.8).
        """
        try:
            event: Event | Wake | None = await self._connection.event(self.core, timeout)
        except IdleTimeout:
            raise self.fault("4.4.2", f"no answer to {verb.value} within {timeout:g} s") from None
        except ConnectionLost as lost:
            raise self.fault("4.4.2", f"connection lost while waiting for {verb.value}: {lost}") from lost
        if event is None:
            raise self.fault("4.4.2", f"connection closed while waiting for the answer to {verb.value}")
        assert not isinstance(event, Wake)
        if isinstance(event, MalformedReply):
            raise self.fault("4.5.0", f"answer to {verb.value}: {event.detail}")
        if event.reply.code == 421:
            raise self.fault(event.reply.status, event.reply.text)
        return event.reply

    async def send(self) -> None:
        """Send what the core has to say, as fast as the host takes it. Raises PeerFault."""
        try:
            await self._connection.flush(self.core)
        except ConnectionLost as lost:
            raise await self._last_words(f"connection lost while sending: {lost}") from lost

    async def expect_silence(self) -> None:
        """Raises PeerFault if the host spoke although nothing was asked: in the middle of the data it says
        why it will not take the message, and an early "250" must not pass for the answer to the final dot."""
        if self.core.has_buffered_input() or self._connection.has_input():
            raise await self._last_words("the host answered before the end of the data")

    async def _last_words(self, otherwise: str) -> PeerFault:
        """What the host has said by now, if that is a refusal."""
        try:
            event: Event | Wake | None = await self._connection.event(self.core, timeout=0.0)
        except (ConnectionLost, IdleTimeout):
            event = None
        if isinstance(event, Replied) and event.reply.code >= 400:
            return self.fault(event.reply.status, event.reply.text)
        return self.fault("4.4.2", otherwise)

    def is_idle(self) -> bool:
        """True if the session can take another message: open, nothing unread, nothing unanswered."""
        core = self.core
        busy = core.has_buffered_input() or core.is_waiting or core.in_data
        return not (busy or self._connection.has_input())

    def close(self) -> None:
        """Say QUIT, where that is still possible, and close without waiting for the answer.

        RFC 5321 4.1.1.10 would have us wait; no host minds, and a slow one would cost us a connection.
        """
        if not self.core.in_data:
            self.core.quit()
            self._connection.write(self.core.outgoing())
        self._connection.close()

    def abort(self) -> None:
        """Drop the connection: in the middle of the data nothing else may be said."""
        self._connection.abort()

    def fault(self, status: str, text: str) -> PeerFault:
        return PeerFault(status, text, remote=str(self.host), tls=self.tls)

    async def start_tls(self, policy: TlsPolicy) -> bool:
        """False if the host will not after all. Raises TlsFault; then the connection is gone."""
        self.core.start_tls()
        if (await self.reply(Verb.STARTTLS, self.timeouts.command)).code != 220:
            return False
        try:
            await self._connection.start_client_tls(
                self.core, policy.context, policy.server_name, self.timeouts.handshake
            )
        except ConnectionLost as lost:
            self.abort()
            raise TlsFault("4.7.5", str(lost), remote=str(self.host)) from lost
        self.core.forget()
        secured = self._connection.tls
        self.tls = f"{secured.version} {secured.cipher}" if secured is not None else ""
        return True

    async def greeting(self, name: str) -> None:
        """Wait for the 220 (RFC 5321 4.3.1). Raises PeerFault, and LoopFault if we, `name`, greet ourselves.

        Where a fixed route leads, a host may have our name: a filter on this machine, say.
        """
        reply = await self.reply(Verb.GREETING, self.timeouts.greeting)
        if reply.code != 220:
            raise self.fault(reply.status if reply.code == 521 else _temporary(reply), reply.text)
        greeter = reply.lines[0].partition(" ")[0].rstrip(".").lower()
        if greeter == name and not self.host.trusted:
            text = f"the mail host {self.host.name} is this server: mail would loop"
            raise LoopFault("5.4.6", text, remote=str(self.host))

    async def hello(self, name: str) -> None:
        """EHLO, or HELO where that is refused (RFC 5321 3.2). Raises PeerFault."""
        self.core.ehlo(name)
        reply = await self.reply(Verb.EHLO, self.timeouts.command)
        if 500 <= reply.code < 600:
            self.core.helo(name)
            reply = await self.reply(Verb.HELO, self.timeouts.command)
        if reply.code != 250:
            raise self.fault(_temporary(reply), reply.text)


async def open_peer(
    host: Host,
    name: str,
    policy: TlsPolicy,
    timeouts: Timeouts,
    *,
    source_addresses: Sequence[str] = (),
    clear: bool = False,
) -> Peer:
    """A session that is ready for MAIL, over TLS where the host offers it. Raises PeerFault.

    `name`: ours, for EHLO. `source_addresses`: the first of the host's family is bound. `clear`: do not
    try TLS (after a TlsFault), which a policy that requires TLS forbids.
    """
    peer = await _connect(host, timeouts, source_addresses)
    try:
        await peer.greeting(name)
        await peer.hello(name)
        if peer.core.capabilities.starttls and not clear and await peer.start_tls(policy):
            await peer.hello(name)
        if policy.required and not peer.tls:
            raise peer.fault("4.7.4", f"{host.name} offers no TLS, which {policy.origin} requires")
    except BaseException:
        peer.abort()
        raise
    return peer


async def _connect(host: Host, timeouts: Timeouts, source_addresses: Sequence[str]) -> Peer:
    loop = asyncio.get_running_loop()
    family = ip_address(host.address).version
    source = next((a for a in source_addresses if ip_address(a).version == family), None)
    try:
        async with asyncio.timeout(timeouts.connect):
            _, connection = await loop.create_connection(
                lambda: StreamConnection(loop, write_timeout=timeouts.data_block),
                host.address,
                host.port,
                local_addr=(source, 0) if source else None,
            )
    except TimeoutError:
        raise PeerFault("4.4.1", f"no connection within {timeouts.connect:g} s", remote=str(host)) from None
    except OSError as error:
        raise PeerFault("4.4.1", f"no connection: {error.strerror or error}", remote=str(host)) from error
    return Peer(host, connection, timeouts)


def _temporary(reply: PeerReply) -> str:
    """The status of a refusal that may be meant for this host or this hour only."""
    return "4" + reply.status[1:]

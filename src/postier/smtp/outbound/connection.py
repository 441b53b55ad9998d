"""One open session with one host: connect, be greeted, say EHLO, start TLS, log in, ask and wait.

The driver is net's own (StreamConnection); this file adds the client's side of it. Every wait has its own
limit (RFC 5321 4.5.3.2). Whatever ends the session early is a PeerFault: what the host said, or what it did
not, and the status that belongs to it. A fault says nothing about the message; the caller knows how far
it had come.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from base64 import b64encode
from dataclasses import dataclass, field

from postier.net.api import ConnectionLost, IdleTimeout, Wake
from postier.net.connection import StreamConnection
from postier.net.tls import resuming
from postier.sasl.api import SaslError
from postier.sasl.client import ClientExchange, choose
from postier.sasl.encoding import decode_base64
from postier.smtp.outbound.dane import problem_with
from postier.smtp.outbound.routes import Host
from postier.smtp.outbound.tls_policy import TlsPolicy
from postier.smtp.wire.client import Event, MalformedReply, PeerReply, Replied, SmtpClient, Verb
from postier.store.api import Source

__all__ = [
    "LoopFault",
    "NoTlsFault",
    "Peer",
    "PeerFault",
    "Terms",
    "Timeouts",
    "TlsFault",
    "UnreachableFault",
    "open_peer",
]


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed when a session was opened. Mail for another domain may go over it only under equal
    terms.

    `name`: ours, for EHLO. `implicit_tls`: before the greeting. `clear`: TLS is not even tried. `lmtp`: RFC
    2033. `login`: "" for none.
    """

    policy: TlsPolicy
    name: str
    implicit_tls: bool = False
    clear: bool = False
    lmtp: bool = False
    login: str = ""
    password: str = field(default="", repr=False)


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
        self.policy = ""


class TlsFault(PeerFault):
    """The handshake failed, or the certificate is not the one; under no policy, on a fresh connection, it may
    work. `result_type`: as RFC 8460 4.3 calls it."""

    def __init__(self, text: str, result_type: str, *, remote: str) -> None:
        super().__init__("4.7.5", text, remote=remote)
        self.result_type = result_type


class NoTlsFault(PeerFault):
    """The host offers no TLS, or will not after all, and the policy requires it."""

    result_type = "starttls-not-supported"


class UnreachableFault(PeerFault):
    """This machine has no way to the address, or can't use the address it was to come from."""


class LoopFault(PeerFault):
    """The host greets with our own name: it is this server, and mail would run in circles."""


class Peer:
    """An open session. `transactions` counts the messages it was used for; `source`: where it comes from,
    None where the kernel chose. `fault_of_tls`: why an earlier try, under stronger terms, had failed."""

    __slots__ = (
        "_connection",
        "core",
        "fault_of_tls",
        "host",
        "source",
        "terms",
        "timeouts",
        "tls",
        "transactions",
    )

    def __init__(
        self,
        host: Host,
        connection: StreamConnection,
        timeouts: Timeouts,
        terms: Terms,
        source: Source | None = None,
    ) -> None:
        self.host = host
        self.terms = terms
        self.source = source
        self.fault_of_tls: TlsFault | NoTlsFault | None = None
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

    @property
    def tls_session(self) -> ssl.SSLSession | None:
        """What the next session with this host may take up (RFC 9846 2.2)."""
        return self._connection.tls_session if self.tls else None

    @property
    def address(self) -> str:
        """Ours, that it goes out from; "" on a Unix socket."""
        return self._connection.local[0] if self.host.port else ""

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The certificates that the host showed (DER), its own first."""
        return self._connection.peer_chain

    async def start_tls(self) -> bool:
        """False if the host will not after all. Raises TlsFault; then the connection is gone."""
        self.core.start_tls()
        if not (await self.reply(Verb.STARTTLS, self.timeouts.command)).is_positive:
            return False
        await self.secure()
        self.core.forget()
        return True

    async def secure(self) -> None:
        """Shake hands. Raises TlsFault."""
        policy = self.terms.policy
        try:
            await self._connection.start_client_tls(
                self.core, policy.context, policy.server_name, self.timeouts.handshake
            )
        except ConnectionLost as lost:
            self.abort()
            raise TlsFault(str(lost), _result_type(lost.__cause__), remote=str(self.host)) from lost
        if policy.tlsa:
            problem = problem_with(self.chain, policy.tlsa, policy.names)
            if problem:
                self.abort()
                raise TlsFault(problem, "validation-failure", remote=str(self.host))
        secured = self._connection.tls
        self.tls = f"{secured.version} {secured.cipher}" if secured is not None else ""

    async def greeting(self) -> None:
        """Wait for the 220 (RFC 5321 4.3.1). Raises PeerFault, and LoopFault if we greet ourselves.

        Where a route leads, a host may have our name: a filter on this machine, say.
        """
        reply = await self.reply(Verb.GREETING, self.timeouts.greeting)
        if not reply.is_positive:
            raise self.fault(reply.status if reply.code == 521 else _temporary(reply), reply.text)
        greeter = reply.lines[0].partition(" ")[0].rstrip(".").lower()
        if greeter == self.terms.name and not self.host.trusted:
            text = f"the mail host {self.host.name} is this server: mail would loop"
            raise LoopFault("5.4.6", text, remote=str(self.host))

    async def hello(self) -> None:
        """EHLO, or HELO where that is refused (RFC 5321 3.2); LHLO in LMTP. Raises PeerFault."""
        name = self.terms.name
        if self.terms.lmtp:
            self.core.lhlo(name)
            reply = await self.reply(Verb.LHLO, self.timeouts.command)
        else:
            self.core.ehlo(name)
            reply = await self.reply(Verb.EHLO, self.timeouts.command)
            if 500 <= reply.code < 600:
                self.core.helo(name)
                reply = await self.reply(Verb.HELO, self.timeouts.command)
        if not reply.is_positive:
            raise self.fault(_temporary(reply), reply.text)

    async def log_in(self) -> None:
        """Raises PeerFault, always a temporary one: a password can be put right."""
        terms = self.terms
        if not self.tls:
            raise self.fault("4.7.4", f"{self.host.name} has no TLS: no password is shown to it")
        exchange = choose(self.core.capabilities.auth, terms.login, terms.password)
        if exchange is None:
            raise self.fault("4.7.4", f"{self.host.name} offers no way to log in that we know")
        try:
            reply = await self._authenticate(exchange)
            if reply.code == 235:
                exchange.finish()
                return
        except SaslError as error:
            raise self.fault("4.7.8", f"{self.host.name}: {error}") from error
        except PeerFault as fault:
            raise self.fault("4" + fault.status[1:], _discreet(str(fault), terms)) from None
        raise self.fault(_temporary(reply), f"the login was refused: {_discreet(reply.text, terms)}")

    async def _authenticate(self, exchange: ClientExchange) -> PeerReply:
        """The host's last word (RFC 4954 4). Raises SaslError, PeerFault."""
        first = exchange.first
        self.core.auth(exchange.mechanism, "" if first is None else b64encode(first).decode() or "=")
        for _ in range(MAX_CHALLENGES):
            reply = await self.reply(Verb.AUTH, self.timeouts.command)
            if reply.code != 334:
                return reply
            challenge = decode_base64(" ".join(reply.lines).encode())
            if challenge is None:
                raise SaslError("a challenge that is no base64")
            self.core.respond(b64encode(exchange.answer(challenge)).decode())
        raise SaslError("questions without end")


MAX_CHALLENGES = 5


async def open_peer(
    host: Host,
    terms: Terms,
    timeouts: Timeouts,
    *,
    source: Source | None = None,
    session: ssl.SSLSession | None = None,
    clear: bool = False,
) -> Peer:
    """A session that is ready for MAIL, over TLS where the host offers it. Raises PeerFault.

    `source`: the address to bind. `session`: of TLS, to take up. `clear`: do not try TLS (after a TlsFault),
    which a policy that requires TLS forbids.
    """
    with resuming(session):
        peer = await _connect(host, terms, timeouts, source)
        try:
            await _introduce(peer, clear=clear)
        except BaseException:
            peer.abort()
            raise
    return peer


async def _introduce(peer: Peer, *, clear: bool) -> None:
    """Everything from the greeting to MAIL. Raises PeerFault."""
    terms, policy = peer.terms, peer.terms.policy
    if terms.implicit_tls:
        await peer.secure()
    await peer.greeting()
    await peer.hello()
    tries = not (clear or terms.clear or terms.implicit_tls) and peer.core.capabilities.starttls
    if tries and await peer.start_tls():
        await peer.hello()
    if policy.required and not peer.tls:
        text = f"{peer.host.name} offers no TLS, which {policy.origin} requires"
        raise NoTlsFault("4.7.4", text, remote=str(peer.host))
    if terms.login:
        await peer.log_in()


async def _connect(host: Host, terms: Terms, timeouts: Timeouts, source: Source | None) -> Peer:
    loop = asyncio.get_running_loop()

    def made() -> StreamConnection:
        return StreamConnection(loop, write_timeout=timeouts.data_block)

    try:
        async with asyncio.timeout(timeouts.connect):
            if host.port:
                _, connection = await loop.create_connection(
                    made, host.address, host.port, local_addr=(source.address, 0) if source else None
                )
            else:
                _, connection = await loop.create_unix_connection(made, host.address)
    except TimeoutError:
        raise PeerFault("4.4.1", f"no connection within {timeouts.connect:g} s", remote=str(host)) from None
    except OSError as error:
        kind = UnreachableFault if error.errno in _NO_WAY else PeerFault
        raise kind("4.4.1", f"no connection: {error.strerror or error}", remote=str(host)) from error
    return Peer(host, connection, timeouts, terms, source)


_NO_WAY = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


_RESULT_TYPES = {10: "certificate-expired", 62: "certificate-host-mismatch"}
"""By OpenSSL's number of what is wrong with a certificate."""


def _result_type(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _RESULT_TYPES.get(error.verify_code, "certificate-not-trusted")
    return "validation-failure"


def _discreet(said: str, terms: Terms) -> str:
    """What the host said to a login; only how it begins if some of the password may be in it."""
    octets = terms.password.encode()
    secrets = [terms.password] + [
        b64encode(shown).decode() for shown in (octets, b"\0".join((b"", terms.login.encode(), octets)))
    ]
    folded = said.casefold()
    for secret in map(str.casefold, secrets):
        last = max(1, len(secret) - _TELLING + 1)
        if any(secret[i : i + _TELLING] in folded for i in range(last)):
            return f"{said[:3]} (its words are not shown: the password may be in them)"
    return said


_TELLING = 6
"""So many characters of a secret give some of it away."""


def _temporary(reply: PeerReply) -> str:
    """The status of a refusal that may be meant for this host or this hour only."""
    return "4" + reply.status[1:]

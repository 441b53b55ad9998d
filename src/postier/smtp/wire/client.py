"""The client's half of SMTP (RFC 5321), without I/O: commands in, bytes out; bytes in, replies out.

    core = SmtpClient()                       # next_event() -> Replied(Verb.GREETING, 220 ...)
    core.ehlo("mail.example")                 # -> Replied(Verb.EHLO, ...), core.capabilities
    core.mail("ada@a.example", size=1234)
    core.rcpt("bob@b.example")
    core.data()                               # -> three events, in this order
    core.send_data(chunk); core.end_data()    # after 354; -> Replied(Verb.END_OF_DATA, ...)

Commands may be given ahead of replies. Where the server offers PIPELINING (RFC 2920) they leave at once,
up to one that ends a group; where it does not, each leaves when the one before was answered. Either way
every command gets its own event, in order. ESMTP parameters that the server did not offer are left out.

A command that can't be written safely (a control character in a path) raises ValueError: nothing of it
is sent. Using the core in an order that SMTP forbids is our own fault and raises RuntimeError.
"""

from __future__ import annotations

import enum
import re
from collections import deque
from typing import NamedTuple

from postier.smtp.wire.client_capabilities import Capabilities
from postier.smtp.wire.client_data import DataWriter
from postier.smtp.wire.client_replies import MalformedReply, PeerReply, ReplyReader

__all__ = ["Capabilities", "Event", "MalformedReply", "PeerReply", "Replied", "SmtpClient", "Verb"]


class Verb(enum.Enum):
    """What a reply answers. UNASKED: nothing, such as the 421 of a host that shuts down (RFC 5321 3.8)."""

    GREETING = "greeting"
    EHLO = "EHLO"
    HELO = "HELO"
    LHLO = "LHLO"
    AUTH = "AUTH"
    STARTTLS = "STARTTLS"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BDAT = "BDAT"
    END_OF_DATA = "end of data"
    RSET = "RSET"
    NOOP = "NOOP"
    QUIT = "QUIT"
    UNASKED = "unasked"


class Replied(NamedTuple):
    """The server answered `verb`; of several pipelined RCPTs the first one without an answer."""

    verb: Verb
    reply: PeerReply


Event = Replied | MalformedReply

ENDS_GROUP = frozenset(
    {Verb.EHLO, Verb.HELO, Verb.LHLO, Verb.AUTH, Verb.STARTTLS, Verb.DATA, Verb.NOOP, Verb.QUIT}
)
"""Commands that must be the last of a pipelined group (RFC 2920 3.1; STARTTLS: RFC 3207 4)."""

_UNSAFE = re.compile(rb"[\x00-\x1f\x7f]")


class SmtpClient:
    """One session with one server. Implements net.api.Core[Event]."""

    __slots__ = (
        "_asked",
        "_broken",
        "_later",
        "_out",
        "_reader",
        "_writer",
        "capabilities",
        "in_transaction",
    )

    def __init__(self) -> None:
        self.capabilities = Capabilities()
        self.in_transaction = False
        """True from MAIL until the end of data or RSET was answered: MAIL is not allowed then."""
        self._reader = ReplyReader()
        self._asked: deque[Verb] = deque([Verb.GREETING])
        self._later: deque[tuple[Verb, bytes]] = deque()
        self._out: list[bytes] = []
        self._writer: DataWriter | None = None
        self._broken = False

    @property
    def in_data(self) -> bool:
        """True between 354 and the final dot: nothing but the message may be sent."""
        return self._writer is not None

    @property
    def is_waiting(self) -> bool:
        """True while a command has no answer yet."""
        return bool(self._asked) or bool(self._later)

    # ------------------------------------------------------------------ net.api.Core

    def receive(self, data: bytes) -> None:
        self._reader.receive(data)

    def next_event(self) -> Event | None:
        if self._broken:
            return None
        found = self._reader.next_reply()
        if found is None:
            return None
        if isinstance(found, MalformedReply):
            self._broken = True
            return found
        if not self._asked:
            return Replied(Verb.UNASKED, found)
        verb = self._asked.popleft()
        self._note(verb, found)
        self._send_later()
        return Replied(verb, found)

    def eof(self) -> None:
        """Nothing to do: replies that came before are handed out, then there are none."""

    def outgoing(self) -> bytes:
        if not self._out:
            return b""
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return data

    def has_buffered_input(self) -> bool:
        return self._reader.has_input()

    # ------------------------------------------------------------------ commands

    def ehlo(self, name: str) -> None:
        """`name`: our domain or address literal (RFC 5321 4.1.1.1)."""
        self._command(Verb.EHLO, f"EHLO {name}")

    def helo(self, name: str) -> None:
        """For servers that do not know EHLO (RFC 5321 3.2): no extension may be used after it."""
        self._command(Verb.HELO, f"HELO {name}")

    def lhlo(self, name: str) -> None:
        """EHLO of LMTP (RFC 2033 4.1): the end of the data is answered for each recipient."""
        self._command(Verb.LHLO, f"LHLO {name}")

    def auth(self, mechanism: str, initial: str) -> None:
        """`initial`: the initial response in base64, "" for none (RFC 4954 4). A 334 asks for `respond`."""
        self._command(Verb.AUTH, f"AUTH {mechanism} {initial}".rstrip())

    def respond(self, response: str) -> None:
        """The answer to a 334, in base64; "*" gives up."""
        self._command(Verb.AUTH, response)

    def start_tls(self) -> None:
        """After its 220: shake hands, then `forget`."""
        self._command(Verb.STARTTLS, "STARTTLS")

    def forget(self) -> None:
        """TLS begins: what was said in clear does not count, nor what waits to be read (RFC 3207 4.2)."""
        self.capabilities = Capabilities()
        self._reader = ReplyReader()

    def mail(
        self,
        reverse_path: str,
        *,
        size: int = 0,
        body: str = "7BIT",
        smtputf8: bool = False,
        requiretls: bool = False,
        auth: str = "",
        ret: str = "",
        envid: str = "",
    ) -> None:
        """`reverse_path` without <>; "" is the null path. `body`: RFC 6152, RFC 3030. `auth`: who submitted
        it, as xtext or <> (RFC 4954 5). `envid`: as xtext. Raises ValueError."""
        able = self.capabilities
        line = f"MAIL FROM:<{reverse_path}>"
        if able.size and size:
            line += f" SIZE={size}"
        if (able.eight_bit_mime and body == "8BITMIME") or (able.binary_mime and body == "BINARYMIME"):
            line += f" BODY={body}"
        if able.smtputf8 and smtputf8:
            line += " SMTPUTF8"
        if able.requiretls and requiretls:
            line += " REQUIRETLS"
        if able.auth and auth:
            line += f" AUTH={auth}"
        if able.dsn and ret:
            line += f" RET={ret}"
        if able.dsn and envid:
            line += f" ENVID={envid}"
        self._command(Verb.MAIL, line)
        self.in_transaction = True

    def rcpt(self, forward_path: str, *, notify: str = "", orcpt: str = "") -> None:
        """`notify`: "NEVER" or a list such as "SUCCESS,FAILURE"; `orcpt`: "rfc822;" and xtext (RFC 3461).

        Raises ValueError.
        """
        line = f"RCPT TO:<{forward_path}>"
        if self.capabilities.dsn:
            line += f" NOTIFY={notify}" if notify else ""
            line += f" ORCPT={orcpt}" if orcpt else ""
        self._command(Verb.RCPT, line)

    def data(self) -> None:
        """Its 354 asks for `send_data`, then `end_data`."""
        self._command(Verb.DATA, "DATA")

    def send_data(self, chunk: bytes) -> None:
        """A piece of the message, of any length; only after 354. See client_data."""
        piece = self._data_writer().feed(chunk)
        if piece:
            self._out.append(piece)

    def end_data(self, replies: int = 1) -> None:
        """The final dot. Its reply alone says whether the server has the message.

        `replies`: in LMTP as many as recipients were accepted, in their order (RFC 2033 4.2).
        """
        self._out.append(self._data_writer().finish())
        self._writer = None
        self._asked.extend([Verb.END_OF_DATA] * replies)

    def bdat(self, chunk: bytes, *, last: bool = False, replies: int = 1) -> None:
        """A piece of the message as it is, in place of DATA (RFC 3030 2); the `last` one ends it.

        Only when all before was answered. `replies` to the last one: as of `end_data`.
        """
        if self.is_waiting:
            raise RuntimeError("BDAT ahead of an answer")
        self._command(Verb.END_OF_DATA if last else Verb.BDAT, f"BDAT {len(chunk)}{' LAST' if last else ''}")
        self._out.append(chunk)
        self._asked.extend([Verb.END_OF_DATA] * (replies - 1))

    def rset(self) -> None:
        self._command(Verb.RSET, "RSET")

    def noop(self) -> None:
        self._command(Verb.NOOP, "NOOP")

    def quit(self) -> None:
        self._command(Verb.QUIT, "QUIT")

    # ------------------------------------------------------------------ inside

    def _data_writer(self) -> DataWriter:
        if self._writer is None:
            raise RuntimeError("no 354 was received")
        return self._writer

    def _command(self, verb: Verb, line: str) -> None:
        if self._writer is not None:
            raise RuntimeError(f"{verb.value} within the message")
        octets = line.encode()
        if _UNSAFE.search(octets):
            raise ValueError(f"{verb.value} with a control character")
        if self._later or not self._may_send_now():
            self._later.append((verb, octets))
        else:
            self._send(verb, octets)

    def _may_send_now(self) -> bool:
        if not self._asked:
            return True
        return self.capabilities.pipelining and self._asked[-1] not in ENDS_GROUP

    def _send(self, verb: Verb, octets: bytes) -> None:
        self._out.append(octets + b"\r\n")
        self._asked.append(verb)

    def _send_later(self) -> None:
        while self._later and self._writer is None and self._may_send_now():
            self._send(*self._later.popleft())

    def _note(self, verb: Verb, reply: PeerReply) -> None:
        """What a reply changes about the session."""
        positive = reply.is_positive
        if verb in (Verb.EHLO, Verb.LHLO) and positive:
            self.capabilities = Capabilities.parse(reply.lines)
        elif verb is Verb.HELO and positive:
            self.capabilities = Capabilities(name=reply.lines[0].partition(" ")[0])
        elif verb is Verb.DATA and reply.asks_for_more:
            self._writer = DataWriter()
        elif verb in (Verb.END_OF_DATA, Verb.RSET) or (verb is Verb.MAIL and not positive):
            self.in_transaction = Verb.END_OF_DATA in self._asked  # LMTP: others wait for theirs

"""What a client said, as values: the server core hands these out one at a time.

Those marked (reply) wait for `SmtpServer.reply` before the core reads on; DataChunk does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from postier.base.address import Address
from postier.base.status import Reply

__all__ = [
    "Auth",
    "AuthCancelled",
    "AuthResponse",
    "ChunkEnd",
    "Data",
    "DataChunk",
    "DataEnd",
    "Ehlo",
    "Event",
    "MailFrom",
    "Quit",
    "RcptTo",
    "Rset",
    "StartTls",
    "Violation",
    "XClient",
]


@dataclass(frozen=True, slots=True)
class Ehlo:
    """EHLO, or HELO where `extended` is False (reply with `SmtpServer.welcome`). RFC 5321 4.1.1.1.

    `domain`: what the client calls itself, of letters, digits and `.-_:[]` only. Ends any transaction.
    """

    domain: str
    extended: bool


@dataclass(frozen=True, slots=True)
class MailFrom:
    """MAIL FROM (reply). RFC 5321 4.1.1.2. `reverse_path` None is the null path.

    `size`: what the client says it will send (RFC 1870), None unsaid; `body`: "7BIT", "8BITMIME" or
    "BINARYMIME"; `auth`: RFC 4954 5, decoded, None unsaid; `ret`: "FULL", "HDRS" or ""; `envid`: RFC 3461,
    still as xtext; `requiretls`: RFC 8689. At most one of `hold_for` (seconds, above 0) and `hold_until` (a
    date-time of RFC 3339's form, as given, which may name a day that there is not): RFC 4865.
    """

    reverse_path: Address | None
    size: int | None = None
    body: str = "7BIT"
    smtputf8: bool = False
    auth: str | None = None
    ret: str = ""
    envid: str = ""
    requiretls: bool = False
    hold_for: int | None = None
    hold_until: str | None = None

    @property
    def is_binary(self) -> bool:
        """Its octets are no lines, so that they come by BDAT only (RFC 3030 3)."""
        return self.body == "BINARYMIME"


@dataclass(frozen=True, slots=True)
class RcptTo:
    """RCPT TO (reply). RFC 5321 4.1.1.3. `forward_path` None is <Postmaster> without a domain.

    `notify`: as given, upper case ("NEVER" or "SUCCESS,FAILURE,DELAY" in any selection), `orcpt`: as given,
    still as xtext (RFC 3461 4.1, 4.2); "" unsaid.
    """

    forward_path: Address | None
    notify: str = ""
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class Data:
    """DATA (reply: 354 lets the text come, anything else does not). RFC 5321 4.1.1.4."""


@dataclass(frozen=True, slots=True)
class DataChunk:
    """A piece of the message, unstuffed, every line end CRLF; pieces may end anywhere but between CR and LF
    (those of BDAT anywhere)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class DataEnd:
    """The whole message is here (reply: says who is responsible for it now). RFC 5321 4.1.1.4, RFC 3030 2."""


@dataclass(frozen=True, slots=True)
class ChunkEnd:
    """A chunk of BDAT that is not the last is here (reply). RFC 3030 2. `size` in octets."""

    size: int


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH (reply: 334 with a challenge through `SmtpServer.challenge`, 235, or a refusal). RFC 4954 4.

    `mechanism` in upper case; `initial` decoded, None where there was none.
    """

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """The client's answer to a challenge, decoded (reply as for Auth)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AuthCancelled:
    """The client gave up, or sent what is no base64 (reply with `reply`). RFC 4954 4."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS (reply 220, then `Connection.start_tls`, then `SmtpServer.forget`). RFC 3207 4."""


@dataclass(frozen=True, slots=True)
class XClient:
    """XCLIENT (reply 220, as a greeting): the next commands are another client's. Ends everything.

    `attributes`: by their names in upper case, decoded; "" is one that the proxy does not know.
    """

    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rset:
    """RSET (reply). Ends any transaction. RFC 5321 4.1.1.5."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT (reply 221, then close). RFC 5321 4.1.1.10."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What no honest client does. The core has already answered and reads nothing more: close.

    `reason` is for the log.
    """

    reason: str


Event = (
    Ehlo
    | MailFrom
    | RcptTo
    | Data
    | DataChunk
    | DataEnd
    | ChunkEnd
    | Auth
    | AuthResponse
    | AuthCancelled
    | StartTls
    | XClient
    | Rset
    | Quit
    | Violation
)

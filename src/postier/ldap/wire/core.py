"""A client of LDAP (RFC 4511) without I/O: requests in, bytes out; bytes in, answers out.

The messages are the library's (sansldap); the frames are ours, so that no answer is larger than
MAX_MESSAGE or looked at before it is whole. Referrals are told of and
never followed (RFC 4511 4.1.10).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import sansldap

__all__ = [
    "MAX_MESSAGE",
    "BadFilter",
    "Entry",
    "LdapCore",
    "Malformed",
    "Reference",
    "Result",
    "check_filter",
]

MAX_MESSAGE = 16 * 1024 * 1024
"""Octets of one answer: a group of a hundred thousand members has room."""
MAX_TEXT = 1000
START_TLS = "1.3.6.1.4.1.1466.20037"
PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - an object identifier
_SEQUENCE = 0x30
_POLICY_ERROR = 0x81


class Entry(NamedTuple):
    """What a search found. Names of attributes are in lower case, with their options."""

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]]


class Reference(NamedTuple):
    """A part of the answer that lies on other servers."""

    servers: tuple[str, ...]


class Result(NamedTuple):
    """The end of an operation. `code`: RFC 4511 4.1.9, 0 for success. `text`: the server's words. `cookie`:
    where the next page begins (RFC 2696), b"" for the last. `policy`: why the password policy of the server
    says no, None where it says nothing."""

    code: int
    text: str = ""
    cookie: bytes = b""
    policy: int | None = None


class Malformed(NamedTuple):
    """That was no LDAP: nothing more can be said on this connection."""

    detail: str


class BadFilter(ValueError):
    """Not a filter (RFC 4515); the text is for a person."""


Answer = Entry | Reference | Result | Malformed


def check_filter(text: str) -> sansldap.LDAPFilter:
    """Raises BadFilter."""
    if not (text.startswith("(") and text.endswith(")")):
        raise BadFilter(f"{text!r} is no filter: it has no brackets around it")
    try:
        return sansldap.LDAPFilter.from_string(text)
    except (ValueError, IndexError, RecursionError) as error:
        raise BadFilter(f"{text!r} is no filter: {error}") from None


class LdapCore:
    """Core[Answer] of net.api. One operation at a time. `limit`: octets of one answer. Where an event loop
    serves others beside, it should be small: the library takes 17 us for each value of an entry."""

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self._limit = limit
        self._client = sansldap.LDAPClient()
        self._input = bytearray()
        self._answers: deque[Answer] = deque()
        self._failed = False

    # ------------------------------------------------------------------ requests

    def bind(self, dn: str, password: str) -> None:
        """A simple bind (RFC 4511 4.2). Raises ValueError without a password: a server takes that for a
        wish to be nobody, and says yes (RFC 4513 5.1.2)."""
        if dn and not password:
            raise ValueError("no bind without a password")
        policy = sansldap.LDAPControl(PASSWORD_POLICY, False, None)
        self._client.bind_simple(dn, password, [policy] if dn else None)

    def start_tls(self) -> None:
        self._client.extended_request(START_TLS)

    def search(
        self,
        base: str,
        filter: str,
        attributes: Sequence[str],
        *,
        only_base: bool = False,
        limit: int = 0,
        seconds: int = 0,
        page: tuple[int, bytes] | None = None,
    ) -> None:
        """`limit`: of entries. `seconds`: that the server may take. `page`: its size, and the cookie of the
        last one. Raises BadFilter."""
        paging = None if page is None else sansldap.PagedResultControl(True, *page)
        self._client.search_request(
            base_object=base,
            scope=sansldap.SearchScope.BASE if only_base else sansldap.SearchScope.SUBTREE,
            size_limit=limit,
            time_limit=seconds,
            filter=check_filter(filter),
            attributes=list(attributes) or ["1.1"],
            controls=None if paging is None else [paging],
        )

    def unbind(self) -> None:
        if not self._failed:
            self._client.unbind()

    # ------------------------------------------------------------------ Core

    def receive(self, data: bytes) -> None:
        self._input += data

    def next_event(self) -> Answer | None:
        while not self._answers and not self._failed:
            try:
                length = frame_length(self._input, self._limit)
                if length is None or len(self._input) < length:
                    return None
                frame = bytes(self._input[:length])
                del self._input[:length]
                messages = self._client.receive(frame)
                if not messages:
                    raise ValueError("a message that ends too early")
                self._answers.extend(_answers(messages))
            except (sansldap.LDAPError, ValueError, IndexError, KeyError, TypeError, RecursionError) as error:
                self._failed = True
                self._answers.append(Malformed(str(error)[:MAX_TEXT]))
        return self._answers.popleft() if self._answers else None

    def eof(self) -> None:
        pass

    def outgoing(self) -> bytes:
        return self._client.data_to_send()

    def has_buffered_input(self) -> bool:
        return bool(self._input or self._answers)


def frame_length(data: bytes | bytearray, limit: int = MAX_MESSAGE) -> int | None:
    """Octets of the message that begins here (RFC 4511 5.1), None while its header is not whole.

    Raises ValueError: no message, or one that is too long.
    """
    if not data:
        return None
    if data[0] != _SEQUENCE:
        raise ValueError("not a message of LDAP")
    if len(data) < 2:
        return None
    first = data[1]
    if first < 0x80:
        return 2 + first
    octets = first & 0x7F
    if not 0 < octets <= 4:
        raise ValueError("a length that LDAP does not have")
    if len(data) < 2 + octets:
        return None
    length = int.from_bytes(data[2 : 2 + octets])
    if length > limit:
        raise ValueError(f"an answer of {length} octets: {limit} are the most")
    return 2 + octets + length


def _answers(messages: Iterable[sansldap.LDAPMessage]) -> Iterable[Answer]:
    for message in messages:
        if isinstance(message, sansldap.SearchResultEntry):
            found: dict[str, tuple[bytes, ...]] = {}
            for attribute in message.attributes:
                found[attribute.name.lower()] = tuple(attribute.values)
            yield Entry(message.object_name, found)
        elif isinstance(message, sansldap.SearchResultReference):
            yield Reference(tuple(message.uris))
        elif isinstance(
            message, sansldap.BindResponse | sansldap.SearchResultDone | sansldap.ExtendedResponse
        ):
            result = message.result
            controls = message.controls
            yield Result(
                int(result.result_code),
                result.diagnostics_message.rstrip("\0")[:MAX_TEXT],
                next((c.cookie for c in controls if isinstance(c, sansldap.PagedResultControl)), b""),
                next((_policy(c.value) for c in controls if c.control_type == PASSWORD_POLICY), None),
            )


def _policy(value: bytes | None) -> int | None:
    """The error of a password policy's answer: the last part, one octet, tagged [1]."""
    if value and len(value) >= 3 and value[-3] == _POLICY_ERROR and value[-2] == 1:
        return value[-1]
    return None

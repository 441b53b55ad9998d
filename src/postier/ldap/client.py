"""One connection with an LDAP server: TLS, binding as somebody, searching, each within its time.

Whatever goes wrong with the server, and not with the question, is LdapUnavailable: another server may do.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from postier.ldap.wire.core import MAX_MESSAGE, Entry, LdapCore, Malformed, Reference, Result
from postier.ldap.wire.text import Server
from postier.net.api import ConnectionLost, IdleTimeout
from postier.net.connection import StreamConnection

__all__ = ["LdapConnection", "LdapUnavailable", "Terms", "open_connection"]

SUCCESS = 0
SIZE_LIMIT_EXCEEDED = 4
NO_SUCH_OBJECT = 32
ELSEWHERE = frozenset({1, 2, 3, 7, 8, 10, 11, 13, 51, 52, 54, 80})
"""Result codes that say nothing about the question: the server can't, won't now, or wants another way to be
asked (RFC 4511 A.2). 10: a referral, which is not followed."""
PAGE = 500
FEW = 100
"""Entries of a search that says no number: it asks for one entry by its name."""
BREATHE = 50
"""Entries after which others of this loop have their turn."""


class LdapUnavailable(Exception):
    """Nobody answers there now; one sentence says why."""


@dataclass(frozen=True, slots=True)
class Terms:
    """`context`: verifies the server; None leaves TLS out. `seconds`, `limit` (octets): of each answer."""

    context: ssl.SSLContext | None
    seconds: float = 5.0
    limit: int = MAX_MESSAGE


class LdapConnection:
    """`bound_as`: whose rights it has, "" for nobody's."""

    def __init__(self, server: Server, terms: Terms, connection: StreamConnection) -> None:
        self.server = server
        self.bound_as = ""
        self._terms = terms
        self._core = LdapCore(terms.limit)
        self._connection = connection

    async def bind(self, dn: str, password: str) -> Result:
        """What the server says to name and password; its connection is that person's if `code` is 0. Raises
        LdapUnavailable."""
        self.bound_as = ""
        self._core.bind(dn, password)
        result = await self._result("bind")
        if result.code in ELSEWHERE:
            raise self._fault(f"refuses to let {dn or 'nobody'} in: {_words(result)}")
        if result.code == SUCCESS:
            self.bound_as = dn
        return result

    async def search(
        self,
        base: str,
        filter: str,
        attributes: Sequence[str],
        *,
        only_base: bool = False,
        limit: int = 0,
    ) -> list[Entry]:
        """A few entries; with `limit` no more than that. None where there is no `base`. Raises
        LdapUnavailable, BadFilter."""
        self._core.search(
            base, filter, attributes, only_base=only_base, limit=limit, seconds=self._server_seconds
        )
        try:
            async with asyncio.timeout(2 * self._terms.seconds):
                return await self._few(limit or FEW)
        except TimeoutError:
            raise self._fault("does not come to an end of its answers") from None

    async def _few(self, limit: int) -> list[Entry]:
        found = []
        while isinstance(answer := await self._answer("search"), Entry | Reference):
            if isinstance(answer, Entry):
                found.append(answer)
                if len(found) > limit:
                    raise self._fault("sends more entries than were asked for")
        self._check(answer, allowed=(SIZE_LIMIT_EXCEEDED, NO_SUCH_OBJECT))
        return found

    async def search_all(
        self, base: str, filter: str, attributes: Sequence[str], *, most: int
    ) -> AsyncIterator[Entry]:
        """Every entry, page by page (RFC 2696). Raises LdapUnavailable, also where there are more than `most`
        or `base` is missing: half an answer would look like people who left."""
        cookie, count = b"", 0
        while True:
            self._core.search(base, filter, attributes, page=(PAGE, cookie))
            while isinstance(answer := await self._answer("search"), Entry | Reference):
                if isinstance(answer, Reference):
                    continue  # another server's part: it is a directory of its own
                count += 1
                if count > most:
                    raise self._fault(f"has more than {most} entries for {filter}")
                yield answer
                if count % BREATHE == 0:
                    await asyncio.sleep(0)
            self._check(answer)
            assert isinstance(answer, Result)
            if not answer.cookie:
                return
            cookie = answer.cookie

    def close(self) -> None:
        """Say so, and wait for nothing: the server has nothing to answer (RFC 4511 4.3)."""
        self._core.unbind()
        self._connection.write(self._core.outgoing())
        self._connection.abort()

    def abort(self) -> None:
        self._connection.abort()

    def is_idle(self) -> bool:
        """True if it can be used again: open, and nothing unread."""
        return not (self._core.has_buffered_input() or self._connection.has_input())

    async def secure(self, *, start: bool) -> None:
        """TLS, after the server's go-ahead if `start` (RFC 4511 4.14). Raises LdapUnavailable."""
        assert self._terms.context is not None
        if start:
            self._core.start_tls()
            result = await self._result("StartTLS")
            if result.code != SUCCESS:
                raise self._fault(f"does not start TLS: {_words(result)}")
        try:
            await self._connection.start_client_tls(
                self._core, self._terms.context, self.server.host, self._terms.seconds
            )
        except ConnectionLost as lost:
            cause = lost.__cause__
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise self._fault(f"shows a certificate that does not hold: {cause.verify_message}") from lost
            raise self._fault(str(lost)) from lost

    # ------------------------------------------------------------------ answers

    @property
    def _server_seconds(self) -> int:
        return max(1, int(self._terms.seconds))

    async def _result(self, what: str) -> Result:
        answer = await self._answer(what)
        if not isinstance(answer, Result):
            raise self._fault(f"answers a {what} with something else")
        return answer

    async def _answer(self, what: str) -> Entry | Reference | Result:
        try:
            answer = await self._connection.event(self._core, self._terms.seconds)
        except IdleTimeout:
            raise self._fault(f"does not answer a {what} within {self._terms.seconds:g} s") from None
        except ConnectionLost as lost:
            raise self._fault(f"is gone: {lost}") from lost
        if isinstance(answer, Malformed):
            raise self._fault(f"does not speak LDAP: {answer.detail}")
        if isinstance(answer, Entry | Reference | Result):
            return answer
        raise self._fault("closed the connection")

    def _check(self, answer: object, allowed: Sequence[int] = ()) -> None:
        assert isinstance(answer, Result)
        if answer.code != SUCCESS and answer.code not in allowed:
            raise self._fault(f"does not search: {_words(answer)}")

    def _fault(self, text: str) -> LdapUnavailable:
        self._connection.abort()
        return LdapUnavailable(f"{self.server} {text}")


async def open_connection(server: Server, terms: Terms) -> LdapConnection:
    """A connection over TLS if the terms have a context. Raises LdapUnavailable."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(terms.seconds):
            _, stream = await loop.create_connection(
                lambda: StreamConnection(loop, write_timeout=terms.seconds), server.host, server.port
            )
    except TimeoutError:
        raise LdapUnavailable(f"{server} does not accept within {terms.seconds:g} s") from None
    except OSError as error:
        raise LdapUnavailable(f"{server} cannot be reached: {error.strerror or error}") from error
    connection = LdapConnection(server, terms, stream)
    try:
        if terms.context is not None:
            await connection.secure(start=not server.implicit_tls)
    except BaseException:
        connection.abort()
        raise
    return connection


def _words(result: Result) -> str:
    return f"{result.text or 'no reason given'} (result {result.code})"

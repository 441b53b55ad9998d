"""An LDAP server that answers as it is told: Active Directory's ways, which OpenLDAP has not, and faults.

The messages are the library's, from its server's side.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

import sansldap

__all__ = ["FakeEntry", "FakeLdap"]

FakeEntry = tuple[str, Mapping[str, Sequence[bytes]]]
Search = Callable[[sansldap.SearchRequest], Iterable[FakeEntry] | None]


class FakeLdap:
    """`passwords`: by the name that binds; all others get error 49 with `words` in its text. `search`: the
    entries that answer, None for a referral. `asked`: the filters and bases of all searches."""

    def __init__(
        self,
        search: Search,
        passwords: Mapping[str, str] | None = None,
        words: Mapping[str, str] | None = None,
    ) -> None:
        self.passwords = dict(passwords or {})
        self.words = dict(words or {})
        self.asked: list[tuple[str, str]] = []
        self.binds: list[tuple[str, str]] = []
        self._search = search

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its URL."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"ldap://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = sansldap.LDAPServer()
        try:
            while data := await reader.read(65_536):
                for message in session.receive(data):
                    self._answer(session, message)
                writer.write(session.data_to_send())
        except (sansldap.LDAPError, ConnectionError, asyncio.CancelledError):
            pass  # it unbinds, or the test is over
        finally:
            writer.transport.abort()

    def _answer(self, session: sansldap.LDAPServer, message: sansldap.LDAPMessage) -> None:
        if isinstance(message, sansldap.BindRequest):
            assert isinstance(message.authentication, sansldap.SimpleCredential)
            name, password = message.name, message.authentication.password
            self.binds.append((name, password))
            right = self.passwords.get(name) == password
            code = sansldap.LDAPResultCode.SUCCESS if right else sansldap.LDAPResultCode.INVALID_CREDENTIALS
            words = "" if right else self.words.get(name, "")
            session.bind_response(message.message_id, result_code=code, diagnostics_message=words)
        elif isinstance(message, sansldap.SearchRequest):
            self.asked.append((str(message.base_object), str(message.filter)))
            entries = self._search(message)
            for dn, attributes in entries or ():
                listed = [sansldap.PartialAttribute(name, list(v)) for name, v in attributes.items()]
                session.search_result_entry(message.message_id, dn, listed)
            code = sansldap.LDAPResultCode.REFERRAL if entries is None else sansldap.LDAPResultCode.SUCCESS
            session.search_result_done(message.message_id, result_code=code)

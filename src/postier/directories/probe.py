"""Looking at a directory's servers one by one: reached, certificate, the account that reads, and people."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from postier.directories.source import as_reader
from postier.ldap.client import LdapUnavailable, Terms, open_connection
from postier.ldap.wire.text import parse_server
from postier.store.api import LdapDirectory

__all__ = ["Probed", "probe"]

PROBE_SECONDS = 15.0


class Probed(NamedTuple):
    """`words`: what was found, for a person."""

    server: str
    ok: bool
    words: str


async def probe(directory: LdapDirectory, terms: Terms) -> list[Probed]:
    """In the order of the directory's servers."""
    return list(await asyncio.gather(*(_probe(directory, url, terms) for url in directory.servers)))


async def _probe(directory: LdapDirectory, url: str, terms: Terms) -> Probed:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            connection = await open_connection(parse_server(url), terms)
            try:
                await as_reader(directory, connection)
                found = await connection.search(directory.base, directory.people, ("1.1",), limit=1)
            finally:
                connection.close()
    except TimeoutError:
        return Probed(url, False, f"{url} takes longer than {PROBE_SECONDS:g} s")
    except LdapUnavailable as error:
        return Probed(url, False, str(error))
    who = directory.bind_dn or "nobody"
    if not found:
        return Probed(url, False, f"{who} finds no people below {directory.base} with {directory.people}")
    clear = ", in clear text" if terms.context is None else ", over TLS"
    return Probed(url, True, f"answers {who}{clear}, and shows people")

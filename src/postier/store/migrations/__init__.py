"""The schema, as numbered steps that only ever go forward.

`NNNN_name.sql` is one step: statements separated by ";", run in one transaction with the note that they ran.
Four words stand for what the engines spell differently: `$id` (a 64-bit integer key), `$bytes` (a byte
string), `$json` (what a text is cast to before it is taken apart) and `$clustered` (rows lie in the order of
the primary key, where the engine knows that).
A step that was released is never edited: the next one changes what it made.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from string import Template

from postier.store.api import StoreError
from postier.store.sql.connection import Connection

__all__ = ["SchemaTooNew", "latest_version", "migrate", "steps"]

_NOTE_VERSION = (
    "INSERT INTO meta (key, value) VALUES ('schema', ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class SchemaTooNew(StoreError):
    """A newer program wrote this store; an older one must not touch it."""


def steps() -> list[tuple[int, str]]:
    """(number, SQL text) of every step, ascending."""
    found = []
    for entry in importlib.resources.files(__name__).iterdir():
        if entry.name.endswith(".sql"):
            found.append((int(entry.name[:4]), entry.read_text("utf-8")))
    return sorted(found)


def latest_version() -> int:
    return steps()[-1][0]


async def migrate(connection: Connection, words: Mapping[str, str], begin: str) -> int:
    """Bring the schema up to date; returns its version. `begin` starts a transaction that excludes others.

    Raises SchemaTooNew and changes nothing where the store is ahead of this program.
    """
    await connection.execute(begin)
    try:
        version = await _apply(connection, words)
    except BaseException:
        await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")
    return version


async def _apply(connection: Connection, words: Mapping[str, str]) -> int:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)"
    )
    row = await connection.row("SELECT value FROM meta WHERE key = 'schema'")
    version = 0 if row is None else int(row[0])
    if version > latest_version():
        raise SchemaTooNew(
            f"the store has schema {version}, this program knows {latest_version()}: run a newer Postier"
        )
    for number, text in steps():
        if number > version:
            for statement in _statements(Template(text).substitute(words)):
                await connection.execute(statement)
            await connection.execute(_NOTE_VERSION, (str(number),))
            version = number
    return version


def _statements(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [statement for part in "\n".join(lines).split(";") if (statement := part.strip())]

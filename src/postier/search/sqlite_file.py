"""The file of the index in SQLite: its tables, and when they are thrown away.

An index whose FORMAT is another, or that is damaged, is made anew from the messages.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from postier.base.log import Log
from postier.search.segment import Damaged

__all__ = ["FORMAT", "discard", "is_damage", "open_file", "write_owner"]

FORMAT = 1
"""What the tables hold and how. Another one for whatever changes what a text is."""

_TABLES = (
    "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # modseq, placed, segmented: see search.api.Indexed
    "CREATE TABLE mailboxes (account_id INTEGER NOT NULL, mailbox_id INTEGER NOT NULL,"
    " uidvalidity INTEGER NOT NULL, modseq INTEGER NOT NULL, placed INTEGER NOT NULL,"
    " segmented INTEGER NOT NULL, PRIMARY KEY (account_id, mailbox_id)) WITHOUT ROWID",
    # octets: of the text, unpacked
    "CREATE TABLE places (account_id INTEGER NOT NULL, mailbox_id INTEGER NOT NULL, uid INTEGER NOT NULL,"
    " blob_id INTEGER NOT NULL, PRIMARY KEY (account_id, mailbox_id, uid)) WITHOUT ROWID",
    "CREATE INDEX places_by_blob ON places (account_id, blob_id)",
    "CREATE TABLE texts (account_id INTEGER NOT NULL, blob_id INTEGER NOT NULL, octets INTEGER NOT NULL,"
    " data BLOB NOT NULL, PRIMARY KEY (account_id, blob_id)) WITHOUT ROWID",
    "CREATE TABLE segments (segment_id INTEGER PRIMARY KEY AUTOINCREMENT, account_id INTEGER NOT NULL,"
    " mailbox_id INTEGER NOT NULL, first_uid INTEGER NOT NULL, last_uid INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, octets INTEGER NOT NULL, gone INTEGER NOT NULL)",
    "CREATE UNIQUE INDEX segments_by_uid ON segments (account_id, mailbox_id, first_uid)",
    "CREATE INDEX segments_with_gone ON segments (account_id) WHERE gone > 0",
    "CREATE TABLE segment_data (id INTEGER PRIMARY KEY, data BLOB NOT NULL)",
)
_OWN_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"

_log = Log("search")


def open_file(path: Path) -> sqlite3.Connection:
    """An open file for writing, made if it is not there. Raises sqlite3.Error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _prepared(path)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        discard(path)
        return _prepared(path)


def is_damage(error: BaseException | None) -> bool:
    """Whether the file can't be trusted any more, rather than locked or the disk full."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, Damaged) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def discard(path: Path) -> None:
    _log.warning("the search index is damaged and made anew", file=path.name)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _prepared(path: Path) -> sqlite3.Connection:
    """An open file with the tables of this FORMAT."""
    database = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    for setting in (
        "page_size = 8192",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "secure_delete = ON",  # words of messages that are gone do not stay behind
        "cache_size = -16384",
    ):
        database.execute("PRAGMA " + setting)
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found != FORMAT:
        database.execute("BEGIN IMMEDIATE")
        for (name,) in database.execute(_OWN_TABLES).fetchall():
            database.execute(f'DROP TABLE "{name}"')
        for statement in _TABLES:
            database.execute(statement)
        write_owner(database, "")
        database.execute(f"PRAGMA user_version = {FORMAT}")
        database.execute("COMMIT")
    return database


def write_owner(database: sqlite3.Connection, owner: str) -> None:
    database.execute("INSERT INTO meta (key, value) VALUES ('owner', ?)", (owner,))

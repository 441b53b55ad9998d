"""SQLite as a `store.sql.Connection`: no call ever suspends, except to let the event loop breathe."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType, coroutine

import msgspec

from postier.store.api import StoreError, StoreUnavailable
from postier.store.sql.connection import Row, Value

__all__ = [
    "BREATH",
    "NotInTransaction",
    "ReadingConnection",
    "SqliteConnection",
    "connect",
    "is_fatal",
    "unavailable",
]

_ROWS_AT_ONCE = 500
_AT_ONCE = {"blob": 1000}
"""Numbers of a sequence that a process takes for itself in one step, where there are many."""
_SAVE_SEQUENCE = (
    "INSERT INTO sequences (name, next) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET next = excluded.next"
)
_integers = msgspec.json.Decoder(list[int])


class NotInTransaction(StoreError):
    """The work of a transaction awaited something besides the transaction."""


class Breath:
    """What a transaction yields to its driver between pieces of long work."""


BREATH = Breath()


@coroutine
def _breathe() -> Generator[Breath, None, None]:
    yield BREATH


def unavailable(error: sqlite3.Error) -> StoreUnavailable:
    """The store's word for a fault of the database; the code's name is for the log."""
    return StoreUnavailable(f"{getattr(error, 'sqlite_errorname', type(error).__name__)}: {error}")


def is_fatal(error: sqlite3.Error) -> bool:
    """Whether the error says that the disk failed, not that it is full or busy."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """An open connection in WAL mode. The page size counts only for a database that is made now."""
    database = sqlite3.connect(
        path, timeout=10, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    database.execute("PRAGMA page_size = 8192")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA secure_delete = OFF")
    database.execute("PRAGMA temp_store = MEMORY")
    database.execute("PRAGMA cache_size = -32768")
    database.execute("PRAGMA wal_autocheckpoint = 0")
    if read_only:
        database.execute("PRAGMA query_only = ON")
    return database


class _Snapshot:
    """A read transaction around several queries; within a transaction, nothing."""

    __slots__ = ("_began", "_database")

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._began = False

    async def __aenter__(self) -> None:
        if not self._database.in_transaction:
            self._database.execute("BEGIN")
            self._began = True

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._began:
            self._database.execute("COMMIT")


class SqliteConnection:
    """See `store.sql.connection.Connection`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._sequences: dict[str, tuple[int, int]] = {}  # the next number, and the first that is not ours
        self._unsaved: dict[str, int] = {}

    @property
    def _asked(self) -> sqlite3.Connection:
        return self._database

    async def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        try:
            return self._asked.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise unavailable(error) from error

    async def row(self, sql: str, values: Sequence[Value] = ()) -> Row | None:
        try:
            found = self._asked.execute(sql, values).fetchone()
        except sqlite3.Error as error:
            raise unavailable(error) from error
        return found  # type: ignore[no-any-return]

    async def columns(
        self, names: tuple[str, ...], sql: str, values: Sequence[Value] = ()
    ) -> list[list[int]]:
        """One text of all numbers of a column is made and read faster than a tuple for each row."""
        try:
            texts = self._asked.execute(_joined(names, sql), values).fetchone()
        except sqlite3.Error as error:
            raise unavailable(error) from error
        return [_integers.decode(f"[{text}]") if text else [] for text in texts]

    async def integers(self, sql: str, values: Sequence[Value] = ()) -> list[int]:
        (column,) = await self.columns((sql.split(None, 2)[1],), sql, values)
        return column

    async def execute(self, sql: str, values: Sequence[Value] = ()) -> int:
        try:
            return self._database.execute(sql, values).rowcount
        except sqlite3.Error as error:
            raise unavailable(error) from error

    async def executemany(self, sql: str, values: Sequence[Sequence[Value]]) -> None:
        try:
            for start in range(0, len(values), _ROWS_AT_ONCE):
                if start:
                    await _breathe()
                self._database.executemany(sql, values[start : start + _ROWS_AT_ONCE])
        except sqlite3.Error as error:
            raise unavailable(error) from error

    async def breathe(self) -> None:
        await _breathe()

    def snapshot(self) -> _Snapshot:
        return _Snapshot(self._asked)

    async def next_id(self, sequence: str) -> int:
        """Numbers given to work that came to nothing are not given again within the batch."""
        number, end = self._sequences.get(sequence, (0, 0))
        if number == end:
            number = self._unsaved.get(sequence) or await self._saved(sequence)
            end = self._unsaved[sequence] = number + _AT_ONCE.get(sequence, 1)
        self._sequences[sequence] = (number + 1, end)
        return number

    async def _saved(self, sequence: str) -> int:
        row = await self.row("SELECT next FROM sequences WHERE name = ?", (sequence,))
        return 1 if row is None else int(row[0])

    async def save_sequences(self) -> None:
        """Before the commit of a batch: note how far this process may go in the sequences."""
        if not self._unsaved:
            return
        await self.executemany(_SAVE_SEQUENCE, list(self._unsaved.items()))
        self._unsaved.clear()

    def forget_sequences(self) -> None:
        """After a rollback: the next batch reads them again."""
        self._sequences.clear()
        self._unsaved.clear()


class ReadingConnection(SqliteConnection):
    """Reads what is committed. While no transaction is open it asks the connection that writes, which knows
    the pages it wrote; the other one forgets all it knows with every commit."""

    def __init__(
        self, reading: sqlite3.Connection, writing: sqlite3.Connection, is_free: Callable[[], bool]
    ) -> None:
        super().__init__(reading)
        self._writing = writing
        self._is_free = is_free

    @property
    def _asked(self) -> sqlite3.Connection:
        return self._writing if self._is_free() else self._database


@cache
def _joined(names: tuple[str, ...], sql: str) -> str:
    """`SELECT name, … FROM …` as a query for one text of all numbers of each column, separated by commas."""
    return f"SELECT {', '.join(f'group_concat({name})' for name in names)} FROM ({sql})"  # noqa: S608 (ours)

"""Routes that were set when they were one JSON object among the facts."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from postier.store.api import MailRoute, RouteHost
from postier.store.migrations import steps
from postier.testing.store_helpers import OpenStore

OLD = '{"b.test":{"host":"2001:db8::1","port":2525},"a.test":{"host":"relay.test","port":25}}'


def old_store(path: Path, routes: str | None) -> None:
    words = {"$id": "INTEGER", "$bytes": "BLOB", "$clustered": "WITHOUT ROWID", "$json": "TEXT"}
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)")
        for number, text in steps():
            if number < 18:
                for word, meaning in words.items():
                    text = text.replace(word, meaning)
                database.executescript(text)
        database.execute("INSERT INTO meta VALUES ('schema', '17')")
        if routes is not None:
            database.execute("INSERT INTO meta VALUES ('routes', ?)", (routes,))
    database.close()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, []),
        ("{}", []),
        (
            OLD,
            [
                MailRoute("a.test", hosts=(RouteHost("relay.test", 25),)),
                MailRoute("b.test", hosts=(RouteHost("2001:db8::1", 2525),)),
            ],
        ),
    ],
)
def test_routes_of_an_older_store_are_kept(
    tmp_path: Path, open_store: OpenStore, before: str | None, after: list[MailRoute]
) -> None:
    old_store(tmp_path / "store.db", before)

    async def go() -> None:
        async with open_store() as opened:
            assert await opened.store.reader.mail_routes() == after
            assert await opened.store.reader.meta("routes") is None

    asyncio.run(go())

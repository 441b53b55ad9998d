"""The process that keeps the index of texts: one for each server, at the lowest priority, beside the workers.

What it does costs the others nothing but what the system has to spare, and whether it runs changes no answer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from postier.base.clock import SystemClock
from postier.base.log import Log
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.config.settings import Settings
from postier.search.api import IndexUnavailable
from postier.search.indexer import Indexer, adopt
from postier.search.sqlite_writer import SqliteTextIndexWriter
from postier.store.sqlite import open_sqlite
from postier.supervisor import WorkerChannel

__all__ = ["SEARCH_DATABASE", "keep_index", "prepare_index"]

SEARCH_DATABASE = "search.db"
_NICE = 19

log = Log("search")


async def prepare_index(settings: Settings, database: str) -> None:
    """Before anybody searches or delivers: throw away what is of another store, or of another time of this
    one."""
    clock, blobs = SystemClock(), LocalBlobs(settings.data, "supervisor")
    store = await open_sqlite(
        settings.data / database, blobs=blobs, bus=MemoryBus(), clock=clock, owner="supervisor"
    )
    index = SqliteTextIndexWriter(settings.data / SEARCH_DATABASE)
    try:
        await adopt(store, index)
    except (IndexUnavailable, OSError) as error:
        log.fault("searches read messages: the index cannot be opened", why=error)
    finally:
        index.close()
        await store.close()


async def keep_index(settings: Settings, database: str, channel: WorkerChannel) -> None:
    """Until SIGTERM, or until the supervisor is gone."""
    _give_way()
    clock, blobs = SystemClock(), LocalBlobs(settings.data, "indexer")
    store = await open_sqlite(
        settings.data / database, blobs=blobs, bus=MemoryBus(), clock=clock, owner="indexer"
    )
    index = SqliteTextIndexWriter(settings.data / SEARCH_DATABASE)
    indexer = Indexer(store.reader, blobs, index)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, indexer.stopping.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    loop.add_reader(channel.lifeline, indexer.stopping.set)
    channel.tell_ready()
    try:
        await indexer.run(clock)
    finally:
        loop.remove_reader(channel.lifeline)
        index.close()
        await store.close()


def _give_way() -> None:
    """Run only where nobody else wants to (Linux: SCHED_IDLE), or else as little as there is."""
    os.nice(_NICE)
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

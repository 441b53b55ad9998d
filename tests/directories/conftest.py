from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.directories.kinds import filled
from postier.store.api import Domain, LdapDirectory, Store
from postier.store.sqlite import open_sqlite
from postier.testing.slapd import ADMIN, ADMIN_PASSWORD, BASE, Slapd


@pytest.fixture
def slapd() -> Iterator[Slapd]:
    if shutil.which(Slapd.program()) is None or shutil.which("ldapadd") is None:
        if os.environ.get("POSTIER_NO_SKIP"):
            pytest.fail("slapd and ldap-utils are not installed")
        pytest.skip("slapd and ldap-utils are not installed")
    with Slapd() as server:
        yield server


@pytest.fixture
def office(slapd: Slapd) -> Callable[..., LdapDirectory]:
    """The directory as an administrator would have it, with what a test changes of it."""

    def make(**changes: object) -> LdapDirectory:
        plain = LdapDirectory(
            "office",
            (slapd.ldaps,),
            ("orchard.test",),
            BASE,
            kind="openldap",
            authorities=str(slapd.authorities),
            bind_dn=ADMIN,
            password=ADMIN_PASSWORD,
            quota_attribute="mailQuota",
        )
        return filled(replace(plain, **changes))  # type: ignore[arg-type]

    return make


@pytest.fixture
def on_store(tmp_path: Path) -> Callable[[Callable[[Store], Awaitable[None]]], None]:
    """Runs a coroutine function with an open store that has two domains."""

    async def whole(work: Callable[[Store], Awaitable[None]]) -> None:
        blobs, bus = LocalBlobs(tmp_path, "w0"), MemoryBus()
        store = await open_sqlite(
            tmp_path / "store.db", blobs=blobs, bus=bus, clock=SystemClock(), owner="test"
        )
        try:
            for name in ("orchard.test", "harbor.test"):
                domain = Domain(name, None, "{}")
                if await store.reader.domain(name) is None:
                    await store.transact(lambda tx, one=domain: tx.add_domain(one))  # type: ignore[misc]
            await work(store)
        finally:
            await store.close()
            blobs.close()

    return lambda work: asyncio.run(whole(work))

"""The routes of the management API about devices."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from postier.accounts.mailboxes import create_defaults
from postier.admin.api_devices import DeviceRoutes
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.http.api import Call
from postier.http.openapi import openapi_document
from postier.http.parameters import read_parameters
from postier.http.problem import Problem
from postier.store.api import AccountId, AccountKind, DeviceCounts, DeviceNote, KeepDevices, Tx
from postier.store.sqlite import open_sqlite
from postier.testing.store_helpers import SettableClock

DEVICES, ADVICE = "/api/v1/accounts/{address}/devices", "/api/v1/accounts/{address}/advice"


def test_devices_and_advice_are_answered(tmp_path: Path) -> None:
    async def whole() -> None:
        clock, blobs = SettableClock(), LocalBlobs(tmp_path, "test")
        now = int(clock.now())
        store = await open_sqlite(
            tmp_path / "postier.db", blobs=blobs, bus=MemoryBus(), clock=clock, owner="test"
        )

        async def fill(tx: Tx) -> AccountId:
            account_id = await tx.add_account("anna@b.example", AccountKind.PERSON, "")
            await create_defaults(tx, account_id)
            await tx.add_account("shared@b.example", AccountKind.SHARED, "")
            days = {now // 86_400: DeviceCounts(bodies=5, wire_bodies=4, sessions=1)}
            note = DeviceNote(
                account_id, "id:imap:x", 0, 1, "X", "", "", "", "TLSv1.3", "", now, now, days=days
            )
            await tx.note_devices([note], now, KeepDevices(9, 9, 0))
            return account_id

        account = await store.reader.account(await store.transact(fill))
        table = {route.path: route for route in DeviceRoutes(store.reader, blobs, clock).table()}

        async def ask(path: str, address: str, **query: str) -> Any:
            route = table[path]
            values = read_parameters(route.parameters, {"address": address}, list(query.items()))
            return json.loads(json.dumps(await route.answer(Call(account, values))))

        try:
            (device,) = await ask(DEVICES, "Anna@B.example")
            assert (device["name"], device["moved"]["bodies"]) == ("X", 5)
            advice = await ask(ADVICE, "anna@b.example", devices="1", offline="true", lang="fr")
            assert (advice["protocol"], advice["account"]) == ("either", "anna@b.example")
            assert "les deux vous conviennent" in advice["text"]
            for path in table:
                for nobody in ("eve@b.example", "shared@b.example"):
                    with pytest.raises(Problem) as caught:
                        await ask(path, nobody)
                    assert caught.value.status == 404
                with pytest.raises(Problem) as caught:
                    await ask(path, "../../etc/passwd")
                assert caught.value.status == 400
            with pytest.raises(Problem):
                await ask(ADVICE, "anna@b.example", devices="1001")
            assert set(openapi_document(list(table.values()))["paths"]) == {DEVICES, ADVICE}
        finally:
            await store.close()

    asyncio.run(whole())

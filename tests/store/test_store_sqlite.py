from __future__ import annotations

from postier.testing.store_contract import StoreContract


class TestSqlite(StoreContract):
    """The suite of every engine; `open_store` is in conftest.py."""

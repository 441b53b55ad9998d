"""What every engine promises of certificates; part of StoreContract."""

from __future__ import annotations

from postier.store.api import Store, StoredCertificate
from postier.testing.store_helpers import Opened, on_store

__all__ = ["CertificatesContract"]


def certificate(name: str, *others: str, chain: str = "chain\n") -> StoredCertificate:
    return StoredCertificate(name, (name, *others), chain, "key\n", "import", 2**33, 2**32)


async def keep(store: Store, one: StoredCertificate) -> None:
    await store.transact(lambda tx: tx.set_certificate(one))


class CertificatesContract:
    @on_store
    async def test_certificates_are_set_replaced_listed_and_removed(self, opened: Opened) -> None:
        store = opened.store
        assert await store.reader.certificates() == []
        first = certificate("mail.b.example")
        second = certificate("*.a.example", "a.example", "xn--bcher-kva.example")
        newer = certificate("mail.b.example", "imap.b.example", chain="newer\n")._replace(origin="acme")
        for one in (first, second, newer):
            await keep(store, one)
        assert await store.reader.certificates() == [second, newer]
        assert await store.transact(lambda tx: tx.remove_certificate("mail.b.example"))
        assert not await store.transact(lambda tx: tx.remove_certificate("mail.b.example"))
        assert await store.reader.certificates() == [second]

    @on_store
    async def test_each_change_of_certificates_is_counted(self, opened: Opened) -> None:
        store = opened.store
        seen = [await store.reader.certificates_changed()]
        for number in range(12):
            await keep(store, certificate(f"{number % 2}.example"))
            seen.append(await store.reader.certificates_changed())
        await store.transact(lambda tx: tx.remove_certificate("0.example"))
        seen.append(await store.reader.certificates_changed())
        assert seen == sorted(set(seen))
        await store.transact(lambda tx: tx.remove_certificate("0.example"))
        assert await store.reader.certificates_changed() == seen[-1]

    def test_a_key_is_not_shown_by_accident(self) -> None:
        assert "key\\n" not in repr(certificate("a.example"))

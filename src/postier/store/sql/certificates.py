"""The certificates that the server shows by name."""

from __future__ import annotations

from postier.store.api import StoredCertificate
from postier.store.sql.base import Reads, Writes

__all__ = ["CertificateReader", "CertificateTx"]

_ALL = "SELECT name, names, chain, key, origin, not_after, changed FROM certificates ORDER BY name"
_SET = (
    "INSERT INTO certificates (name, names, chain, key, origin, not_after, changed)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET names = excluded.names, chain = excluded.chain, key = excluded.key,"
    " origin = excluded.origin, not_after = excluded.not_after, changed = excluded.changed"
)
_COUNTER = "SELECT value FROM meta WHERE key = 'certificates'"
_COUNT = (
    "INSERT INTO meta (key, value) VALUES ('certificates', '1')"
    " ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)"
)


class CertificateReader(Reads):
    async def certificates(self) -> list[StoredCertificate]:
        rows = await self._connection.rows(_ALL)
        return [StoredCertificate(row[0], tuple(row[1].split(" ")), *row[2:]) for row in rows]

    async def certificates_changed(self) -> int:
        row = await self._connection.row(_COUNTER)
        return 0 if row is None else int(row[0])


class CertificateTx(CertificateReader, Writes):
    async def set_certificate(self, certificate: StoredCertificate) -> None:
        values = (certificate.name, " ".join(certificate.names), *certificate[2:])
        await self._connection.execute(_SET, values)
        await self._connection.execute(_COUNT)

    async def remove_certificate(self, name: str) -> bool:
        removed = await self._connection.execute("DELETE FROM certificates WHERE name = ?", (name,)) > 0
        if removed:
            await self._connection.execute(_COUNT)
        return removed

"""The certificates that the store keeps: values and interfaces, part of store.api."""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["CertificateReader", "CertificateTx", "StoredCertificate"]


class StoredCertificate(NamedTuple):
    """A certificate that the server shows to those who ask for one of `names`.

    `name` is the first of `names`, and what it is called by. Names are A-labels in lower case, the left-most
    may be `*`. `chain` and `key` are PEM, the chain with ours first. `origin`: "import" or "acme".
    `not_after`, `changed`: seconds since 1970.
    """

    name: str
    names: tuple[str, ...]
    chain: str
    key: str
    origin: str
    not_after: int
    changed: int

    def __repr__(self) -> str:
        return f"StoredCertificate({self.name!r}, {self.origin!r}, not_after={self.not_after})"


class CertificateReader(Protocol):
    async def certificates(self) -> list[StoredCertificate]:
        """By name."""
        ...

    async def certificates_changed(self) -> int:
        """Grows with every change of them; asking costs next to nothing."""
        ...


class CertificateTx(CertificateReader, Protocol):
    async def set_certificate(self, certificate: StoredCertificate) -> None:
        """Adds it, or replaces the one of its name."""
        ...

    async def remove_certificate(self, name: str) -> bool:
        """False if there was none."""
        ...

"""Certificates by name: which of them a client is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from postier.net.certificates import Certificate

__all__ = ["Shelf"]


class Shelf:
    """`first`: the certificate of the settings. `stored` ones go before it; of two for one name, the one that
    is valid longer. `host`: the server's own name, whose certificate those get who ask for none of ours."""

    def __init__(self, first: Certificate, stored: Iterable[Certificate], host: str) -> None:
        shown = sorted(stored, key=lambda one: one.not_after)
        self._stored = {name: one for one in shown for name in one.names}
        self._first = dict.fromkeys(first.names, first)
        self._default = _find(self._stored, host) or first
        self.fingerprints = frozenset(one.fingerprint for one in (first, *shown))

    def certificate_for(self, name: str) -> Certificate:
        """What a client is shown that asks for `name` (A-labels in lower case); "" for one that doesn't."""
        return _find(self._stored, name) or _find(self._first, name) or self._default


def _find(certificates: Mapping[str, Certificate], name: str) -> Certificate | None:
    """The one for exactly this name, else one with a wildcard for it (RFC 9525 6.3)."""
    return certificates.get(name) or certificates.get("*." + name.partition(".")[2])

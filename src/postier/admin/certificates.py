"""The certificates of a server as a whole: which are shown to whom, what is missing, what is wrong."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from postier.acme.names import Wanted
from postier.admin.diagnosis import Finding
from postier.net.certificates import Certificate, CertificateError, covers, problem, read_certificate
from postier.net.shelf import Shelf
from postier.store.api import StoredCertificate

__all__ = [
    "DAY",
    "ListedCertificate",
    "check_certificates",
    "expires_soon",
    "from_store",
    "is_superseded",
    "list_certificates",
    "to_store",
]

DAY = 86_400
_SOON = 14 * DAY


@dataclass(frozen=True, slots=True)
class ListedCertificate:
    """`origin`: "settings" for the files of the settings, else as it is stored. `until`: seconds since 1970.
    `domains`: of ours, whose clients are shown it for a name that it is for. `missing`: names of ours whose
    clients are shown it though it is for another. `fault`: why it isn't shown, or why it should not be."""

    name: str
    names: tuple[str, ...]
    issuer: str
    until: int
    origin: str
    where: str
    domains: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    fault: str = ""
    soon: bool = False


def from_store(stored: StoredCertificate) -> Certificate:
    """Raises CertificateError."""
    return read_certificate(stored.chain.encode(), stored.key.encode(), f"certificate {stored.name}")


def to_store(certificate: Certificate, origin: str, now: float) -> StoredCertificate:
    """It is called by its first name; the certificate must have one."""
    return StoredCertificate(
        certificate.names[0],
        certificate.names,
        certificate.chain.decode(),
        certificate.key.decode(),
        origin,
        certificate.not_after,
        int(now),
    )


def expires_soon(certificate: Certificate, now: float) -> bool:
    """In two weeks, or in the last quarter of a short life."""
    life = certificate.not_after - certificate.not_before
    return certificate.not_after - now < min(_SOON, life / 4)


def list_certificates(
    first: Certificate,
    stored: Iterable[StoredCertificate],
    wanted: Sequence[Wanted],
    host: str,
    now: float,
) -> list[ListedCertificate]:
    """That of the settings first. `wanted`: the names that clients of each of our domains ask for."""
    listed, good = [_row(first, "settings", problem(first, now, None))], []
    rows = {first.fingerprint: 0}
    for one in stored:
        try:
            certificate = from_store(one)
        except CertificateError as error:
            where, fault = f"store, {_day(one.changed)}", str(error)
            listed.append(
                ListedCertificate(one.name, one.names, "", one.not_after, one.origin, where, fault=fault)
            )
            continue
        fault = problem(certificate, now, None)
        rows[certificate.fingerprint] = len(listed)
        listed.append(_row(certificate, one.origin, fault, f"store, {_day(one.changed)}"))
        if not fault:
            good.append(certificate)
    shelf = Shelf(first, good, host)
    for index, uses in _uses(shelf, rows, wanted).items():
        listed[index] = _with_uses(listed[index], uses)
    soon = {rows[one.fingerprint] for one in (first, *good) if expires_soon(one, now)}
    return [_marked(one) if index in soon else one for index, one in enumerate(listed)]


def _row(certificate: Certificate, origin: str, fault: str, where: str = "") -> ListedCertificate:
    return ListedCertificate(
        certificate.names[0] if certificate.names else "-",
        certificate.names,
        certificate.issuer,
        certificate.not_after,
        origin,
        where or certificate.where.removeprefix("certificate ").partition(" with key ")[0],
        fault=fault,
    )


_Uses = list[tuple[str, str, bool]]
"""Of one certificate: the domain, the name asked for, and whether the certificate is for it."""


def _uses(shelf: Shelf, rows: dict[str, int], wanted: Sequence[Wanted]) -> dict[int, _Uses]:
    found: dict[int, _Uses] = {}
    for one in wanted:
        for name in one.names:
            shown = shelf.certificate_for(name.replace("*.", "any.", 1))
            is_for = shown.covers(name) or name in shown.names
            found.setdefault(rows[shown.fingerprint], []).append((one.subject, name, is_for))
    return found


def _with_uses(row: ListedCertificate, uses: _Uses) -> ListedCertificate:
    domains = dict.fromkeys(domain for domain, _, is_for in uses if is_for)
    missing = tuple(name for _, name, is_for in uses if not is_for)
    return replace(row, domains=tuple(domains), missing=missing)


def _marked(row: ListedCertificate) -> ListedCertificate:
    return replace(row, soon=True)


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def is_superseded(listed: Sequence[ListedCertificate], host: str) -> bool:
    """Whether nobody sees the certificate of the settings, since a stored one is shown for `host`."""
    first, *stored = listed
    seen = first.domains or first.missing
    return not seen and any(covers(name, host) for one in stored if not one.fault for name in one.names)


def check_certificates(listed: Sequence[ListedCertificate]) -> list[Finding]:
    """What doctor says of those that are stored, and of names that none is for."""
    found = []
    for one in listed:
        if one.origin == "settings":
            continue
        subject, until = f"certificate {one.name}", _day(one.until)
        if one.fault:
            found.append(Finding("failed", subject, f"{one.fault}: get another one, or postier tls drop"))
        elif one.soon:
            how = "postier tls renew" if one.origin == "acme" else "get a new one, and postier tls import it"
            found.append(Finding("warning", subject, f"expires on {until}: {how}"))
        else:
            found.append(Finding("ok", subject, f"from {one.issuer} until {until}"))
    missing = [name for one in listed for name in one.missing]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        detail = f"none is for {', '.join(missing[:3])}{more}: see docs/tls.md"
        found.append(Finding("warning", "certificates", detail))
    return found

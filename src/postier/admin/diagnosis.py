"""What doctor looks at: each check finds one thing and says what to do about it."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from postier.accounts.directory import Directory, RecipientKind
from postier.admin.advice_facts import account_losses
from postier.admin.advice_words import loss_sentence
from postier.admin.report_words import alert_words
from postier.base.address import Address
from postier.base.domain import Domain
from postier.dns.api import DnsError, Resolver
from postier.filter.dnsbl import DnsList, check_list
from postier.store.api import Store

__all__ = [
    "Finding",
    "certificate_names",
    "check_certificate",
    "check_devices",
    "check_lists",
    "check_port",
    "check_postmaster",
    "check_python",
    "check_queue",
    "check_reports",
    "check_validation",
]

EXPIRES_SOON = dt.timedelta(days=14)
CONNECT_SECONDS = 5.0
SIGNED_NAME = "org"
"""A name whose answers are signed, and always will be."""
OVERDUE = 600
"""Seconds for which outgoing mail may be due without being tried."""
LATE = 4 * 3600
"""Seconds after which a destination that takes nothing is worth a line."""
LATE_SHOWN = 5
REPORT_ALERTS = 7 * 86400
REPORT_ALERTS_SHOWN = 5
LOSING_SHOWN = 5
SAFE_PYTHONS = {(3, 11): 17, (3, 12): 15, (3, 13): 16, (3, 14): 8}
"""The first micro release of each line in which a TLS client can't crash a server that switches contexts
(CVE-2026-19445)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`state`: "ok", "warning" or "failed". `subject`: what was looked at; `detail`: what was found and,
    unless all is well, what to do."""

    state: str
    subject: str
    detail: str


def certificate_names(certificate: x509.Certificate) -> list[str]:
    """The DNS names it holds for (RFC 9525 2: the subject's common name counts for nothing)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return extension.value.get_values_for_type(x509.DNSName)


def check_certificate(path: Path, hostname: Domain, now: dt.datetime) -> Finding:
    """Readable, for our name, in its time, and by somebody the world trusts."""
    subject = f"certificate {path.name}"
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        return Finding("failed", subject, f"cannot read {path}: {error.strerror}")
    except ValueError:
        return Finding("failed", subject, f"{path} is not a PEM certificate")
    names = certificate_names(certificate)
    if not any(_covers(name, hostname.ascii) for name in names):
        return Finding(
            "failed", subject, f"not valid for {hostname}, only for {', '.join(names) or 'nobody'}"
        )
    until = certificate.not_valid_after_utc
    if until <= now:
        return Finding("failed", subject, f"expired on {until:%Y-%m-%d}")
    if until - now < EXPIRES_SOON:
        return Finding("warning", subject, f"expires on {until:%Y-%m-%d}; renew it")
    if _is_our_own(path, certificate):
        return Finding(
            "warning",
            subject,
            "from this server's own authority, which mail programs do not know; install a real one",
        )
    return Finding("ok", subject, f"for {', '.join(names)} until {until:%Y-%m-%d}")


def _covers(pattern: str, name: str) -> bool:
    """One wildcard may stand for the whole first label (RFC 9525 6.3)."""
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:].lower()
    return pattern.lower() == name


def _is_our_own(path: Path, certificate: x509.Certificate) -> bool:
    try:
        authority = x509.load_pem_x509_certificate((path.parent / "ca.pem").read_bytes())
    except (OSError, ValueError):
        return False
    return certificate.issuer == authority.subject


async def check_validation(resolver: Resolver) -> Finding:
    """Whether the resolver checks DNSSEC, without which DANE (RFC 7672) can't be kept."""
    try:
        secure = (await resolver.txt(SIGNED_NAME)).secure
    except DnsError as error:
        return Finding("warning", "DNSSEC", f"the DNS does not answer: {error}")
    if secure:
        return Finding("ok", "DNSSEC", "the resolver checks it: DANE is on")
    return Finding(
        "warning",
        "DNSSEC",
        "the resolver does not check it, so DANE is off and TLSA records of others count for nothing: run a "
        'resolver on this machine (apt install unbound) and set dns.servers to ["127.0.0.1"], or, if yours '
        "checks and the way to it is safe, name its address in dns.validating",
    )


async def check_port(name: str, host: str, port: int, greeting: bytes, *, tls: bool) -> Finding:
    """Connects as a client would and looks for the beginning of the greeting."""
    subject = f"{name} on {host}:{port}"
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=_any_certificate() if tls else None
            )
            try:
                line = await reader.readline()
            finally:
                writer.close()
    except TimeoutError:
        return Finding("failed", subject, f"no answer within {CONNECT_SECONDS:g} s")
    except ssl.SSLError as error:
        return Finding("failed", subject, f"no TLS there: {error.reason or error}")
    except ConnectionRefusedError:
        return Finding("failed", subject, "nothing listens there; is the server running?")
    except OSError as error:
        return Finding("failed", subject, f"cannot connect: {error.strerror or error}")
    if not line.startswith(greeting):
        return Finding("failed", subject, "something else answers there")
    return Finding("ok", subject, line.decode("ascii", "replace").strip()[:60])


async def check_postmaster(store: Store) -> Finding:
    """RFC 5321 4.5.1: somebody reads what comes for postmaster, in each domain and without a domain."""
    directory = Directory(store)
    addresses = [Address("postmaster", Domain(record.name)) for record in await store.reader.domains()]
    lost = [str(a) for a in addresses if (await directory.resolve(a)).kind is RecipientKind.UNKNOWN]
    if await directory.postmaster() is None:
        who, cure = ", ".join(["postmaster", *lost]), "postier user postmaster NAME@DOMAIN"
    elif lost:
        who, cure = ", ".join(lost), f"postier alias add {lost[0]} NAME@DOMAIN"
    else:
        return Finding("ok", "postmaster", "somebody reads what is sent to postmaster")
    return Finding("warning", "postmaster", f"nobody reads the mail to {who}; name somebody: {cure}")


async def check_queue(store: Store, now: float) -> list[Finding]:
    """Outgoing mail that should have been tried, and destinations that have refused it for hours."""
    figures = await store.reader.queue_figures(int(now))
    said = f"waiting: {figures.waiting}, held: {figures.held}"
    since = int(now) - figures.oldest_due if figures.due else 0
    if since >= OVERDUE:
        said = f"due: {figures.due}, the first for {since // 60} minutes; is the server running?"
    findings = [Finding("warning" if since >= OVERDUE else "ok", "queue", said)]
    for name, count, arrived in await store.reader.late_destinations(int(now) - LATE, LATE_SHOWN):
        hours = (int(now) - arrived) // 3600
        detail = f"{count} entries wait, the oldest for {hours} h: postier queue list --destination {name}"
        findings.append(Finding("warning", f"mail for {name}", detail))
    return findings


async def check_lists(resolver: Resolver, lists: Sequence[DnsList]) -> list[Finding]:
    """Each list of addresses in the DNS answers us, and answers right."""
    found = await asyncio.gather(*(check_list(resolver, each) for each in lists))
    return [
        Finding("ok" if health.state == "ok" else "warning", f"DNS list {each.zone}", health.detail)
        for each, health in zip(lists, found, strict=True)
    ]


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def check_python(version: Sequence[int]) -> Finding:
    """Interpreters with a known fault are named; Postier goes around this one (see net.handshake)."""
    known = SAFE_PYTHONS.get((version[0], version[1]))
    text = ".".join(map(str, version[:3]))
    if known is not None and version[2] < known:
        return Finding(
            "warning",
            "Python",
            f"{text} has CVE-2026-19445, which Postier goes around. Update it",
        )
    return Finding("ok", "Python", text)


async def check_reports(store: Store, now: float) -> list[Finding]:
    """What was new in the reports of others in the last days; nothing where all is as it was."""
    alerts = await store.reader.report_alerts("", int(now) - REPORT_ALERTS, REPORT_ALERTS_SHOWN)
    return [
        Finding(
            "warning",
            f"reports about {alert.domain}",
            f"{alert_words('en', alert)}; see: postier dmarc sources {alert.domain}",
        )
        for alert in alerts
    ]


async def check_devices(store: Store, now: float) -> list[Finding]:
    """Who loses mail: one device takes it away over POP3 while others read; nothing where nobody does."""
    found = await account_losses(store.reader, now)
    findings = [
        Finding(
            "warning",
            f"mail of {account.name}",
            f"{loss_sentence('en', lost[0])}; see: postier advise {account.name}",
        )
        for account, lost in found[:LOSING_SHOWN]
    ]
    if len(found) > LOSING_SHOWN:
        more = f"{len(found) - LOSING_SHOWN} more accounts lose mail; see: postier advise --all"
        findings.append(Finding("warning", "mail", more))
    return findings

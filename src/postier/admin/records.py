"""The DNS records a domain needs: what they are, and what breaks without each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from postier.accounts.directory import REPORTS
from postier.accounts.dkim_keys import DkimKey, KeyState
from postier.base.domain import Domain
from postier.clients.pacc import pacc_document, pacc_record
from postier.clients.settings import ClientSettings, Security
from postier.mailauth.dkim.keys import zone_file_strings

__all__ = ["DnsRecord", "address_term", "dkim_record", "domain_records", "is_of_kind", "zone_lines"]


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """`name` and `value` in a zone file's words, names with the final dot left out; `why` for a person."""

    name: str
    type: str
    value: str
    why: str
    required: bool = True

    @property
    def kind(self) -> str:
        """Its type, or what a TXT record is for: SPF, DKIM, DMARC, MTA-STS, TLS-RPT, PACC."""
        return next((kind for kind in _MARKS if is_of_kind(kind, self.value)), self.type)


_MARKS = {
    "SPF": re.compile(r"v=spf1(?: |$)", re.IGNORECASE),
    "DKIM": re.compile(r"v\s*=\s*DKIM1\s*(?:;|$)"),
    "DMARC": re.compile(r"v\s*=\s*DMARC1\s*(?:;|$)"),
    "MTA-STS": re.compile(r"v=STSv1\s*;"),
    "TLS-RPT": re.compile(r"v=TLSRPTv1\s*;"),
    "PACC": re.compile(r"v\s*=\s*UAAC1\s*;", re.IGNORECASE),
}


def is_of_kind(kind: str, text: str) -> bool:
    """Whether a TXT record with this text is one of `kind` (see DnsRecord.kind)."""
    return kind in _MARKS and _MARKS[kind].match(text) is not None


def domain_records(
    domain: Domain,
    hostname: Domain,
    addresses: Sequence[str],
    dkim: Iterable[DnsRecord],
    port_base: int = 0,
    *,
    senders: Sequence[str] = (),
    clients: ClientSettings | None = None,
    sts_id: str = "",
    tls_keys: Sequence[str] = (),
    caa: str = "",
) -> list[DnsRecord]:
    """`dkim`: from dkim_record, for each key. `addresses`: where `hostname` answers, as texts.
    `port_base` is added to the standard ports. `senders`: addresses that mail leaves from,
    where those are others than `hostname` has. `clients`: what mail programs are to find by themselves.
    `sts_id`: of our MTA-STS policy, "" for none. `tls_keys`: for
    TLSA, the SHA-256 of the public keys that the server shows or will show next, in hexadecimal.
    `caa`: the value that lets our authority alone issue certificates, for our account; "" for none.

    The DMARC policy starts at none: watch the reports first, then raise it.
    """
    records = [
        DnsRecord(domain.ascii, "MX", f"10 {hostname}", "Without it nobody can send mail to this domain."),
        DnsRecord(
            domain.ascii,
            "TXT",
            " ".join(["v=spf1 mx", *map(address_term, senders), "-all"]),
            "Without it others may write in this domain's name unnoticed.",
        ),
    ]
    records.extend(dkim)
    records.append(
        DnsRecord(
            f"_dmarc.{domain}",
            "TXT",
            f"v=DMARC1; p=none; rua=mailto:{REPORTS}@{domain}",
            "Without it receivers do not tell us who writes in this domain's name.",
        )
    )
    for address in addresses:
        kind = "AAAA" if ":" in address else "A"
        records.append(DnsRecord(hostname.ascii, kind, address, "Without it nobody finds the server."))
    records.extend(_tls_records(domain, hostname, port_base, sts_id, tls_keys))
    if clients is not None:
        records.extend(_client_records(clients))
    if caa:
        why = "With it no other authority may issue certificates for the domain, for whatever purpose."
        records.append(DnsRecord(domain.ascii, "CAA", f'0 issue "{caa}"', why, required=False))
    return records


_KEY_WHYS = {
    KeyState.ANNOUNCED: "Until it is there the old keys go on signing.",
    KeyState.USED: "Without it our DKIM signatures cannot be verified.",
    KeyState.RETIRED: "Mail that it has signed is still on its way.",
    KeyState.WITHDRAWN: "Nothing needs it any more.",
}


def address_term(address: str) -> str:
    """The SPF mechanism for one address (RFC 7208 5.6)."""
    return f"ip6:{address}" if ":" in address else f"ip4:{address}"


def dkim_record(domain: Domain, key: DkimKey) -> DnsRecord:
    """Where a key is published (RFC 6376 3.6.2)."""
    name = f"{key.selector}._domainkey.{domain}"
    return DnsRecord(name, "TXT", key.text, _KEY_WHYS[key.state], required=key.state is KeyState.USED)


def _tls_records(
    domain: Domain, hostname: Domain, port_base: int, sts_id: str, tls_keys: Sequence[str]
) -> Iterator[DnsRecord]:
    """RFC 8461, RFC 8460, RFC 7672."""
    if sts_id:
        why = "With it others notice when somebody keeps them from using TLS."
        yield DnsRecord(f"_mta-sts.{domain}", "TXT", f"v=STSv1; id={sts_id};", why, required=False)
        why = "Without it nobody finds the policy that _mta-sts announces."
        yield DnsRecord(f"mta-sts.{domain}", "CNAME", hostname.ascii, why, required=False)
    why = "With it others report when TLS to this server fails."
    reports = f"v=TLSRPTv1; rua=mailto:{REPORTS}@{domain}"
    yield DnsRecord(f"_smtp._tls.{domain}", "TXT", reports, why, required=False)
    why = "With it, in a zone that is signed, others can tell this server from anybody else (DANE)."
    for key in tls_keys:
        yield DnsRecord(f"_{25 + port_base}._tcp.{hostname}", "TLSA", f"3 1 1 {key}", why, required=False)


SERVICES = (
    ("_submissions._tcp", "smtp", Security.TLS, 0),
    ("_submission._tcp", "smtp", Security.STARTTLS, 10),
    ("_imaps._tcp", "imap", Security.TLS, 0),
    ("_imap._tcp", "imap", Security.STARTTLS, 10),
    ("_pop3s._tcp", "pop3", Security.TLS, 20),
    ("_pop3._tcp", "pop3", Security.STARTTLS, 30),
)
"""RFC 6186 3 and RFC 8314 5.1: how a mail program finds its server; and the priority, by which it chooses
among protocols, too (RFC 6186 3.4)."""
_NAMES = {
    "autoconfig": "With it Thunderbird and others find their settings by themselves.",
    "autodiscover": "With it Outlook and others find their settings by themselves.",
    "ua-auto-config": "With it mail programs that know PACC find their settings by themselves.",
}


def _client_records(clients: ClientSettings) -> Iterator[DnsRecord]:
    """What is not offered has a target of "." (RFC 6186 3.4): nobody needs to try."""
    domain, document = clients.domain, pacc_document(clients)
    for name, why in _NAMES.items():
        if clients.web_port and (document is not None or name != "ua-auto-config"):
            yield DnsRecord(f"{name}.{domain}", "CNAME", clients.hostname, why, required=False)
    why = "With it mail programs find their settings by themselves."
    if clients.web_port and document is not None:
        text = pacc_record(document)
        yield DnsRecord(f"_ua-auto-config.{domain}", "TXT", text, _NAMES["ua-auto-config"], required=False)
    if clients.web_port:
        value = f"0 1 {clients.web_port} {clients.hostname}"
        yield DnsRecord(f"_autodiscover._tcp.{domain}", "SRV", value, _NAMES["autodiscover"], required=False)
    for name, protocol, security, priority in SERVICES:
        port = next((each.port for each in clients.of(protocol) if each.security is security), 0)
        value = f"{priority} 1 {port} {clients.hostname}" if port else "0 0 0 ."
        yield DnsRecord(f"{name}.{domain}", "SRV", value, why, required=False)


def zone_lines(records: Iterable[DnsRecord]) -> list[str]:
    """As lines of a zone file (RFC 1035 5); TXT values in pieces of at most 255 octets."""
    return [f"{record.name}. 3600 IN {record.type} {_rdata(record)}" for record in records]


def _rdata(record: DnsRecord) -> str:
    if record.type == "TXT":
        return zone_file_strings(record.value)
    if record.type in ("CNAME", "MX", "SRV"):
        return record.value.removesuffix(".") + "."
    return record.value

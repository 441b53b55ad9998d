"""Comparing the DNS records a domain should have with what the world sees."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from postier.admin.records import DnsRecord
from postier.dns.api import NotFound, Resolver, TemporaryFailure

__all__ = ["CheckedRecord", "check_records"]

CHECKED_TYPES = ("A", "AAAA", "MX", "TLSA", "TXT")


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """`state`: "ok", "missing", "different" or "unknown" (no answer from the DNS); `found`: what is there."""

    record: DnsRecord
    state: str
    found: tuple[str, ...]

    @property
    def advice(self) -> str:
        """What to do, "" where nothing is to be done."""
        if self.state == "ok":
            return ""
        if self.state == "unknown":
            return "The DNS did not answer; try again later."
        verb = "Publish" if self.state == "missing" else "Change it to"
        return f"{verb} {self.record.type} {self.record.value!r} at {self.record.name}. {self.record.why}"


async def check_records(resolver: Resolver, records: Sequence[DnsRecord]) -> list[CheckedRecord]:
    """In the order given; types that no Resolver can ask (SRV and CNAME) are left out."""
    return [await _check(resolver, record) for record in records if record.type in CHECKED_TYPES]


async def _check(resolver: Resolver, record: DnsRecord) -> CheckedRecord:
    try:
        found = await _QUESTIONS[record.type](resolver, record.name)
    except NotFound:
        return CheckedRecord(record, "missing", ())
    except TemporaryFailure:
        return CheckedRecord(record, "unknown", ())
    related = tuple(value for value in found if _is_related(record, value))
    if any(_normal(value) == _normal(record.value) for value in related):
        return CheckedRecord(record, "ok", related)
    return CheckedRecord(record, "different" if related else "missing", related)


def _is_related(record: DnsRecord, value: str) -> bool:
    """Of several TXT records at a name, those of the same kind as ours."""
    if record.type != "TXT":
        return True
    kind = record.value.partition(" ")[0].partition(";")[0].lower()
    return value.lower().startswith(kind)


def _normal(value: str) -> str:
    return (
        "".join(value.split()).rstrip(";").lower()
        if "p=" not in value
        else "".join(value.split()).rstrip(";")
    )


async def _a(resolver: Resolver, name: str) -> list[str]:
    return [str(record) for record in (await resolver.a(name)).records]


async def _aaaa(resolver: Resolver, name: str) -> list[str]:
    return [str(record) for record in (await resolver.aaaa(name)).records]


async def _mx(resolver: Resolver, name: str) -> list[str]:
    return [f"{mx.preference} {mx.exchange}" for mx in (await resolver.mx(name)).records]


async def _txt(resolver: Resolver, name: str) -> list[str]:
    return [text.decode("utf-8", "replace") for text in (await resolver.txt(name)).records]


async def _tlsa(resolver: Resolver, name: str) -> list[str]:
    found = (await resolver.tlsa(name)).records
    return [f"{r.usage} {r.selector} {r.matching_type} {r.data.hex()}" for r in found]


_QUESTIONS: dict[str, Callable[[Resolver, str], Awaitable[list[str]]]] = {
    "A": _a,
    "AAAA": _aaaa,
    "MX": _mx,
    "TLSA": _tlsa,
    "TXT": _txt,
}

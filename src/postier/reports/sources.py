"""From rows of reports to work: who sends in a domain's name, what to make of it, and what to do next.

Addresses are gathered into sources, by who runs them; a source has one state and one next step. Steps close
by themselves: a source whose newest reports are clean has nothing to be done about it.
"""

from __future__ import annotations

import enum
import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from postier.reports.owners import Owner
from postier.reports.services import Service, service_of_include, service_of_name, site_of
from postier.store.api import ReportRow, RowTotal

__all__ = ["Source", "SourceState", "StepKind", "aligned_dkim", "find_sources", "is_within", "passes"]

_FORWARDED = frozenset(("forwarded", "mailing_list", "trusted_forwarder", "local_policy"))
_BROKEN_KEY = frozenset(("permerror", "neutral", "temperror", "none", "policy"))
_DAY = 86400
_CLEAN = 0.99
"""Share of a source's messages that must pass for it to be clean: some are damaged on the way everywhere."""


class SourceState(enum.StrEnum):
    OURS = "ours"
    SERVICE = "known service"
    FORWARDER = "forwarder"
    UNKNOWN = "unknown"
    ABUSE = "abuse"


class StepKind(enum.StrEnum):
    """What to do next about a source. Names in braces are facts of the step."""

    NOTHING = "nothing"
    CARRIED = "carried"
    PUBLISH_KEY = "publish key"
    CHECK_KEY = "check key"
    ADD_INCLUDE = "add include"
    ADD_ADDRESS = "add address"
    LET_SIGN = "let it sign"
    ALIGN = "align"
    FIND_OUT = "find out"
    RAISE_POLICY = "raise policy"
    KEPT_OUT = "kept out"


_NOTHING_TO_DO = (StepKind.NOTHING, StepKind.CARRIED, StepKind.RAISE_POLICY, StepKind.KEPT_OUT)


@dataclass(slots=True)
class Source:
    """Who sends in the name of `domain`, from `first` to `last`.

    `key`: the same in every run; `name`: for people. `passed`: messages with an aligned pass, by `dkim` or
    `spf` or both. `failing_keys`: selectors of the domain whose signatures fail, with numbers. `step` with
    its `facts` is what to do.
    """

    key: str
    name: str
    domain: str
    state: SourceState = SourceState.UNKNOWN
    step: StepKind = StepKind.NOTHING
    facts: dict[str, str] = field(default_factory=dict)
    messages: int = 0
    passed: int = 0
    dkim: int = 0
    spf: int = 0
    first: int = 0
    last: int = 0
    orgs: int = 0
    addresses: Counter[str] = field(default_factory=Counter)
    failing_keys: Counter[str] = field(default_factory=Counter)
    service: Service | None = None
    mechanism: str = ""
    _forwarded: int = 0
    _identified: int = 0
    _last_bad: int = 0
    _last_clean: int = 0
    _last_key_bad: Counter[str] = field(default_factory=Counter)
    _last_key_good: dict[str, int] = field(default_factory=dict)
    _envelopes: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return self.messages - self.passed

    @property
    def is_open(self) -> bool:
        return self.step not in _NOTHING_TO_DO


def passes(row: ReportRow) -> bool:
    """DMARC, as the reporter saw it."""
    return row.dkim == "pass" or row.spf == "pass"


def is_within(name: str, domain: str) -> bool:
    return name == domain or name.endswith("." + domain)


def aligned_dkim(row: ReportRow, domain: str) -> Iterable[tuple[str, str]]:
    """(selector, result) of the signatures of the domain or of what is below it; some reporters leave the
    selector out, which names no key."""
    for one in row.auth_dkim:
        if is_within(one.domain, domain) and one.selector:
            yield one.selector, one.result


def find_sources(
    domain: str, totals: Iterable[RowTotal], owners: Mapping[str, Owner], policy: str = "none"
) -> list[Source]:
    """Those of most messages first. `policy`: what the domain asks for now."""
    sources: dict[str, Source] = {}
    for total in totals:
        owner = owners.get(total.row.source, Owner())
        key, name, service = _identity(domain, total.row, owner)
        source = sources.get(key)
        if source is None:
            source = sources[key] = Source(key, name, domain, service=service, first=total.first)
        source.mechanism = source.mechanism or owner.mechanism
        _add(source, total)
    for source in sources.values():
        source.state = _state(source)
        source.step, source.facts = _step(source, policy)
    return sorted(sources.values(), key=lambda one: (-one.messages, one.key))


def _identity(domain: str, row: ReportRow, owner: Owner) -> tuple[str, str, Service | None]:
    """(key, name, service) of the source that the row belongs to."""
    kind, _, argument = owner.mechanism.lstrip("+?~-").partition(":")
    if kind == "include":
        service = service_of_include(argument)
        name = service.name if service else argument
        return f"include:{argument}", name, service or Service(argument, (argument,), ())
    if kind and kind not in ("all", "exists", "ptr"):
        return "own", domain, None
    service = service_of_name(owner.name) or _service_of_row(domain, row)
    if service is not None:
        return f"service:{service.name}", service.name, service
    if owner.name:
        site = site_of(owner.name)
        return ("own", domain, None) if is_within(owner.name, domain) else (f"site:{site}", site, None)
    network = _network(row.source)
    return f"net:{network}", network, None


def _service_of_row(domain: str, row: ReportRow) -> Service | None:
    """By what it proved to be: a service signs for itself, too, or has an envelope of its own."""
    for one in row.auth_dkim:
        if one.result == "pass" and not is_within(one.domain, domain):
            service = service_of_name(one.domain)
            if service is not None:
                return service
    for other in row.auth_spf:
        if other.result == "pass" and not is_within(other.domain, domain):
            return service_of_name(other.domain)
    return None


def _network(source: str) -> str:
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source or "?"
    return str(ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))


def _add(source: Source, total: RowTotal) -> None:
    row, count = total.row, total.row.messages
    good = passes(row)
    source.messages += count
    source.passed += count * good
    source.dkim += count * (row.dkim == "pass")
    source.spf += count * (row.spf == "pass")
    source.first = min(source.first, total.first)
    source.last = max(source.last, total.last)
    source.orgs = max(source.orgs, total.orgs)
    source.addresses[row.source] += count
    if good:
        source._last_clean = max(source._last_clean, total.last)
    else:
        source._last_bad = max(source._last_bad, total.last)
    source._forwarded += count * any(one.type in _FORWARDED for one in row.overrides)
    results = {one.result for one in row.auth_dkim} | {one.result for one in row.auth_spf}
    source._identified += count * ("pass" in results)
    source._envelopes[row.envelope_from] += count
    for selector, result in aligned_dkim(row, source.domain):
        if result == "pass":
            source._last_key_good[selector] = max(source._last_key_good.get(selector, 0), total.last)
        else:
            source.failing_keys[selector] += count
            source._last_key_bad[selector] = max(source._last_key_bad[selector], total.last)
            if result in _BROKEN_KEY:
                source.facts["key"] = result


def _state(source: Source) -> SourceState:
    """The order matters: what the domain says itself goes before what a source shows."""
    if source.key == "own":
        return SourceState.OURS
    if source.key.startswith("include:"):
        return SourceState.SERVICE
    forwards = source.dkim > 0 and source.spf * 20 <= source.dkim
    if source._forwarded * 2 > source.messages:
        return SourceState.FORWARDER
    if source.service is not None and (source.spf or source.dkim * 2 > source.messages or not forwards):
        return SourceState.SERVICE
    if forwards:
        return SourceState.FORWARDER
    if source.spf * 2 > source.messages:
        return SourceState.OURS  # the domain's own record lets it, whoever runs it
    if source.spf or source.dkim:
        return SourceState.UNKNOWN
    return SourceState.UNKNOWN if source._identified * 2 > source.messages else SourceState.ABUSE


def _step(source: Source, policy: str) -> tuple[StepKind, dict[str, str]]:
    facts = {"name": source.name, "domain": source.domain, "messages": str(source.failed)}
    if source.state is SourceState.ABUSE:
        return (StepKind.RAISE_POLICY if policy in ("", "none") else StepKind.KEPT_OUT), facts
    if source.state is SourceState.FORWARDER:
        return StepKind.CARRIED, facts
    key = _failing_key(source)
    if key is not None:
        facts |= {"selector": key, "messages": str(source.failing_keys[key])}
        return (StepKind.PUBLISH_KEY if "key" in source.facts else StepKind.CHECK_KEY), facts
    if _is_clean(source):
        return StepKind.NOTHING, facts
    if source.state is SourceState.UNKNOWN:
        return StepKind.FIND_OUT, facts
    if source.state is SourceState.OURS:
        kind = StepKind.ALIGN if source.mechanism else StepKind.ADD_ADDRESS
        if source.key != "own" and not source.mechanism:
            kind = StepKind.FIND_OUT  # only reports say that it is: anybody can write such, to be let in
        return kind, facts | {"address": source.addresses.most_common(1)[0][0]}
    envelope = source._envelopes.most_common(1)[0][0] if source._envelopes else ""
    service = source.service
    if not source.mechanism and service and service.includes and is_within(envelope, source.domain):
        return StepKind.ADD_INCLUDE, facts | {"include": service.includes[0]}
    return StepKind.LET_SIGN, facts


def _failing_key(source: Source) -> str | None:
    """The selector that fails most, has not passed since, and fails for more than a message now and then."""
    for selector, count in source.failing_keys.most_common():
        mended = source._last_key_good.get(selector, 0) > source._last_key_bad[selector]
        if not mended and count > source.messages * (1 - _CLEAN):
            return selector
    return None


def _is_clean(source: Source) -> bool:
    """By share, or since the newest reports show nothing bad any more."""
    return source.passed >= source.messages * _CLEAN or source._last_clean >= source._last_bad + _DAY

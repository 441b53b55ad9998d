"""Writing a domain's records into its zone: only what is ours is replaced, and what others have put stays.

    steps = await plan(editor, records, withdrawn)      # asks the zone itself, changes nothing
    await push(editor, steps)                           # one update for each zone, whole or not at all

Where somebody has chosen otherwise (mail goes elsewhere, a stricter DMARC policy, reports to another place)
the record is left as it is; where that hurts, the step says so and leaves it to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from postier.admin.dns_judges import spf_with
from postier.admin.records import DnsRecord, is_of_kind
from postier.base.domain import Domain
from postier.dns.edit import IsAlias, NotInZones, ZoneChange, ZoneEditor, ZoneRecord

__all__ = ["Step", "plan", "push"]


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one name and type. `note`: why it is left alone though it is not as it should be;
    without a note and a change it is as it should be already."""

    name: str
    type: str
    zone: str = ""
    change: ZoneChange | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The values that one name and type of ours should have; `hostname` is this server's."""

    kind: str
    values: tuple[str, ...]
    hostname: str

    def missing(self, there: Iterable[ZoneRecord]) -> tuple[str, ...]:
        known = {_squeezed(record.value) for record in there}
        return tuple([value for value in self.values if _squeezed(value) not in known])


_Planned = tuple[tuple[ZoneRecord, ...], tuple[str, ...], str]
"""What to remove, what to add, and a note."""
_NOTHING: _Planned = ((), (), "")


async def plan(
    editor: ZoneEditor,
    records: Sequence[DnsRecord],
    hostname: Domain,
    withdrawn: Sequence[DnsRecord] = (),
) -> list[Step]:
    """A step for each name and type of `records`, and one for each of `withdrawn` (keys) that is still there.

    Raises UpdateError where the server can't be asked.
    """
    steps = []
    for (name, kind), group in groupby(records, key=lambda record: (record.name, record.type)):
        listed = list(group)
        wanted = _Wanted(listed[0].kind, tuple(record.value for record in listed), hostname.ascii)
        steps.append(await _step(editor, name, kind, partial(_PLANS[wanted.kind], wanted)))
    for record in withdrawn:
        steps.append(await _step(editor, record.name, record.type, partial(_take_out, record)))
    return steps


async def _step(
    editor: ZoneEditor, name: str, kind: str, decide: Callable[[tuple[ZoneRecord, ...]], _Planned]
) -> Step:
    try:
        zone = await editor.zone_of(name)
    except NotInZones as error:
        return Step(name, kind, note=f"{error}: publish it where it belongs")
    try:
        before = await editor.read(name, kind)
        in_the_way = "" if before.records or kind != "CNAME" else await _in_the_way(editor, name)
    except IsAlias as error:
        return Step(name, kind, zone, note=str(error))
    if in_the_way:
        return Step(name, kind, zone, note=f"there is {in_the_way} already: see that it leads to this server")
    remove, add, note = decide(before.records)
    change = ZoneChange(before, remove, add) if remove or add else None
    return Step(name, kind, zone, change, note)


async def _in_the_way(editor: ZoneEditor, name: str) -> str:
    """The type of what `name` has already, "" for nothing: a CNAME can't stand beside anything."""
    for kind in ("A", "AAAA", "TXT"):
        if (await editor.read(name, kind)).records:
            return kind
    return ""


async def push(editor: ZoneEditor, steps: Sequence[Step]) -> None:
    """Make all changes of `steps`. Raises UpdateError; what other zones got before stays."""
    changes: dict[str, list[ZoneChange]] = {}
    for step in steps:
        if step.change is not None:
            changes.setdefault(step.zone, []).append(step.change)
    for zone, listed in changes.items():
        await editor.change(zone, listed)


def _squeezed(value: str) -> str:
    return "".join(value.split()).rstrip(";")


def _of_kind(wanted: _Wanted, there: tuple[ZoneRecord, ...]) -> tuple[ZoneRecord, ...]:
    return tuple([record for record in there if is_of_kind(wanted.kind, record.value)])


def _add_missing(wanted: _Wanted, there: tuple[ZoneRecord, ...]) -> _Planned:
    """Others may stand beside it."""
    return (), wanted.missing(there), ""


def _replace_all(wanted: _Wanted, there: tuple[ZoneRecord, ...]) -> _Planned:
    """The whole name is ours: a selector."""
    if len(there) == len(wanted.values) and not wanted.missing(there):
        return _NOTHING
    return _swap(wanted, there)


def _replace_kind(wanted: _Wanted, there: tuple[ZoneRecord, ...]) -> _Planned:
    """One of its kind, written by us; other kinds stay."""
    return _replace_all(wanted, _of_kind(wanted, there))


def _swap(wanted: _Wanted, ours: Iterable[ZoneRecord]) -> _Planned:
    """Those that stay are not touched, so that nobody misses them for a moment."""
    values = set(wanted.values)
    kept = [record for record in ours if record.value in values]
    return (
        tuple([record for record in ours if record not in kept]),
        tuple([value for value in wanted.values if value not in {record.value for record in kept}]),
        "",
    )


def _leave_if_there(wanted: _Wanted, there: tuple[ZoneRecord, ...]) -> _Planned:
    """What it says is the administrator's to choose."""
    found = _of_kind(wanted, there)
    if len(found) > 1:
        return (), (), f"there are {len(found)} {wanted.kind} records, so none counts: keep one of them"
    return _NOTHING if found else ((), wanted.values, "")


def _plan_mx(wanted: _Wanted, there: tuple[ZoneRecord, ...]) -> _Planned:
    if not there:
        return (), wanted.values, ""
    if any(_target(record) == wanted.hostname for record in there):
        return _NOTHING
    others = ", ".join(_target(record) or "nobody" for record in there)
    return (), (), f"mail goes to {others}: take that out yourself when it is to come here"


def _plan_spf(wanted: _Wanted, there: tuple[ZoneRecord, ...]) -> _Planned:
    """One that lets this server send stays; to another the server is added in front."""
    found = _of_kind(wanted, there)
    if len(found) != 1:
        return _leave_if_there(wanted, there)
    by_name = f"a:{wanted.hostname}" in found[0].value.lower().split()
    terms = [term for term in wanted.values[0].split()[1:-1] if not (term == "mx" and by_name)]
    mended = spf_with(found[0].value, terms)
    return _NOTHING if mended == " ".join(found[0].value.split()) else (found, (mended,), "")


def _plan_tlsa(wanted: _Wanted, there: tuple[ZoneRecord, ...]) -> _Planned:
    """Of the keys of a host there are only ours; what names an authority is somebody else's thought."""
    return _swap(wanted, [record for record in there if record.value.startswith("3 1 1 ")])


def _plan_srv(wanted: _Wanted, there: tuple[ZoneRecord, ...]) -> _Planned:
    if not there or not wanted.missing(there):
        return (), wanted.missing(there), ""
    ours = tuple([record for record in there if _target(record) == wanted.hostname])
    if not ours:
        return (), (), f"mail programs are sent to {_target(there[0]) or 'nobody'}: change it yourself"
    ports = {record.value.split()[2] for record in ours}
    return _NOTHING if ports == {wanted.values[0].split()[2]} else (ours, wanted.values, "")


def _plan_alias(wanted: _Wanted, there: tuple[ZoneRecord, ...]) -> _Planned:
    if there and there[0].value != wanted.values[0]:
        return (), (), f"it leads to {there[0].value}: that server must answer in place of this one"
    return (), wanted.missing(there), ""


def _leave_to_people(wanted: _Wanted, there: tuple[ZoneRecord, ...]) -> _Planned:
    """It would forbid what others of the domain may need: certificates for its web pages."""
    return _NOTHING


def _target(record: ZoneRecord) -> str:
    return record.value.rpartition(" ")[2].removesuffix(".")


def _take_out(record: DnsRecord, there: tuple[ZoneRecord, ...]) -> _Planned:
    key = _squeezed(record.value)
    return tuple([one for one in there if _squeezed(one.value) == key]), (), ""


_PLANS: dict[str, Callable[[_Wanted, tuple[ZoneRecord, ...]], _Planned]] = {
    "MX": _plan_mx,
    "SPF": _plan_spf,
    "DKIM": _replace_all,
    "DMARC": _leave_if_there,
    "MTA-STS": _replace_kind,
    "TLS-RPT": _leave_if_there,
    "PACC": _replace_kind,
    "A": _add_missing,
    "AAAA": _add_missing,
    "TLSA": _plan_tlsa,
    "SRV": _plan_srv,
    "CNAME": _plan_alias,
    "CAA": _leave_to_people,
}

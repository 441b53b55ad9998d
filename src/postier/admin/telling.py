"""A story as lines for a person: who, when, over which channel, the remote's words, and what each step means.

What strangers said is shown as one line of printable characters, at most so many.
"""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from postier.admin.stories import Story
from postier.admin.story_words import LANGUAGES, LINES, Words
from postier.base.status import is_reply
from postier.queue.meanings import meaning
from postier.store.api import Step, StepKind

__all__ = ["Line", "meaning_of", "printable", "tell"]

SHOWN = 400
"""Characters of one fact."""

RECIPIENTS_SHOWN = 4
_GROUPED = frozenset({"recipient", "account", "entry"})
_CLASS = {StepKind.ATTEMPTED: "4.0.0", StepKind.BOUNCED: "5.0.0"}


class Line(NamedTuple):
    """`style`: "title", the kind of a step, "meaning", "words" or ""."""

    text: str
    style: str = ""


def printable(text: str, most: int = SHOWN) -> str:
    """One line of at most `most` characters, without controls or what turns the direction of
    writing."""
    shown = text[: most + 1].replace("\n", " ")
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def tell(story: Story, language: str, width: int = 0) -> list[Line]:
    """All of it. `width`: where lines are broken, 0 for nowhere."""
    words = LANGUAGES[language]
    lines = [*_opening(story, words)]
    day = ""
    for group in _groups(story.steps):
        moment = _moment(group[0].when)
        date, _, time = moment.partition(" ")
        lines.append(Line(""))
        if date != day:
            lines.append(Line(f"  {date}", "title"))
            day = date
        lines += _step_lines(story, group, time, words, language)
    return [Line(text, line.style) for line in lines for text in _broken(line.text, width)]


def meaning_of(story: Story, step: Step, language: str) -> str:
    """What a step means, in plain sentences."""
    words = LANGUAGES[language]
    facts = _shown(story, step)
    return " ".join(sentence.format_map(facts) for sentence in _sentences(step, words, language))


# ---------------------------------------------------------------------- the lines


def _opening(story: Story, words: Words) -> Iterator[Line]:
    def row(name: str, text: str) -> Line:
        return Line(f"{words[name] + ' ':<9}{text}", "title" if name == "trace" else "")

    yield row("trace", printable(story.trace_id))
    if sender := story.first("sender"):
        yield row("from", printable(sender))
    recipients = list(dict.fromkeys(s.facts["recipient"] for s in story.steps if s.facts.get("recipient")))
    if recipients:
        yield row("to", _several(recipients, words))
    about = [f"<{printable(found)}>"] if (found := story.first("message_id")) else []
    if size := story.first("size"):
        about.append(words["octets"].format(size=printable(size)))
    if about:
        yield row("message", ", ".join(about))


def _step_lines(
    story: Story, group: Sequence[Step], time: str, words: Words, language: str
) -> Iterator[Line]:
    step = group[0]
    names = [each.facts["recipient"] for each in group if each.facts.get("recipient")]
    head = f"  {time}  {words[step.kind]}"
    yield Line(f"{head}  {_several(names, words)}" if names else head, step.kind.value)
    facts = _shown(story, step)
    for name in LINES.get(step.kind, ()):
        for text, style in _BESIDE.get(name, _plain(name))(facts, step, words):
            yield Line(f"    {text}", style)
    yield Line(f"    {meaning_of(story, step, language)}", "meaning")


Beside = Callable[[Mapping[str, str], Step, Words], Iterator[tuple[str, str]]]


def _plain(name: str) -> Beside:
    def beside(facts: Mapping[str, str], step: Step, words: Words) -> Iterator[tuple[str, str]]:
        if facts.get(name):
            yield words[name].format_map(facts), ""

    return beside


def _peer(facts: Mapping[str, str], step: Step, words: Words) -> Iterator[tuple[str, str]]:
    if facts.get("peer"):
        yield words["peer" if facts.get("helo") else "peer.nameless"].format_map(facts), ""


def _tls(facts: Mapping[str, str], step: Step, words: Words) -> Iterator[tuple[str, str]]:
    if facts.get("tls"):
        yield words["tls"].format_map(facts), ""
    elif facts.get("remote") or (step.kind is StepKind.ACCEPTED and facts.get("peer")):
        yield words["clear"], ""


def _verdicts(facts: Mapping[str, str], step: Step, words: Words) -> Iterator[tuple[str, str]]:
    if facts.get("spf"):
        chain = f"; ARC {facts['arc']}" if facts.get("arc") else ""
        yield words["verdicts"].format_map({"dkim": "-", "dmarc": "-", **facts}) + chain, ""


def _reply(facts: Mapping[str, str], step: Step, words: Words) -> Iterator[tuple[str, str]]:
    if facts.get("reply"):
        ours = step.kind in (StepKind.REFUSED, StepKind.DEFERRED)
        label = "answer" if ours else "result"
        if facts.get("remote"):
            label = "said" if is_reply(facts["reply"]) else "met"
        yield words[label].format_map(facts), ""
        yield f"  {facts['reply']}", "words"


def _reader(facts: Mapping[str, str], step: Step, words: Words) -> Iterator[tuple[str, str]]:
    if facts.get("peer"):
        yield words["reader"].format_map(facts), ""


_BESIDE: Mapping[str, Beside] = {
    "peer": _peer,
    "reader": _reader,
    "tls": _tls,
    "verdicts": _verdicts,
    "reply": _reply,
}


# ---------------------------------------------------------------------- the sentences


def _sentences(step: Step, words: Words, language: str) -> Iterator[str]:
    """Templates whose names are facts."""
    facts = step.facts
    if step.kind in (StepKind.REFUSED, StepKind.DEFERRED):
        yield from _our_reason(facts.get("status", ""), words)
    if step.kind in _CLASS:
        yield meaning(facts.get("status") or _CLASS[step.kind], language, facts.get("reply", ""))
    yield from filter(None, [_of_kind(step, words)])
    if step.kind is StepKind.ATTEMPTED and facts.get("next_attempt"):
        yield words["+again"]
    if step.kind is StepKind.BOUNCED:
        yield words["+final"]
    if step.kind in (StepKind.BOUNCED, StepKind.EXPIRED):
        yield words["+told" if facts.get("report") else "+untold"]
    elif facts.get("report"):
        yield words["+told"]
    if facts.get("about"):
        yield words["+about"]


def _of_kind(step: Step, words: Words) -> str:
    kind, facts = step.kind.value, step.facts
    variant = {
        StepKind.ACCEPTED: facts.get("role", "mx"),
        StepKind.FILTERED: "" if facts.get("mailbox") else "noted",
        StepKind.QUEUED: "later" if facts.get("until") else "",
        StepKind.DELIVERED: "here" if facts.get("mailbox") else "away",
    }.get(step.kind, "")
    return words.get(f"={kind}.{variant}") or words.get(f"={kind}", "")


def _our_reason(status: str, words: Words) -> Iterator[str]:
    detail = status.partition(".")[2]
    subject = detail.partition(".")[0]
    found = words.get(f"!{detail}") or words.get(f"!{subject}.")
    if found:
        yield found


# ---------------------------------------------------------------------- small things


class _Facts(dict[str, str]):
    """A fact that a sentence wants and a step lacks is a question mark, never an error."""

    def __missing__(self, name: str) -> str:
        return "?"


def _shown(story: Story, step: Step) -> Mapping[str, str]:
    facts = _Facts((name, printable(value)) for name, value in step.facts.items())
    for name in ("next_attempt", "until"):
        if name in facts:
            facts[name] = _later(facts[name], step.when)
    if "account" in facts:
        facts["account"] = printable(story.accounts.get(facts["account"], facts["account"]))
    return facts


def _groups(steps: Sequence[Step]) -> list[list[Step]]:
    """Neighbours that differ only in whom they are about."""
    groups: list[list[Step]] = []
    last: object = None
    for step in steps:
        rest = {name: value for name, value in step.facts.items() if name not in _GROUPED}
        is_here = step.kind is StepKind.DELIVERED and "account" in step.facts
        same = (step.kind, step.when, rest, step.facts.get("account") if is_here else "")
        if groups and same == last:
            groups[-1].append(step)
        else:
            groups.append([step])
        last = same
    return groups


def _several(names: Sequence[str], words: Words) -> str:
    shown = ", ".join(printable(name) for name in names[:RECIPIENTS_SHOWN])
    left = len(names) - RECIPIENTS_SHOWN
    return f"{shown} {words['more'].format(count=left)}" if left > 0 else shown


def _moment(seconds: float) -> str:
    """Local date and time with the zone."""
    try:
        return datetime.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f} ?"


def _later(seconds: str, after: float) -> str:
    """A moment as hours and minutes, with its date where that is another day."""
    if not (seconds.isascii() and seconds.isdecimal() and len(seconds) < 12):
        return seconds
    moment, now = _moment(int(seconds)), _moment(after)
    date, _, time = moment.partition(" ")
    return time[:5] if now.startswith(date) else f"{date} {time[:5]}"


def _broken(text: str, width: int) -> list[str]:
    """At `width`, every line indented as the first."""
    if not width or len(text) <= width:
        return [text]
    indent = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(
        text.strip(), width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )

"""`postier trace`: what became of a message, step by step, in plain words."""

from __future__ import annotations

import datetime
import shutil
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from postier.admin.stories import Story, Wanted, find_stories, story_named
from postier.admin.story_words import LANGUAGES
from postier.admin.telling import Line, meaning_of, tell
from postier.backend import Backend
from postier.base.address import Address
from postier.cli.common import (
    Failure,
    data_option,
    json_option,
    language_option,
    print_json,
    read_settings,
    with_backend,
)
from postier.cli.moment import MOMENT

_STYLES = {
    "title": "bold",
    "meaning": "italic",
    "words": "cyan",
    "accepted": "bold green",
    "delivered": "bold green",
    "read": "bold green",
    "refused": "bold red",
    "bounced": "bold red",
    "expired": "bold red",
    "dropped": "bold red",
}
_STEP = "bold yellow"


@click.command("trace")
@click.argument("trace_id", metavar="[TRACE]", required=False)
@click.option("--message-id", default="", help="Only the message with this Message-ID.")
@click.option("--sender", default="", help='Only from this address; "<>" is the null path of reports.')
@click.option("--recipient", default="", help="Only to this address.")
@click.option("--since", type=MOMENT, default=0.0, help='Not before: "2h" ago, or a date and time.')
@click.option("--until", type=MOMENT, default=2.0**53, help="Before then.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="The latest so many."
)
@language_option(LANGUAGES)
@json_option
@data_option
def command(
    trace_id: str | None,
    message_id: str,
    sender: str,
    recipient: str,
    since: float,
    until: float,
    limit: int,
    lang: str,
    json_: bool,
    data: Path,
) -> None:
    """Tell what became of messages.

    TRACE is what a reply or the log names: a trace or a session. Without it, the latest messages are told, or
    those that the options choose.
    """
    wanted = Wanted(message_id.strip("<> "), _address(sender), _address(recipient), since, until)
    if trace_id is not None and wanted != Wanted():
        raise click.UsageError("a trace needs no other choice beside it")

    async def work(backend: Backend) -> list[Story]:
        reader = backend.store.reader
        if trace_id is not None:
            return await story_named(reader, _bare(trace_id))
        return await find_stories(reader, wanted, limit)

    stories = with_backend(data, work)
    if trace_id is not None and not stories:
        raise Failure(f"there is no story of {trace_id!r}; those of the last {_kept(data)} are kept")
    if json_:
        print_json([_as_dict(story, lang) for story in stories])
    elif stories:
        _draw(stories, lang)
    else:
        click.echo("no message was found")


def _kept(data: Path) -> str:
    days = read_settings(data).trace.keep / 86400
    return f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"


def _bare(trace_id: str) -> str:
    """As it stands in a reply: "[trace 0abcdefghjkmnpqr]"."""
    return trace_id.strip("[] ").removeprefix("trace").strip()


def _address(text: str) -> str:
    """As it is on the wire: a domain in A-labels."""
    text = text.strip()
    if text in ("", "<>"):
        return text
    try:
        return str(Address.parse(text.strip("<>")))
    except ValueError:
        return text


def _draw(stories: list[Story], language: str) -> None:
    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal else 0
    lines: list[Line] = []
    for number, story in enumerate(stories):
        lines += [Line("")] * (2 if number else 0)
        lines += tell(story, language, width)
    if not is_terminal:
        click.echo("\n".join(line.text for line in lines))
        return
    console = Console(markup=False, highlight=False, width=width)
    for line in lines:
        style = _STYLES.get(line.style, _STEP) if line.style else ""
        console.print(Text(line.text, style=style), soft_wrap=True)


def _as_dict(story: Story, language: str) -> dict[str, object]:
    return {
        "trace": story.trace_id,
        "steps": [
            {
                "when": datetime.datetime.fromtimestamp(step.when, datetime.UTC).isoformat(),
                "kind": step.kind.value,
                **dict(step.facts),
                "meaning": meaning_of(story, step, language),
            }
            for step in story.steps
        ],
    }

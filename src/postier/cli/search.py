"""`postier search`: the index of texts."""

from __future__ import annotations

from pathlib import Path

import click

from postier.backend import Backend
from postier.cli.common import Failure, data_option, with_backend
from postier.indexing import SEARCH_DATABASE
from postier.search.api import IndexUnavailable
from postier.search.sqlite_writer import SqliteTextIndexWriter


@click.group("search")
def command() -> None:
    """Look after the index of texts."""


@command.command("rebuild")
@data_option
def rebuild(data: Path) -> None:
    """Throw the index away. The running server, or the next one, makes it anew in the background."""
    with_backend(data, _rebuild)
    click.echo("the index is made anew in the background; searches stay complete meanwhile")


async def _rebuild(backend: Backend) -> None:
    index = SqliteTextIndexWriter(backend.settings.data / SEARCH_DATABASE)
    try:
        await index.reset("")
    except IndexUnavailable as error:
        raise Failure(f"the index cannot be changed: {error}") from None
    finally:
        index.close()

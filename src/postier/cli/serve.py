"""`postier serve`: the server in the foreground."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from postier.app import ServeError, serve
from postier.cli.common import Failure, data_option
from postier.config.settings import FILE_NAME, ConfigError, load_settings


@click.command("serve")
@data_option
def command(data: Path) -> None:
    """Run until SIGTERM; SIGHUP reloads the certificate. Prints "postier ready" once all ports answer."""
    if not (data / FILE_NAME).is_file():
        raise Failure(f"no Postier server in {data} (no {FILE_NAME}); make one with: postier init")
    try:
        code = serve(load_settings(data.resolve()))
    except (ConfigError, ServeError) as error:
        raise Failure(str(error)) from None
    sys.exit(code)

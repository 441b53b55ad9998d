"""`postier oidc`: the OpenID Connect providers whose tokens let people in."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from postier.accounts.login_ports import TokenRefused
from postier.backend import Backend
from postier.cli.common import Failure, data_option, json_option, print_json, print_table, with_backend
from postier.oidc.looking import Looked, look_at
from postier.sasl.oauth import MAX_TOKEN
from postier.tokens import open_token_verifier, token_sources


@click.group("oidc")
def command() -> None:
    """Look at the OpenID Connect providers of the settings."""


@command.command("check")
@click.option("--token-stdin", is_flag=True, help="Read an access token, and say whose it is.")
@json_option
@data_option
def check(token_stdin: bool, json_: bool, data: Path) -> None:
    """Ask each provider what logins ask it, or judge one token."""
    if token_stdin:
        _judge(sys.stdin.read(MAX_TOKEN + 2).strip(), json_, data)
        return

    async def work(backend: Backend) -> list[Looked]:
        return [await look_at(source) for source in token_sources(backend)]

    found = with_backend(data, work)
    if json_:
        print_json([looked._asdict() for looked in found])
    else:
        print_table(
            ("PROVIDER", "KEYS", "ASKED ABOUT TOKENS", "STATE"),
            ((one.issuer, one.keys, one.introspection or "-", one.problem or "ok") for one in found),
            empty="no provider; oidc.providers in postier.toml names them",
        )
    if any(looked.problem for looked in found):
        sys.exit(1)


def _judge(token: str, json_: bool, data: Path) -> None:
    async def work(backend: Backend) -> str:
        verifier = open_token_verifier(backend)
        if verifier is None:
            raise Failure("no provider; oidc.providers in postier.toml names them")
        try:
            return (await verifier.verify(token)).account
        except TokenRefused as refused:
            raise Failure(f"{refused.reason}: {refused}") from None

    account = with_backend(data, work)
    if json_:
        print_json({"account": account})
    else:
        click.echo(f"the token lets {account} in")

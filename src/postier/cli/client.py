"""`postier client`: what sets a mailbox up in a mail program, as the server itself tells it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from postier.accounts.app_passwords import add_app_password
from postier.backend import Backend, client_settings, signed_profile
from postier.base.address import Address
from postier.base.domain import Domain
from postier.cli.common import ADDRESS, Failure, data_option, language_option, operator, with_backend
from postier.clients.autoconfig import autoconfig_document
from postier.clients.autodiscover import autodiscover_document
from postier.clients.card import card_text
from postier.clients.mobileconfig import mobileconfig_document
from postier.clients.pacc import pacc_document_with_ports
from postier.clients.page import card_page
from postier.clients.settings import ClientSettings
from postier.clients.words import LANGUAGES
from postier.tokens import announced

Form = Callable[[ClientSettings, str, str], bytes]
"""A document for an address, in a language."""


@click.command("client")
@click.argument("address", type=ADDRESS)
@click.option("--card", "form", flag_value="card", default=True, help="For a person (the default).")
@click.option("--page", "form", flag_value="page", help="The same as a page (HTML).")
@click.option("--xml", "form", flag_value="xml", help="Autoconfig, for Thunderbird and others.")
@click.option("--autodiscover", "form", flag_value="autodiscover", help="Autodiscover, for Outlook.")
@click.option("--json", "form", flag_value="json", help="PACC; with ports where they are moved.")
@click.option("--mobileconfig", "form", flag_value="mobileconfig", help="For iPhone, iPad and Mac; signed.")
@click.option("--pop3", is_flag=True, help="In a profile for iPhone, iPad and Mac: POP3 instead of IMAP.")
@click.option(
    "--app-password",
    "device",
    metavar="DEVICE",
    help="In a profile: make an app password for this device and put it in; needs -o.",
)
@language_option(LANGUAGES)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@data_option
def command(
    address: Address, form: str, pop3: bool, device: str | None, lang: str, output: Path | None, data: Path
) -> None:
    """Print what a mail program needs to set ADDRESS up: the same documents that the server gives it."""
    domain = address.domain
    if not isinstance(domain, Domain):
        raise Failure(f"{address} has no domain")
    if device is not None and (form != "mobileconfig" or output is None):
        raise click.UsageError("--app-password is for a --mobileconfig that is written with -o")

    async def work(backend: Backend) -> bytes:
        if await backend.store.reader.domain(domain.ascii) is None:
            raise Failure(f"{domain} is not a domain of this server")
        provider = await announced(backend)(domain.ascii)
        settings = client_settings(backend.settings, domain).knowing(provider)
        if form == "mobileconfig":
            password = await _app_password(backend, address, device) if device is not None else ""
            return await signed_profile(backend, _profile(settings, str(address), pop3, password))
        make: Form = _FORMS[form]
        return make(settings, str(address), lang)

    document = with_backend(data, work)
    if output is not None:
        try:
            _write(output, document)
        except OSError as error:
            raise Failure(f"cannot write {output}: {error.strerror}") from None
    elif form == "mobileconfig" and sys.stdout.isatty():
        raise Failure("a signed profile is nothing to read; give it a file with -o")
    else:
        click.echo(document, nl=False)


def _write(output: Path, document: bytes) -> None:
    """For its owner alone: it may hold a password. Raises OSError."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(document)


async def _app_password(backend: Backend, address: Address, device: str) -> str:
    login = backend.settings.login
    _, shown = await add_app_password(
        backend.store,
        address,
        device,
        protocols=("imap", "pop3", "submission"),
        iterations=login.scram_iterations if login.scram != "off" else 0,
        by=operator(),
    )
    return shown


def _profile(settings: ClientSettings, address: str, pop3: bool, password: str) -> bytes:
    protocol = "pop3" if pop3 else "imap"
    document = mobileconfig_document(settings, address, protocol=protocol, password=password)
    if document is None:
        raise Failure("this server does not offer that")
    return document


_FORMS: dict[str, Form] = {
    "card": lambda settings, address, lang: card_text(settings, address, lang).encode(),
    "page": lambda settings, address, lang: card_page(settings, address, lang).encode(),
    "xml": lambda settings, _, __: autoconfig_document(settings).encode(),
    "autodiscover": lambda settings, address, _: autodiscover_document(settings, address).encode(),
    "json": lambda settings, _, __: pacc_document_with_ports(settings),
}

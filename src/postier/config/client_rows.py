"""The settings of what mail programs and their people are told: rows of the table in settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from postier.config.kinds import BOOLEAN, HTTPS_URL, TEXT, Setting

__all__ = ["CLIENTS_ROWS", "ClientsSettings"]

CLIENTS_ROWS = (
    Setting(
        "clients.name",
        TEXT,
        "",
        "Who provides the mailboxes, as mail programs show it; the domain where there is nothing.",
    ),
    Setting("clients.help", HTTPS_URL, "", "A page of yours that helps people with their mail programs."),
    Setting(
        "clients.oauth",
        BOOLEAN,
        False,
        "Tell mail programs of the provider in oidc.providers: for one with which any program may register.",
    ),
    Setting("clients.logo", HTTPS_URL, "", "A picture that some mail programs show beside the name."),
)


@dataclass(frozen=True, slots=True)
class ClientsSettings:
    name: str
    help: str
    oauth: bool
    logo: str

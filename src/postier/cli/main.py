"""The verbs and how they end: 0 done, 1 failed (one line on the standard error stream), 2 wrong usage."""

from __future__ import annotations

import importlib
import sys

import click

from postier import __version__

__all__ = ["VERBS", "cli", "main"]

VERBS = {
    "init": "Make a new server: settings, certificate, keys, first domain.",
    "serve": "Run the server in the foreground.",
    "demo": "Run a small Internet on the loopback, with two organisations and a forger.",
    "user": "Add, import, list, change and remove people.",
    "app-password": "Make, list and revoke passwords for one device each.",
    "domain": "Add, list and remove domains of ours.",
    "directory": "Let people come from LDAP or Active Directory, and compare with it.",
    "alias": "Add, list and remove addresses that stand for others.",
    "share": "Let people into the mailboxes of others, and add shared accounts.",
    "client": "Print what a mail program, or a person, needs to set a mailbox up.",
    "device": "Look at the devices of a person: what they move, how far they have come.",
    "advise": "Advise a person on IMAP or POP3, and name who loses mail.",
    "pop3": "Set rules of POP3 for a person, and bring back what was deleted over it.",
    "imap": "Switch IMAP capabilities off for clients that break on them.",
    "search": "Make the index of texts anew.",
    "queue": "Look at outgoing mail and move it.",
    "oidc": "Look at the OpenID Connect providers of the settings.",
    "audit": "Tell who logged in, who changed rights, and who administered.",
    "trace": "Tell what became of a message, step by step.",
    "route": "Send a domain's mail to one place.",
    "suppress": "List, add and lift addresses elsewhere that nothing is sent to.",
    "tls": "Look after our certificates, look at the TLS of others, demand it of partners.",
    "dmarc": "Read reports about our domains' mail, and learn from them.",
    "reports": "Tell other domains how TLS and mail in their name fare here.",
    "dns": "Print, check and publish the DNS records a domain needs.",
    "doctor": "Check ports, certificate, DNS and storage.",
}


class LazyGroup(click.Group):
    """Imports a verb's file only when that verb is used, so that each starts quickly."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"postier.cli.{name.replace('-', '_')}").command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="postier")
def cli() -> None:
    """Postier: a complete business mail system."""


def main() -> None:
    """The entry point of the package."""
    try:
        cli.main(prog_name="postier")
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has read enough
        sys.exit(1)

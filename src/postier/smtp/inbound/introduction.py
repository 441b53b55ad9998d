"""Clients that a proxy in front introduces with XCLIENT (Postfix's XCLIENT_README)."""

from __future__ import annotations

from collections.abc import Mapping

from postier.base.log import Log
from postier.smtp.inbound.dialogue import Dialogue
from postier.smtp.inbound.outcome import NO_MARKS
from postier.smtp.wire.events import Ehlo
from postier.smtp.wire.xclient import XCLIENT_ATTRIBUTES

__all__ = ["XCLIENT", "as_introduced", "introduce"]

XCLIENT = f"XCLIENT {' '.join(XCLIENT_ATTRIBUTES)}"
"""The line of EHLO."""

log = Log("smtp")

Ends = tuple[tuple[str, int], tuple[str, int]]


def introduce(dialogue: Dialogue, attributes: Mapping[str, str], own: Ends) -> None:
    """The dialogue begins anew, with the client of `attributes`, which add to those of earlier commands.

    `own`: address and port of both ends as the socket has them; they hold for what the proxy does not know.
    """
    dialogue.abandon()
    told = dialogue.introduced = {**dialogue.introduced, **attributes}
    (address, port), (local_address, local_port) = own
    if told.get("ADDR"):
        address, port = told["ADDR"], int(told.get("PORT") or 0)
    if told.get("DESTADDR"):
        local_address, local_port = told["DESTADDR"], int(told.get("DESTPORT") or local_port)
    dialogue.connection.speak_for((address, port), (local_address, local_port))
    log.info("speaks for", session=dialogue.connection.id, proxy=own[0][0], peer=address)
    dialogue.helo = ""
    dialogue.log_out()
    dialogue.marks = NO_MARKS
    dialogue.forget_lookups()
    for ask in dialogue.checks.ahead:
        ask(dialogue)


def as_introduced(ehlo: Ehlo, told: Mapping[str, str]) -> Ehlo:
    """The client's own words for itself, where the proxy knows them."""
    extended = told["PROTO"] == "ESMTP" if told.get("PROTO") else ehlo.extended
    return Ehlo(told.get("HELO") or ehlo.domain, extended)

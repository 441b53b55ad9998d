"""Autodiscover in JSON ("v2"): where the service of a protocol is, for an address.

What can be told is where Autodiscover in XML is. Names of protocols are compared without case, and told as
they were asked for; of anything else Exchange's own error is the answer.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from postier.clients.settings import ClientSettings

__all__ = ["JsonAnswer", "autodiscover_json", "no_such_user"]

PROTOCOL = "AutodiscoverV1"
LONGEST_SHOWN = 64


class JsonAnswer(NamedTuple):
    status: int
    body: bytes


def autodiscover_json(settings: ClientSettings, protocol: str) -> JsonAnswer:
    if not protocol:
        return _error(
            400,
            "MandatoryParameterMissing",
            "A valid value must be provided for the query parameter 'Protocol'",
        )
    if protocol.lower() != PROTOCOL.lower():
        shown = "".join(c for c in protocol if c.isascii() and c.isprintable())[:LONGEST_SHOWN]
        return _error(
            400,
            "InvalidProtocol",
            f"The given protocol value '{shown}' is invalid. Supported values are '{PROTOCOL}'",
        )
    url = settings.url("/autodiscover/autodiscover.xml", f"autodiscover.{settings.domain}")
    return _answer(200, {"Protocol": protocol, "Url": url})


def no_such_user() -> JsonAnswer:
    """The address is of no domain here."""
    return _error(404, "UserNotFound", "The given user is not found")


def _error(status: int, code: str, message: str) -> JsonAnswer:
    return _answer(status, {"ErrorCode": code, "ErrorMessage": message})


def _answer(status: int, value: dict[str, str]) -> JsonAnswer:
    return JsonAnswer(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())

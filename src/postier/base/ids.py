"""Identifiers that say nothing and collide with nothing."""

from __future__ import annotations

import secrets

__all__ = ["new_id"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread aloud


def new_id() -> str:
    """16 characters, 80 random bits, fit for a log line, a reply and a Message-ID."""
    number = secrets.randbits(80)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(75, -1, -5))

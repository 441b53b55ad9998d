"""Names and passwords as people type them, in the one form that is compared (RFC 8265)."""

from __future__ import annotations

import unicodedata

__all__ = ["LONGEST_NAME", "login_name", "opaque_string", "saslprep", "spellings"]

LONGEST_NAME = 320
"""Characters; a longer name is nobody's (RFC 5321 4.5.3.1)."""

_FULL_WIDTH = {0xFF01 + n: 0x21 + n for n in range(94)} | {0x3000: 0x20}  # RFC 8265 3.3.2, rule 1
_TO_NOTHING = dict.fromkeys(
    (0xAD, 0x34F, 0x1806, *range(0x180B, 0x180E), *range(0x200B, 0x200E), 0x2060, 0xFEFF)
)
"""RFC 4013 2.1: what SASLprep drops."""


def login_name(name: str) -> str:
    """The key by which the directory knows a name; "" for one that is nobody's: too long, or with
    characters that no name has (RFC 8265 3.3, UsernameCaseMapped)."""
    if len(name) > LONGEST_NAME:
        return ""
    text = unicodedata.normalize("NFC", name.translate(_FULL_WIDTH)).casefold()
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        return ""
    return text


def opaque_string(password: str) -> str:
    """RFC 8265 4.2: any space is a space, and the same keys typed on two systems are the same password.

    What the profile forbids (control characters) is left as it is: it can't be set (see quality.py), and
    then no password is it.
    """
    spaces = {ord(one): " " for one in set(password) if unicodedata.category(one) == "Zs"}
    return unicodedata.normalize("NFC", password.translate(spaces))


def saslprep(password: str) -> str:
    """RFC 4013 2, as clients of SCRAM were first told to do it (RFC 5802 2.2): compatibility characters are
    what they stand for."""
    return unicodedata.normalize("NFKC", opaque_string(password).translate(_TO_NOTHING))


def spellings(password: str) -> tuple[str, ...]:
    """The forms from which a client of SCRAM may make its proof, each once."""
    return tuple(dict.fromkeys((opaque_string(password), saslprep(password))))

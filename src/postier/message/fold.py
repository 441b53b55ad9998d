"""Text as SEARCH compares it: without case, compatibility forms and diacritics.

What i;unicode-casemap (RFC 5051) holds to be equal, is equal here: case is mapped and everything decomposed.
Beyond that "é" and "e" are one, as are "ß" and "ss": combining marks of the scripts that use them as accents
are dropped. Marks that are letters of their own (those of Indic scripts, kana's voicing) stay.
"""

from __future__ import annotations

import re
from unicodedata import normalize

__all__ = ["fold"]

_ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_DOTLESS_I = "\u0131"
"""Its titlecase is "I", though it has no casefolding."""


def fold(text: str) -> str:
    """`fold(fold(text)) == fold(text)`; ASCII text only gets lower case."""
    if text.isascii():
        return text.lower()
    folded = normalize("NFKD", text).casefold().replace(_DOTLESS_I, "i")
    return _ACCENTS.sub("", normalize("NFKD", folded))

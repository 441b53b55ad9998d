"""i;unicode-casemap (RFC 5051): the order in which SORT and THREAD put text (RFC 5256 7).

Titlecase, then the compatibility decomposition, then the order of code points, which is that of UTF-8's
octets. Python compares strings just so.
"""

from __future__ import annotations

import unicodedata

__all__ = ["unicode_casemap"]


class _TitleCase(dict[int, int]):
    """The titlecase property of code points as they are asked for; at most LIMIT of them are kept.

    str.title gives the full mapping. Where that is longer than one character UnicodeData.txt has none.
    """

    LIMIT = 8192

    __slots__ = ()

    def __missing__(self, point: int) -> int:
        if len(self) >= self.LIMIT:
            self.clear()
        title = chr(point).title()
        found = self[point] = ord(title) if len(title) == 1 else point
        return found


_TITLE_CASE = _TitleCase()


def unicode_casemap(text: str) -> str:
    """What to compare instead of `text`."""
    if text.isascii():
        return text.upper()
    return unicodedata.normalize("NFKD", text.translate(_TITLE_CASE))

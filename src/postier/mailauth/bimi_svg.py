"""Is this an indicator that may be shown? SVG Tiny Portable/Secure (draft-svg-tiny-ps-abrotman).

Whoever shows it still shows it as an image (`<img>`, with a policy that runs nothing), never in the page.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from postier.mailauth.bimi import MAX_INDICATOR

__all__ = ["IndicatorError", "check_svg"]

MAX_ELEMENTS = 2000
MAX_DEPTH = 50
_SVG = "http://www.w3.org/2000/svg"
_ELEMENTS = frozenset(
    {
        "circle", "defs", "desc", "ellipse", "g", "line", "linearGradient", "metadata", "path", "polygon",
        "polyline", "radialGradient", "rect", "solidColor", "stop", "svg", "text", "textArea", "title",
        "tspan", "use",
    }
)  # fmt: skip
_NAMESPACES = frozenset({"", "http://www.w3.org/1999/xlink", "http://www.w3.org/XML/1998/namespace"})
_OUTSIDE = re.compile(
    r"url\s*+\(\s*+['\"]?+\s*+(?!#)|javascript:|data:|@import|expression\s*+\(", re.IGNORECASE
)
_VIEW_BOX = re.compile(r"\s*[0-9.+-]+[\s,]+[0-9.+-]+[\s,]+([0-9.]+)[\s,]+([0-9.]+)\s*")


class IndicatorError(ValueError):
    """Not to be shown; the message says why."""


def check_svg(octets: bytes) -> None:
    """Raises IndicatorError for what is not of the profile, or could run, load or swell."""
    if len(octets) > MAX_INDICATOR:
        raise IndicatorError(f"more than {MAX_INDICATOR} octets")
    checker = _Checker()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = checker.start
    parser.EndElementHandler = checker.end
    parser.StartDoctypeDeclHandler = checker.refuse_declaration
    parser.EntityDeclHandler = checker.refuse_declaration
    parser.ProcessingInstructionHandler = checker.refuse_instruction
    try:
        parser.Parse(octets, True)
    except expat.ExpatError as error:
        raise IndicatorError(f"not well formed: {expat.ErrorString(error.code)}") from None
    except (LookupError, UnicodeError):
        raise IndicatorError("an encoding that is not known") from None
    if not checker.has_title:
        raise IndicatorError("no title")


class _Checker:
    def __init__(self) -> None:
        self.depth = 0
        self.elements = 0
        self.has_title = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition("}")
        if namespace != _SVG or local not in _ELEMENTS:
            raise IndicatorError(f"element {local[:40]!r} is not of the profile")
        self.depth += 1
        self.elements += 1
        if self.depth > MAX_DEPTH or self.elements > MAX_ELEMENTS:
            raise IndicatorError("too many elements")
        if (self.depth == 1) != (local == "svg"):
            raise IndicatorError("svg is the outermost element, and it alone")
        self.has_title = self.has_title or (local == "title" and self.depth == 2)
        if self.depth == 1:
            _check_root(attributes)
        for attribute, value in attributes.items():
            _check_attribute(attribute, value)

    def end(self, name: str) -> None:
        self.depth -= 1

    def refuse_declaration(self, *rest: object) -> None:
        raise IndicatorError("a document type or an entity")

    def refuse_instruction(self, *rest: object) -> None:
        raise IndicatorError("a processing instruction")


def _check_root(attributes: dict[str, str]) -> None:
    if attributes.get("version") != "1.2" or attributes.get("baseProfile") != "tiny-ps":
        raise IndicatorError("not version 1.2, baseProfile tiny-ps")
    if "x" in attributes or "y" in attributes:
        raise IndicatorError("x or y of the outermost element")
    box = _VIEW_BOX.fullmatch(attributes.get("viewBox", "")[:200])
    if box is None or box.group(1) != box.group(2):
        raise IndicatorError("not square")


def _check_attribute(name: str, value: str) -> None:
    namespace, _, local = name.rpartition("}")
    if namespace not in _NAMESPACES or local.lower().startswith("on"):
        raise IndicatorError(f"attribute {local[:40]!r} is not of the profile")
    if local == "href" and not value.startswith("#"):
        raise IndicatorError("a reference to something outside")
    if _OUTSIDE.search(value):
        raise IndicatorError("a value that may load or run something")

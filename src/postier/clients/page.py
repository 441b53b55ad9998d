"""The card for a person (see card.py) as a page: HTML without scripts or anything from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import segno

from postier.clients.card import COLUMNS, QUIET, late_ports, mobileconfig_url, page_url, service_rows
from postier.clients.settings import ClientSettings
from postier.clients.words import words

__all__ = ["card_page"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem;
       color: #111; background: #fff }
h1 { font-size: 1.4rem; overflow-wrap: anywhere }
dt { font-weight: 600 }
dd { margin: 0 0 .6rem; font-size: 1.15rem; overflow-wrap: anywhere }
.table { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ccc }
a.button { display: inline-block; padding: .6rem 1rem; border-radius: .4rem; text-decoration: none;
           color: #fff; background: #0b57d0 }
.code { break-inside: avoid }
.code svg { width: 11rem; height: 11rem }
@media print { body { margin: 0 } a.button { padding: 0; color: #111; background: none } }
"""


def card_page(settings: ClientSettings, address: str, language: str) -> str:
    """The whole HTML document; it holds nothing but what is public."""
    return "".join(f"{line}\n" for line in _page(settings, address, language))


def _page(settings: ClientSettings, address: str, language: str) -> Iterator[str]:
    def said(name: str, **values: str) -> str:
        return escape(words(language, name, **values))

    title = said("title", address=address)
    yield "<!DOCTYPE html>"
    yield f'<html lang="{escape(language)}">'
    yield '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    yield '<meta name="robots" content="noindex">'
    yield f"<title>{title}</title><style>{_STYLE}</style></head>"
    yield f"<body><p>{escape(settings.provider)}</p><h1>{title}</h1>"
    yield f"<p>{said('two')}</p>"
    yield f"<dl><dt>{said('address')}</dt><dd>{escape(address)}</dd>"
    yield f"<dt>{said('password')}</dt><dd>{said('yours')}</dd></dl>"
    yield f"<p>{said('enough')}</p>"
    if settings.web_port:
        link = escape(mobileconfig_url(settings, address))
        yield f'<p><a class="button" href="{link}">{said("apple-link")}</a></p>'
    yield f"<p>{said('manual')}</p>"
    yield '<div class="table"><table><thead><tr>'
    yield "".join(f"<th>{said(name)}</th>" for name in COLUMNS) + "</tr></thead><tbody>"
    for row in service_rows(settings, language):
        cells = (row.use, row.protocol, settings.hostname, row.port, row.security)
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table></div>"
    yield f"<p>{said('user')}</p>"
    if late := late_ports(settings):
        yield f"<p>{said('starttls', ports=late)}</p>"
    if settings.help:
        yield f'<p>{said("help")} <a href="{escape(settings.help)}">{escape(settings.help)}</a></p>'
    yield f"<p>{said('secret')}</p>"
    if settings.web_port:
        code = segno.make(page_url(settings, address, language), error="m", micro=False)
        yield f'<div class="code"><p>{said("scan")}</p>{code.svg_inline(border=QUIET, omitsize=True)}</div>'
    yield "</body></html>"

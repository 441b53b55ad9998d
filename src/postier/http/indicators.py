"""The indicator of an author's domain, looked up and fetched, for whoever shows messages (BIMI)."""

from __future__ import annotations

from postier.base.log import Log
from postier.dns.api import Resolver
from postier.fetch.https import HttpsError, HttpsFetcher
from postier.mailauth import dmarc
from postier.mailauth.bimi import MAX_INDICATOR, SVG_TYPES, indicator_record
from postier.mailauth.bimi_svg import IndicatorError, check_svg
from postier.mailauth.spf import Spf, SpfResult

__all__ = ["find_indicator"]

log = Log("bimi")


async def find_indicator(resolver: Resolver, fetcher: HttpsFetcher, author_domain: str) -> bytes | None:
    """An SVG to show beside a message whose author is of `author_domain`, if it passed DMARC when it came.

    None where the domain's policy is not enforced now, and for anything wrong with what it offers.
    """
    passed = SpfResult(Spf.PASS, author_domain)
    record = await indicator_record(resolver, await dmarc.evaluate(resolver, [author_domain], passed, ()))
    if record is None:
        return None
    try:
        svg = await fetcher.get(record.host, record.target, types=SVG_TYPES, limit=MAX_INDICATOR)
        check_svg(svg)
    except (HttpsError, IndicatorError) as error:
        log.info("no indicator", domain=record.domain, why=error)
        return None
    return svg

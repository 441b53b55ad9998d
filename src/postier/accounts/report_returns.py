"""The return addresses of reports to other domains: what comes back to one stops reports to that place.

    reports-TAG@us.example

TAG is drawn by lot for each place that reports go to, so nobody can stop those of others. Such an address
takes what is returned, from the null path, and is no way to write to anybody.
"""

from __future__ import annotations

import re

from postier.base.address import Address
from postier.base.domain import Domain
from postier.store.api import Tx

__all__ = ["report_return_path", "report_tag", "stop_reports"]

_FORM = re.compile(r"reports-([0-9a-hjkmnp-tv-z]{16})", re.IGNORECASE)
MAX_REASON = 300


def report_return_path(tag: str, domain: str) -> Address:
    return Address(f"reports-{tag}", Domain(domain))


def report_tag(local_part: str) -> str:
    """That of a return address of reports, "" for any other."""
    found = _FORM.fullmatch(local_part)
    return found[1].lower() if found is not None else ""


async def stop_reports(tx: Tx, tag: str, reason: str, now: float) -> None:
    """Nothing goes there from now on; the first reason stays."""
    target = await tx.report_target_of_tag(tag)
    if target is not None and not target.stopped:
        await tx.set_report_target(target._replace(stopped=int(now), reason=reason[:MAX_REASON]))

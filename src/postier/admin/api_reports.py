"""The routes of the management API about the reports of others: what `postier dmarc` does, with its words."""

from __future__ import annotations

import io
from collections.abc import Sequence

from postier.admin.report_files import Intake, report_stream
from postier.admin.report_json import (
    intake_facts,
    simulation_facts,
    sources_facts,
    summarise,
    summary_facts,
)
from postier.admin.report_words import LANGUAGES
from postier.admin.reports import (
    DAY,
    EXPORTS,
    POLICIES,
    SPF_VERSION,
    DomainView,
    domain_view,
    exported,
    simulation,
)
from postier.base.clock import Clock
from postier.dns.api import Resolver
from postier.http.api import ApiRoute, Call, Lines
from postier.http.parameters import Choice, DomainName, Flag, Parameter, Text, Whole
from postier.http.problem import Problem
from postier.reports.limits import LIMITS
from postier.store.api import Store

__all__ = ["ReportRoutes"]

_DAYS = Parameter("days", Whole(1, 3650), 30, "How far back")
_LANG = Parameter("lang", Choice(tuple(LANGUAGES)), "en", "The language of advice")
_DNS = Parameter("dns", Flag(), True, "Whether the DNS is asked whose an address is")
_DOMAIN = Parameter("domain", DomainName(), None, "One of your domains", in_path=True)


class ReportRoutes:
    def __init__(self, store: Store, clock: Clock, resolver: Resolver) -> None:
        self._store = store
        self._clock = clock
        self._resolver = resolver

    def table(self) -> Sequence[ApiRoute]:
        return (
            ApiRoute("GET", "/api/v1/dmarc/summary", "Each domain in short", self._summary, (_DAYS,)),
            ApiRoute(
                "GET",
                "/api/v1/dmarc/{domain}/sources",
                "Who sends in a domain's name, and what to do next about each",
                self._sources,
                (_DOMAIN, _DAYS, _DNS, _LANG),
            ),
            ApiRoute(
                "GET",
                "/api/v1/dmarc/{domain}/simulate",
                "What would have become of the mail under another policy",
                self._simulate,
                (
                    _DOMAIN,
                    Parameter("policy", Choice(POLICIES), "reject", "What the domain would ask for"),
                    Parameter("sp", Choice(POLICIES), None, "The same for names below it, if another"),
                    Parameter("strict", Flag(), False, "Whether both alignments are strict"),
                    Parameter("strict_dkim", Flag(), False, "Whether that of DKIM is (adkim=s)"),
                    Parameter("strict_spf", Flag(), False, "Whether that of SPF is (aspf=s)"),
                    Parameter("spf", Text(2000, SPF_VERSION), "", "A record in place of the domain's"),
                    _DAYS,
                    _DNS,
                    _LANG,
                ),
            ),
            ApiRoute(
                "POST",
                "/api/v1/dmarc/import",
                "Store the reports in a file: XML or JSON, packed or not, a mail, a mailbox (mbox)",
                self._import,
                body=LIMITS.octets,
            ),
            ApiRoute(
                "GET",
                "/api/v1/dmarc/export",
                "What is stored, one value on each line",
                self._export,
                (
                    Parameter("domain", DomainName(), "", "One of your domains; all without it"),
                    Parameter("what", Choice(EXPORTS), "rows", "Rows of aggregate reports, or others"),
                    Parameter("days", Whole(1, 3650), None, "How far back; all without it"),
                ),
                lines=True,
            ),
        )

    async def _summary(self, call: Call) -> object:
        return summary_facts(await summarise(self._store.reader, self._clock, call.values["days"]))

    async def _sources(self, call: Call) -> object:
        return sources_facts(await self._view(call), call.values["lang"])

    async def _simulate(self, call: Call) -> object:
        values = call.values
        view = await self._view(call)
        found = await simulation(
            view,
            self._resolver,
            self._clock,
            values["policy"],
            values["strict"],
            values["spf"],
            below=values["sp"] or "",
            strict_dkim=values["strict_dkim"],
            strict_spf=values["strict_spf"],
        )
        return simulation_facts(
            view,
            found,
            values["lang"],
            days=values["days"],
            policy=values["policy"],
            strict=values["strict"],
            record=values["spf"],
        )

    async def _import(self, call: Call) -> object:
        if not call.body:
            raise Problem(400, "the body is empty: it is the file with the reports")
        intake = Intake(self._store, self._clock)
        for name, content in report_stream(f"upload by {call.account.name}", io.BytesIO(call.body)):
            await intake.add(name, content)
        await intake.flush()
        return intake_facts(intake)

    async def _export(self, call: Call) -> object:
        days = call.values["days"]
        since = int(self._clock.now()) - days * DAY if days else 0
        return Lines(exported(self._store.reader, call.values["what"], call.values["domain"], since))

    async def _view(self, call: Call) -> DomainView:
        """Raises StoreError."""
        resolver = self._resolver if call.values["dns"] else None
        return await domain_view(
            self._store.reader, resolver, self._clock, call.values["domain"], call.values["days"]
        )

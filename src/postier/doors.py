"""What each service runs for a connection: the doors, put together."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.types import ASGIApp

from postier.accounts.devices import DeviceLedger
from postier.accounts.directory import Directory
from postier.accounts.domains import signers_for
from postier.accounts.login import Login
from postier.accounts.web_sessions import SessionRules, WebSessions
from postier.admin.api_audit import AuditRoutes
from postier.admin.api_devices import DeviceRoutes
from postier.admin.api_person import PersonRoutes
from postier.admin.api_reports import ReportRoutes
from postier.admin.api_session import SessionRoutes
from postier.backend import Backend, domain_documents, open_factors, open_resolver, pop3_usual
from postier.base.networks import Networks
from postier.base.shared_counts import SharedCounts
from postier.certifying import acme_documents
from postier.config.settings import Settings
from postier.http.api import ApiRoute, api_application
from postier.http.documents import public_application
from postier.http.health import health_documents
from postier.http.metrics import Metrics
from postier.http.server import http_session
from postier.http.web_gate import web_gates
from postier.imap.session.services import ImapServices, ImapSettings
from postier.imap.session.session import ImapSession
from postier.imap.wire.core import ImapServer
from postier.indexing import SEARCH_DATABASE
from postier.net.api import Connection, Session
from postier.pop3.session import Pop3Services, Pop3Settings, pop3_session
from postier.reporting import Told
from postier.search.sqlite import SqliteTextIndex
from postier.sending import daily_limits
from postier.smtp.inbound.dialogue import InboundServices, InboundSettings, Role
from postier.smtp.inbound.session import inbound_session
from postier.story.recorder import NoteStep
from postier.tokens import announced

__all__ = ["sessions", "web_application"]

MAX_HOLD = 999_999_999
"""Seconds that RFC 4865 has words for."""


def sessions(
    backend: Backend,
    login: Login,
    web: ASGIApp,
    note_step: NoteStep,
    counts: SharedCounts,
    told: Told,
    devices: DeviceLedger,
) -> dict[str, Session]:
    """What each service runs for a connection; `web`: see web_application."""
    settings = backend.settings
    trusted = settings.server.trust_loopback
    inbound_settings = InboundSettings(
        hostname=settings.server.hostname,
        max_message_size=settings.smtp.max_message_size,
        max_recipients=settings.smtp.max_recipients,
        trust_loopback=trusted,
        timeout=settings.smtp.idle_timeout,
        normalise_newlines=settings.smtp.submission_normalise_newlines,
        daily_limits=daily_limits(backend),
        future_release=min(settings.smtp.max_hold, MAX_HOLD),
        undo_send=settings.smtp.undo_send,
        hides_client=settings.smtp.submission_hides_client,
        policy=settings.policy,
        srs=settings.srs.enabled,
        lmtp_from=Networks(settings.lmtp.accept_from),
        xclient_from=Networks(settings.smtp.xclient_from),
    )
    inbound = InboundServices(
        store=backend.store,
        blobs=backend.blobs,
        directory=Directory(backend.store),
        login=login,
        resolver=open_resolver(settings),
        clock=backend.clock,
        signers_for=lambda domain: signers_for(backend.store.reader, domain),
        note_step=note_step,
        counts=counts,
        dmarc_counter=told.dmarc,
        failure_reports=told.failures,
        devices=devices,
    )
    smtp = inbound_session(inbound_settings, inbound, Role.MX)
    submission = inbound_session(inbound_settings, inbound, Role.SUBMISSION)
    imap = _imap_session(
        ImapServices(
            backend.store, backend.blobs, backend.bus, login, backend.clock, _text_index(settings), devices
        ),
        ImapSettings(
            hostname=settings.server.hostname,
            allow_plaintext=trusted,
            idle_timeout=settings.imap.idle_timeout,
            max_message_size=settings.smtp.max_message_size,
            message_limit=settings.imap.message_limit,
            save_limit=settings.imap.save_limit,
        ),
    )
    pop3 = pop3_session(
        Pop3Services(backend.store, backend.blobs, login, note_step, backend.clock, devices),
        Pop3Settings(
            hostname=settings.server.hostname,
            allow_plaintext=trusted,
            idle_timeout=settings.pop3.idle_timeout,
            usual=pop3_usual(settings),
        ),
    )
    return {
        "http": http_session(web),
        "https": http_session(web),
        "smtp": smtp,
        "submission": submission,
        "submissions": submission,
        "lmtp": inbound_session(inbound_settings, inbound, Role.LMTP),
        "imap": imap,
        "imaps": imap,
        "pop3": pop3,
        "pop3s": pop3,
    }


def web_application(backend: Backend, login: Login) -> Starlette:
    """What HTTP and HTTPS serve."""
    metrics = Metrics(backend.store, backend.clock)
    documents = (
        *domain_documents(backend, announced(backend)),
        *acme_documents(backend),
        *health_documents(backend.store.reader.domains, metrics.text),
    )
    return public_application(documents, _api(backend, login))


def _api(backend: Backend, login: Login) -> Starlette | None:
    """What administrators ask, and what people ask about themselves, each where it is switched on."""
    settings = backend.settings
    routes = _management(backend) if settings.http.api else []
    if not settings.portal.enabled:
        return api_application(routes, login) if routes else None
    factors, rules = open_factors(backend), settings.portal
    sessions = WebSessions(
        backend.store,
        backend.clock,
        login,
        factors,
        SessionRules(rules.idle_timeout, rules.session_lifetime),
        limited=not settings.server.trust_loopback,
    )
    iterations = settings.login.scram_iterations if settings.login.scram != "off" else 0
    person = PersonRoutes(backend.store, backend.clock, sessions, factors, iterations)
    routes = [*routes, *SessionRoutes(sessions, factors).table(), *person.table()]
    return api_application(routes, login, gates=web_gates(sessions))


def _management(backend: Backend) -> list[ApiRoute]:
    reports = ReportRoutes(backend.store, backend.clock, open_resolver(backend.settings))
    audit = AuditRoutes(backend.store.reader)
    devices = DeviceRoutes(backend.store.reader, backend.blobs, backend.clock)
    return [*reports.table(), *audit.table(), *devices.table()]


def _text_index(settings: Settings) -> SqliteTextIndex | None:
    return SqliteTextIndex(settings.data / SEARCH_DATABASE) if settings.search.index else None


def _imap_session(services: ImapServices, settings: ImapSettings) -> Session:
    async def session(connection: Connection) -> None:
        await ImapSession(connection, ImapServer(), services, settings).run()

    return session

"""What watchers ask: is it alive, is it ready, what are its figures.

GET /health/live   200 while the process answers at all
GET /health/ready  200 while the store can be read, 503 with one word why otherwise
GET /.well-known/mta-sts.txt  the policy of a domain of ours, for a proxy in front (see own_policy.py)
GET /mail/config-v1.1.xml     the settings of a domain of ours for mail programs (see autoconfig.py)
GET /metrics       Prometheus text format, all workers of this host together
/api/              management, for this machine and for proxies that speak TLS (see api.py)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from postier.base.log import Log
from postier.http import autoconfig
from postier.http.api import API
from postier.http.own_policy import PATH, OwnPolicy

__all__ = ["health_application"]

log = Log("http")


def health_application(
    probe: Callable[[], Awaitable[object]],
    figures: Callable[[], Awaitable[bytes]],
    policy: OwnPolicy | None = None,
    settings: autoconfig.Autoconfig | None = None,
    api: Starlette | None = None,
) -> Starlette:
    """`probe` reads something from the store; what it raises means "not ready". `figures`: the page of
    /metrics. `policy`, `settings`: of our own domains. `api`: answers for what begins with API."""

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(_: Request) -> Response:
        try:
            await probe()
        except Exception as error:  # whatever it is, the answer is "not ready" and the log knows why
            log.error("not ready", exception=error)
            return JSONResponse({"status": "unavailable"}, status_code=503)
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        if request.client is None or not ipaddress.ip_address(request.client.host).is_loopback:
            return JSONResponse({"status": "for this machine only"}, status_code=403)
        return Response(await figures(), media_type=CONTENT_TYPE_LATEST)

    async def sts_policy(request: Request) -> Response:
        document = None if policy is None else await policy.answer(request.headers.get("host", ""))
        return Response(document or "", 404 if document is None else 200, media_type="text/plain")

    async def client_settings(request: Request) -> Response:
        document = None if settings is None else await settings.answer(request.headers.get("host", ""))
        return Response(document or "", 404 if document is None else 200, media_type="text/xml")

    management = [] if api is None else [Route(API + "{path:path}", api)]
    return Starlette(
        routes=[
            Route(PATH, sts_policy),
            Route(autoconfig.PATH, client_settings),
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/metrics", metrics),
            *management,
        ]
    )

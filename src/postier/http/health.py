"""What watchers ask: is it alive, is it ready, what are its figures.

GET /health/live   200 while the process answers at all
GET /health/ready  200 while the store can be read, 503 with one word why otherwise
GET /metrics       Prometheus text format, all workers of this host together; for this machine only
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from postier.base.log import Log
from postier.http.documents import Asked, Document

__all__ = ["health_documents"]

log = Log("http")


def health_documents(
    probe: Callable[[], Awaitable[object]], figures: Callable[[], Awaitable[bytes]]
) -> tuple[Document, ...]:
    """`probe` reads something from the store; what it raises means "not ready". `figures`: the page of
    /metrics."""

    async def live(_: Asked) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(_: Asked) -> Response:
        try:
            await probe()
        except Exception as error:  # whatever it is, the answer is "not ready" and the log knows why
            log.error("not ready", exception=error)
            return JSONResponse({"status": "unavailable"}, status_code=503)
        return JSONResponse({"status": "ready"})

    async def metrics(asked: Asked) -> Response:
        client = asked.request.client
        if client is None or not _is_loopback(client.host):
            return JSONResponse({"status": "for this machine only"}, status_code=403)
        return Response(await figures(), media_type=CONTENT_TYPE_LATEST)

    return (
        Document("/health/live", live),
        Document("/health/ready", ready),
        Document("/metrics", metrics),
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # what a proxy said is no address
        return False

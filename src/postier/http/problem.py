"""What went wrong, for a program and for who reads its log (RFC 9457): the one shape of every error."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse, Response

__all__ = ["COMMON_HEADERS", "Problem", "problem_response"]

COMMON_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every answer: nobody keeps it, nobody guesses its type."""


class Problem(Exception):
    """An answer that is none. `detail`: one sentence without paths, queries or stacks."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = HTTPStatus(status)
        self.detail = detail
        self.headers = dict(headers or {})


def problem_response(problem: Problem) -> Response:
    """Its type is "about:blank": the status says which problem it is (4.2.1)."""
    return JSONResponse(
        {
            "type": "about:blank",
            "title": problem.status.phrase,
            "status": problem.status.value,
            "detail": problem.detail,
        },
        problem.status,
        headers={**problem.headers, **COMMON_HEADERS},
        media_type="application/problem+json",
    )

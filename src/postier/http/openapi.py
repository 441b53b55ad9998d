"""The description of the management API for programs (OpenAPI 3.1), made from the table of its routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from postier.http.api import ApiRoute

__all__ = ["COOKIE", "openapi_document"]

COOKIE = "__Host-postier"
"""Of the sessions of people: for this very host, over HTTPS, and for every path of it (RFC 6265)."""

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def openapi_document(routes: Sequence[ApiRoute]) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Postier", "version": "1", "description": "Management of a mail server"},
        "paths": paths,
        "security": [{"administrator": []}],
        "components": {
            "securitySchemes": {
                "administrator": {"type": "http", "scheme": "basic"},
                "person": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
            "schemas": {"Problem": _PROBLEM},
            "responses": {
                "Problem": {
                    "description": "What went wrong (RFC 9457)",
                    "content": {
                        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                    },
                }
            },
        },
    }


def _operation(route: ApiRoute) -> dict[str, Any]:
    words = re.findall(r"[a-z]+", route.path.removeprefix("/api/v1"))
    media = "application/jsonl" if route.lines else "application/json"
    found: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *words]),
        "summary": route.summary,
        "parameters": [
            {
                "name": one.name,
                "in": "path" if one.in_path else "query",
                "required": one.in_path,
                "description": one.description,
                "schema": one.kind.schema() | ({} if one.default is None else {"default": one.default}),
            }
            for one in route.parameters
        ],
        "responses": {
            "200": {"description": "Done", "content": {media: {"schema": {"type": "object"}}}},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if route.gate != "administrator":
        found["security"] = [] if route.gate == "anybody" else [{"person": []}]
    if route.body:
        found["requestBody"] = {
            "required": True,
            "description": f"At most {route.body} octets",
            "content": {route.media: {}},
        }
    return found

"""A moment as an option of a verb."""

from __future__ import annotations

import datetime
import re
from typing import Any

import click

__all__ = ["MOMENT"]

_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPAN = re.compile(r"([0-9]{1,6})([smhdw])")


class _Moment(click.ParamType[float]):
    """ "2h" ago, or a date and a time of this machine's zone, or with a zone of its own."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        now = datetime.datetime.now().astimezone()
        if span := _SPAN.fullmatch(value):
            return now.timestamp() - int(span[1]) * _SPANS[span[2]]
        try:
            return datetime.datetime.fromisoformat(value).astimezone(None).timestamp()
        except (ValueError, OverflowError):
            self.fail(f"{value!r}: expected 90s, 5m, 2h, 3d, or a date like 2026-11-26 14:05", param, context)


MOMENT = _Moment()

"""Changing some settings in postier.toml, so that what people wrote there stays: order, comments, rest."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postier.config.settings import FILE_NAME, ConfigError, Settings, load_settings, parse_value

__all__ = ["change_settings", "changed_text"]


def change_settings(data: Path, chosen: Mapping[str, Any]) -> Settings:
    """What is written then. Raises ConfigError, and leaves the file as it was."""
    file = data / FILE_NAME
    for name, value in chosen.items():
        parse_value(name, value, "the command line")
    try:
        before = file.read_text(encoding="utf-8")
        _replace(file, changed_text(before, chosen))
        try:
            return load_settings(data)
        except ConfigError:
            _replace(file, before)
            raise
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from None


def changed_text(text: str, chosen: Mapping[str, Any]) -> str:
    """`chosen`: settings by name, values as TOML gives them. A setting that stands there, in use or as a
    comment, changes where it is; another is added at the top of its section."""
    lines = text.splitlines()
    for name, value in chosen.items():
        section, _, field = name.partition(".")
        _set(lines, section, field, f"{field} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _set(lines: list[str], section: str, field: str, line: str) -> None:
    start, end = _section(lines, section)
    if start is None:
        lines += ["", f"[{section}]", line]
        return
    written = re.compile(rf"{re.escape(field)}\s*=")
    offered = re.compile(rf"#\s*{re.escape(field)}\s*=")
    for pattern in (written, offered):
        for number in range(start + 1, end):
            if pattern.match(lines[number].lstrip()):
                lines[number] = line
                return
    lines.insert(start + 1, line)


def _section(lines: list[str], section: str) -> tuple[int | None, int]:
    """Where its head is, and where the next begins."""
    heads = [
        (number, line.partition("#")[0].strip().strip("[] \t"))
        for number, line in enumerate(lines)
        if line.lstrip().startswith("[")
    ]
    for index, (number, name) in enumerate(heads):
        if name == section:
            return number, heads[index + 1][0] if index + 1 < len(heads) else len(lines)
    return None, len(lines)


def _replace(file: Path, text: str) -> None:
    """Whole or not at all, with the owner and the rights that it has."""
    fresh = file.with_name(file.name + ".new")
    there = file.stat()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, there.st_mode & 0o777)
    with open(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    os.replace(fresh, file)

"""A name server of BIND 9 on the loopback, with zones that may be changed by dynamic update."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["NAMED", "Bind", "running_bind"]

_PATH = "/usr/sbin:/usr/bin"
NAMED = shutil.which("named", path=_PATH) or "named"
_KEYGEN = shutil.which("tsig-keygen", path=_PATH) or "tsig-keygen"
_OPTIONS = """
include "{folder}/bind.key";
options {{
    directory "{folder}"; pid-file none; session-keyfile "{folder}/session.key";
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; allow-query {{ any; }}; dnssec-validation no; notify no;
}};
controls {{ }};
"""
_OPEN = """
zone "{zone}" {{
    type primary; file "{folder}/{zone}.zone"; update-policy {{ grant postier.key zonesub ANY; }};
}};
"""
_CLOSED = """
zone "{zone}" {{ type primary; file "{folder}/{zone}.zone"; }};
"""


@dataclass(frozen=True, slots=True)
class Bind:
    """`key`: the file with the TSIG key that may change the open zones."""

    port: int
    key: Path


@contextmanager
def running_bind(
    folder: Path, zones: Mapping[str, str], closed: Mapping[str, str] | None = None
) -> Iterator[Bind]:
    """`zones`: their texts by name; `closed`: those that nobody may change."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    key = folder / "bind.key"
    key.write_bytes(subprocess.run([_KEYGEN, "postier.key"], check=True, capture_output=True).stdout)
    text = _OPTIONS.format(folder=folder, port=port)
    for listed, words in ((zones, _OPEN), (closed or {}, _CLOSED)):
        for zone, content in listed.items():
            (folder / f"{zone}.zone").write_text(content)
            text += words.format(folder=folder, zone=zone)
    (folder / "named.conf").write_text(text)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([NAMED, "-g", "-n", "1", "-c", folder / "named.conf"], stderr=log)
        try:
            _wait_for(port, process, folder / "log")
            yield Bind(port, key)
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(log.read_text())

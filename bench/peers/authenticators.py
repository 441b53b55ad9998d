"""OpenDKIM and Rspamd, each alone with a message: a milter client for the one, HTTP for the other.

Both have their keys and their DNS from here; of Rspamd's modules only spf, dkim, dmarc and dkim_signing run.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from peers import cost

__all__ = ["OpenDkim", "Rspamd"]

_PATIENCE = 120.0  # Rspamd compiles its tables first
_CHUNK = 65_535  # of a body, the most a milter takes at once


class _Server:
    name: str

    def __init__(self, command: Sequence[str], log: Path) -> None:
        with log.open("wb") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file)

    def cpu(self) -> float:
        return cost.cpu_seconds([self._process.pid])

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _await(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.stop()
                raise RuntimeError(f"{self.name} did not start")
            time.sleep(0.1)


class OpenDkim(_Server):
    """One connection to a milter of its own. `sign`: the PEM file of an RSA key, with which it signs for
    `domain` (it can't use keys of two kinds at once); else it verifies, with `records` (the keys by their
    names) in place of the DNS."""

    name = "OpenDKIM"

    def __init__(
        self, folder: Path, domain: str, *, sign: Path | None = None, records: Mapping[str, str] = {}
    ) -> None:
        folder.mkdir()
        path = folder / "socket"
        lines = [
            f"Socket local:{path}",
            f"Mode {'s' if sign else 'v'}",
            "UserID root",
            "RequireSafeKeys no",
            "Canonicalization relaxed/relaxed",
            "OversignHeaders From",
            f"InternalHosts {'192.0.2.1' if sign else '203.0.113.1'}",
            "Syslog no",
        ]
        if sign is not None:
            lines += [f"Domain {domain}", "Selector r", f"KeyFile {sign}"]
        else:
            known = folder / "records"
            known.write_text("".join(f"{name} {record}\n" for name, record in records.items()))
            lines.append(f"TestPublicKeys {known}")
        (folder / "opendkim.conf").write_text("\n".join(lines) + "\n")
        super().__init__(["opendkim", "-f", "-x", str(folder / "opendkim.conf")], folder / "log")
        self._await(path.exists)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")
        self._send(("O", struct.pack("!III", 6, 0x1FF, 0)))
        if self._answer()[0] != "O":
            raise RuntimeError("OpenDKIM does not speak as a milter does")
        self._send(("C", b"mx.a.example\x004" + struct.pack("!H", 25) + b"192.0.2.1\x00"))
        if self._answer()[0] != "c":
            raise RuntimeError("OpenDKIM takes no connection")

    def _send(self, *commands: tuple[str, bytes]) -> None:
        self._socket.sendall(
            b"".join(struct.pack("!I", 1 + len(data)) + code.encode() + data for code, data in commands)
        )

    def _answer(self) -> tuple[str, bytes]:
        (length,) = struct.unpack("!I", self._file.read(4))
        answer = self._file.read(length)
        return answer[:1].decode(), answer[1:]

    def fields(self, header: bytes, body: bytes, sender: str) -> list[str]:
        """What it adds to a message from 192.0.2.1, as "name: value"."""
        commands = [
            ("M", f"<{sender}>".encode() + b"\x00"),
            ("R", b"<bob@b.example>\x00"),
        ]
        unfolded = header.replace(b"\r\n\t", b"\n\t").replace(b"\r\n ", b"\n ")
        for line in filter(None, unfolded.split(b"\r\n")):
            name, _, value = line.partition(b":")
            commands.append(("L", name + b"\x00" + value.removeprefix(b" ") + b"\x00"))
        commands.append(("N", b""))
        commands += [("B", body[start : start + _CHUNK]) for start in range(0, len(body), _CHUNK)]
        self._send(("D", b"i\x00bench\x00"), *commands, ("E", b""))
        for command, _ in commands:
            code = self._answer()[0]
            if code != "c":
                raise RuntimeError(f"OpenDKIM answers {code} to {command}")
        added = []
        while (answer := self._answer())[0] not in "acrty":
            if answer[0] in "hi":
                field = answer[1][4 if answer[0] == "i" else 0 :].decode()
                added.append(": ".join(field.split("\x00")[:2]))
        self._send(("A", b""))
        return added

    def stop(self) -> None:
        self._file.close()
        self._socket.close()
        super().stop()


class Rspamd(_Server):
    """One worker on 127.0.0.1:`port`, asking the DNS server at `resolver`. `sign`: key
    files by selector, with which it signs for `domain`; else it verifies."""

    name = "Rspamd"

    def __init__(
        self, folder: Path, port: int, resolver: str, domain: str, *, sign: Mapping[str, Path] = {}
    ) -> None:
        folder.mkdir()
        (folder / "tld").write_text("com\nexample\n")
        keys = "".join(f'{{ selector = "{one}"; path = "{file}"; }},' for one, file in sign.items())
        (folder / "rspamd.conf").write_text(
            _RSPAMD.format(
                folder=folder,
                port=port,
                resolver=resolver,
                what=_SIGN.format(domain=domain, keys=keys) if sign else _VERIFY,
            )
        )
        super().__init__(["rspamd", "-f", "-i", "-c", str(folder / "rspamd.conf")], folder / "out")
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._await(self._answers)

    def _answers(self) -> bool:
        try:
            self._http.request("GET", "/ping")
            return self._http.getresponse().read().startswith(b"pong")
        except OSError:
            self._http.close()
            return False

    def scanned(self, message: bytes, sender: str, user: str = "") -> dict[str, Any]:
        """What it says of a message from 192.0.2.1, or of one of a `user` logged in."""
        headers = {"IP": "192.0.2.1", "Helo": "mx.a.example", "From": sender, "Rcpt": "bob@b.example"}
        if user:
            headers["User"] = user
        self._http.request("POST", "/checkv2", message, headers)
        answer = json.loads(self._http.getresponse().read())
        assert isinstance(answer, dict)
        return answer


_RSPAMD = """\
options {{
  pidfile = "{folder}/pid";
  filters = "dkim";
  dns {{ nameserver = ["{resolver}"]; timeout = 2s; sockets = 4; retransmits = 2; }}
  tempdir = "{folder}";
  url_tld = "{folder}/tld";
  hs_cache_dir = "{folder}";
  control_socket = "{folder}/control mode=0600";
}}
logging {{ type = "file"; filename = "{folder}/log"; level = "warning"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
modules {{ path = "/usr/share/rspamd/plugins"; }}
metric {{ name = "default"; actions {{ reject = 1000; }} }}
{what}
"""
_VERIFY = "".join(f"{one} {{ enabled = true; }}\n" for one in ("spf", "dkim", "dmarc"))
_SIGN = """\
dkim {{ enabled = true; }}
dkim_signing {{
  enabled = true;
  use_esld = false;
  allow_username_mismatch = true;
  domain {{ {domain} {{ selectors [ {keys} ] }} }}
}}
"""

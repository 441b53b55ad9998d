"""Drives Thunderbird's own code by Marionette, behind a proxy that stands for the Internet.

Run as a program: it reads one JSON object (profile, authority, address, ports of the web server), has
Thunderbird look for the settings of the address as it does when an account is made, and prints what it found.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

SCRIPT = """
const [certificate, domain, address, resolve] = arguments;
const bare = s => ({type: s.type, hostname: s.hostname, port: s.port, socketType: s.socketType, auth: s.auth,
                    username: s.username});
const whole = c => ({source: c.subSource, name: c.displayName, incoming: bare(c.incoming),
                     outgoing: bare(c.outgoing), others: c.incomingAlternatives.map(bare)});
const at = "resource:///modules/accountcreation/";
(async () => {
  const db = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
  db.addCertFromBase64(certificate, "C,C,C");
  const {FetchConfig} = ChromeUtils.importESModule(at + "FetchConfig.sys.mjs");
  const {fetchConfigFromExchange} = ChromeUtils.importESModule(at + "ExchangeAutoDiscover.sys.mjs");
  const signal = () => new AbortController().signal;
  const found = {};
  for (const [name, make] of [
    ["autoconfig", () => FetchConfig.fromISP(domain, address, signal())],
    ["autodiscover", () => fetchConfigFromExchange(domain, address, signal(), null, "wrong", async () => {})],
  ]) {
    try { found[name] = whole(await make()); } catch (error) { found[name] = {error: String(error)}; }
  }
  found.socketTypes = {SSL: Ci.nsMsgSocketType.SSL, STARTTLS: Ci.nsMsgSocketType.alwaysSTARTTLS};
  found.password = Ci.nsMsgAuthMethod.passwordCleartext;
  resolve(JSON.stringify(found));
})().catch(error => resolve(JSON.stringify({error: String(error)})));
"""


class Internet(socketserver.ThreadingTCPServer):
    """A proxy that knows one server, whatever name is asked for; `requests`: what was asked in clear."""

    daemon_threads = True

    def __init__(self, host: str, http: int, https: int) -> None:
        super().__init__(("127.0.0.1", 0), _Line)
        self.target, self.http, self.https = host, http, https


class _Line(socketserver.StreamRequestHandler):
    server: Internet

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        tunnel = head.startswith(b"CONNECT ")
        port = self.server.https if tunnel else self.server.http
        with socket.create_connection((self.server.target, port), 30) as there:
            if tunnel:
                self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                there.sendall(head)
            back = threading.Thread(target=_pipe, args=(there, self.request), daemon=True)
            back.start()
            _pipe(self.request, there)
            back.join(5)


def _pipe(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Marionette:
    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + 90
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
                break
            except OSError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.2)
        self._file = self._socket.makefile("rb")
        self._count = 0
        self._receive()

    def _receive(self) -> Any:
        length = b""
        while (octet := self._file.read(1)) != b":":
            length += octet
        return json.loads(self._file.read(int(length)))

    def ask(self, name: str, **parameters: Any) -> Any:
        self._count += 1
        message = json.dumps([0, self._count, name, parameters])
        self._socket.sendall(f"{len(message)}:{message}".encode())
        _, _, error, value = self._receive()
        if error:
            raise RuntimeError(error["message"])
        return value


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def main() -> None:
    asked = json.load(sys.stdin)
    internet = Internet(asked["host"], asked["http"], asked["https"])
    threading.Thread(target=internet.serve_forever, daemon=True).start()
    proxy, port, profile = internet.server_address[1], _free_port(), Path(asked["profile"])
    profile.mkdir()
    settings: dict[str, Any] = {"marionette.port": port, "network.proxy.type": 1, "app.update.enabled": False}
    for kind in ("http", "ssl"):
        settings |= {f"network.proxy.{kind}": "127.0.0.1", f"network.proxy.{kind}_port": proxy}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in settings.items()]
    (profile / "user.js").write_text("\n".join(lines))
    authority = ssl.PEM_cert_to_DER_cert(Path(asked["ca"]).read_text())
    command = ["thunderbird", "--headless", "--marionette", "-remote-allow-system-access", "--no-remote"]
    process = subprocess.Popen(
        [*command, "--profile", str(profile)],
        env={**os.environ, "HOME": str(profile)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        marionette = Marionette(port, process)
        marionette.ask("WebDriver:NewSession", capabilities={"alwaysMatch": {"timeouts": {"script": 60000}}})
        marionette.ask("Marionette:SetContext", value="chrome")
        arguments = [base64.b64encode(authority).decode(), asked["domain"], asked["address"]]
        print(marionette.ask("WebDriver:ExecuteAsyncScript", script=SCRIPT, args=arguments)["value"])
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()

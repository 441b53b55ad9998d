"""A Dovecot that serves IMAP over TLS and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from peers import cost

__all__ = ["Dovecot", "can_run"]

_CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
mail_location = sdbox:{folder}/mail/%n
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
mail_max_userip_connections = 0
default_client_limit = 15000
default_process_limit = 2000
default_vsz_limit = 1G
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%n
}}
service anvil {{
  client_limit = 15000
}}
service auth {{
  client_limit = 19000
}}
service imap {{
  process_limit = 2000
}}
service imap-login {{
  {login}
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
"""
LOGIN = {
    "high performance": "service_count = 0\n  process_min_avail = 2\n  client_limit = 10000",
    "as installed": "service_count = 1",
}
"""Dovecot's own two ways (its LoginProcess page): many connections to a process, or a process for each."""


def can_run() -> bool:
    return os.geteuid() == 0 and shutil.which("dovecot") is not None


class Dovecot:
    """`pair`: PEM files of certificate and key. `way`: one of LOGIN. All have the password `password`."""

    def __init__(self, folder: Path, port: int, pair: tuple[Path, Path], password: str, way: str) -> None:
        self.name = f"Dovecot, {way}"
        self.port = port
        self._folder = folder
        for part in ("run", "state", "mail"):
            (folder / part).mkdir(parents=True)
        shutil.chown(folder / "mail", "nobody", "nogroup")
        folder.chmod(0o755)
        uid, gid = (folder / "mail").stat().st_uid, (folder / "mail").stat().st_gid
        text = _CONFIGURATION.format(
            folder=folder, uid=uid, gid=gid, certificate=pair[0], key=pair[1], password=password,
            login=LOGIN[way], port=port,
        )  # fmt: skip
        (folder / "dovecot.conf").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["dovecot", "-F", "-c", str(self._folder / "dovecot.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2)
        if self._process.poll() is not None:
            raise RuntimeError((self._folder / "dovecot.log").read_text()[-2000:])

    @property
    def roots(self) -> list[int]:
        assert self._process is not None
        return [self._process.pid]

    def cpu(self) -> float:
        return cost.cpu_seconds(self.roots)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

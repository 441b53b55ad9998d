"""A Postier of our own."""

from __future__ import annotations

import poplib
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from peers import cost

__all__ = ["DOMAIN", "PASSWORD", "Ours"]

DOMAIN, PASSWORD = "bench.test", "benchpass1"
_POSTIER = [sys.executable, "-m", "postier"]


class Ours:
    """`settings`: lines of a section of postier.toml. `strict`: as for the world, with DNS and manners
    checked; else it trusts the loopback."""

    def __init__(
        self,
        folder: Path,
        port_base: int,
        *,
        people: int = 100,
        strict: bool = False,
        settings: Mapping[str, str] = {},
    ) -> None:
        self.name = "Postier"
        self.base = port_base
        self.data = folder / "postier"
        trust = ["--bind", "127.0.0.1"] if strict else ["--trust-loopback"]
        self.run("init", "--domain", DOMAIN, *trust, "--port-base", str(port_base), "--yes")
        file = self.data / "postier.toml"
        text = file.read_text()
        for section, lines in settings.items():
            text = text.replace(f"[{section}]\n", f"[{section}]\n{lines}\n")
        file.write_text(text)
        table = folder / "people.csv"
        table.write_text("".join(f"user{number}@{DOMAIN},{PASSWORD}\n" for number in range(people)))
        self.run("user", "import", str(table))
        self._process: subprocess.Popen[str] | None = None

    def run(self, *words: str) -> str:
        """A command of postier's on its data; what it prints."""
        done = subprocess.run(
            [*_POSTIER, *words, "--data", str(self.data)], check=True, capture_output=True, text=True
        )
        return done.stdout

    def start(self) -> None:
        with (self.data.parent / "postier.log").open("a") as log:
            self._process = subprocess.Popen(
                [*_POSTIER, "serve", "--data", str(self.data)], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "postier ready":
            raise RuntimeError((self.data.parent / "postier.log").read_text()[-2000:])

    @property
    def roots(self) -> list[int]:
        assert self._process is not None
        return [self._process.pid]

    def cpu(self) -> float:
        return cost.cpu_seconds(self.roots)

    def settled(self) -> bool:
        """What it took lies in mailboxes when it says 250."""
        return True

    def letter(self, user: int) -> str:
        """One of those that user has."""
        unproven = ssl.create_default_context()
        unproven.check_hostname, unproven.verify_mode = False, ssl.CERT_NONE
        client = poplib.POP3_SSL("127.0.0.1", self.base + 995, context=unproven)
        client.user(f"user{user}@{DOMAIN}")
        client.pass_(PASSWORD)
        lines = client.retr(1)[1]
        client.quit()
        return b"\n".join(lines).decode(errors="replace")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

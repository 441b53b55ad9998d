"""Mail that is verified, and mail that is signed: Postier beside Postfix with OpenDKIM and OpenDMARC.

    sudo .venv/bin/python bench/authenticated.py [--messages 1000] [--rounds 3] [--what verified signed]

verified: letters of 10 KB from 20 domains, each with SPF, DMARC and a DKIM signature (RSA-2048), ten by a
connection, 20 connections, all names from one DNS server here. Both look at SPF, DKIM and DMARC of each and
add what they found. Postfix delivers into maildirs, by its own virtual(8); OpenDKIM has its keys from a file,
as it falls over when several of its threads ask the DNS at once.
signed: letters of our people to another domain. Both sign with RSA-2048, Postier with Ed25519, too, and after
a login; Postfix takes them without. Both then hand them on to the same server, which takes everything.

The rate counts what was accepted, durably on both; the CPU is what the server used until all was handed on.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from peers.around import Names, Sinks, Zone, stoppable
from peers.load import Letter, Login, letter, send, signed
from peers.ours import DOMAIN, PASSWORD, Ours
from peers.postfix import Postfix, can_run

from postier.mailauth.dkim.keys import generate_rsa, private_key_to_pem, txt_record
from postier.mailauth.dkim.sign import Signer

SENDERS = 20
PORTS = 38000
SINK_PORT = 38900
PATIENCE = 120.0


class Server(Protocol):
    name: str

    def cpu(self) -> float: ...
    def settled(self) -> bool: ...
    def letter(self, user: int) -> str: ...


class Round(NamedTuple):
    rate: float
    cpu_ms: float


def sender(number: int) -> str:
    return f"writer@s{number % SENDERS}.sender.test"


def zone(key_record: str) -> Zone:
    names: Zone = {DOMAIN: {"MX": [f"10 mail.{DOMAIN}."]}, f"mail.{DOMAIN}": {"A": ["127.0.0.1"]}}
    for number in range(SENDERS):
        domain = f"s{number}.sender.test"
        names[domain] = {"TXT": ["v=spf1 ip4:127.0.0.0/8 -all"], "MX": [f"10 {domain}."], "A": ["127.0.0.1"]}
        names[f"_dmarc.{domain}"] = {"TXT": ["v=DMARC1; p=reject; rua=mailto:d@sender.test"]}
        names[f"rsa._domainkey.{domain}"] = {"TXT": [key_record]}
    return names


def measured(
    server: Server, port: int, letters: Sequence[Letter], login: Login | None, handed_on: Callable[[], bool]
) -> Round:
    before = server.cpu()
    sent = send(port, letters, login=login)
    deadline = time.monotonic() + PATIENCE
    while not handed_on():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{server.name} has not handed everything on")
        time.sleep(0.1)
    return Round(sent.rate, 1e3 * (server.cpu() - before) / sent.messages)


def prove(server: Server) -> None:
    """What arrived says that it was verified."""
    header = server.letter(1).partition("\n\n")[0]
    if missing := [verdict for verdict in ("spf=pass", "dkim=pass", "dmarc=pass") if verdict not in header]:
        raise RuntimeError(f"{server.name} did not find {' '.join(missing)}:\n{header}")


def report(title: str, rounds: dict[str, list[Round]]) -> None:
    print(f"\n| {title} | accepted/s | ratio | CPU ms | ratio |\n| --- | ---: | ---: | ---: | ---: |")
    middle = {
        name: Round(statistics.median(r.rate for r in some), statistics.median(r.cpu_ms for r in some))
        for name, some in rounds.items()
    }
    first = next(iter(middle.values()))
    for name, one in middle.items():
        ratios = f"{one.rate / first.rate:.2f} | {one.cpu_ms:.2f} | {first.cpu_ms / one.cpu_ms:.2f}"
        print(f"| {name} | {one.rate:,.0f} | {ratios} |", flush=True)


def verified(folder: Path, messages: int, rounds: int) -> None:
    key = generate_rsa()
    signers = [Signer(f"s{number}.sender.test", "rsa", key) for number in range(SENDERS)]
    table = zone(txt_record(key))
    names = Names(folder, table)
    keys = {name: table[name]["TXT"][0] for name in table if "._domainkey." in name}
    ours = Ours(folder, PORTS, strict=True, settings={"dns": f'servers = ["{names.address}:53"]'})
    theirs = Postfix(folder, PORTS + 1200, resolver=names.address, verify=keys)
    servers: dict[Postfix | Ours, int] = {theirs: theirs.port, ours: ours.base + 25}
    found: dict[str, list[Round]] = {server.name: [] for server in servers}
    try:
        for server in servers:
            server.start()
        for turn in range(-1, rounds):  # the first one warms up
            for server, port in servers.items():
                count = messages if turn >= 0 else 100
                letters = [
                    signed(letter(n, sender(n), f"user{n % 100}@{DOMAIN}"), signers[n % SENDERS])
                    for n in range(count)
                ]
                one = measured(server, port, letters, None, server.settled)
                if turn >= 0:
                    found[server.name].append(one)
                else:
                    prove(server)
    finally:
        for server in servers:
            server.stop()
        names.stop()
    report("10 KB, SPF, DKIM and DMARC verified", found)


def submitted(folder: Path, messages: int, rounds: int) -> None:
    key_file = folder / "rsa.pem"
    key_file.write_bytes(private_key_to_pem(generate_rsa()))
    key_file.chmod(0o600)
    sinks = Sinks(SINK_PORT, 1)
    ours = Ours(folder, PORTS)
    ours.run("route", "add", "else.test", f"127.1.0.1:{SINK_PORT}")
    relay = {"relayhost": f"[127.1.0.1]:{SINK_PORT}", "disable_dns_lookups": "yes"}
    theirs = Postfix(folder, PORTS + 1200, sign=key_file, main={**relay, "smtpd_peername_lookup": "no"})
    login = Login(f"user1@{DOMAIN}", PASSWORD)
    servers: dict[Postfix | Ours, tuple[int, Login | None]] = {
        theirs: (theirs.port, None),
        ours: (ours.base + 587, login),
    }
    found: dict[str, list[Round]] = {server.name: [] for server in servers}
    try:
        for server in servers:
            server.start()
        for turn in range(-1, rounds):
            for server, (port, login_or_none) in servers.items():
                count = messages if turn >= 0 else 100
                letters = [letter(n, f"user1@{DOMAIN}", f"you{n}@else.test") for n in range(count)]
                sinks.zero()
                handed_on = partial(sinks.have, count)
                one = measured(server, port, letters, login_or_none, handed_on)
                if turn >= 0:
                    found[server.name].append(one)
    finally:
        for server in servers:
            server.stop()
        sinks.stop()
    report("10 KB submitted, signed and handed on", found)


WHAT = {"verified": verified, "signed": submitted}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--what", nargs="+", choices=WHAT, default=list(WHAT))
    options = parser.parse_args()
    stoppable()
    if not can_run("postfix", "opendkim", "opendmarc"):
        parser.error("needs root, and Debian's postfix, opendkim and opendmarc")
    for what in options.what:
        with tempfile.TemporaryDirectory(prefix="postier-bench-", dir="/var/tmp") as folder:
            Path(folder).chmod(0o755)
            WHAT[what](Path(folder), options.messages, options.rounds)


if __name__ == "__main__":
    main()

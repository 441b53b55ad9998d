"""Mail to 200 other domains, and what is left of it when as many more are dead: Postier beside Postfix.

    sudo .venv/bin/python bench/outbound.py [--letters 200] [--rounds 3]

Our people hand in letters of 10 KB, each to ten of the domains. Names come from a DNS server here, each
domain has a mail server of its own at 127.1.N.1 that takes everything at once. Then the same with ten
recipients more in each letter, whose servers let connections time out, as hosts behind a firewall do.

The rate counts deliveries to living servers, from the first command of the clients to the last 250 of a
server; the CPU is what the mail server used in that time, for each of these deliveries. Postier signs each
letter with RSA-2048 and Ed25519; Postfix signs nothing. Both have met all the domains before, and all is
quiet when a round begins: what is dead is known to be so.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from peers.around import Names, Sinks, Zone, stoppable
from peers.load import Letter, Login, letter, send
from peers.ours import DOMAIN, PASSWORD, Ours
from peers.postfix import Postfix, can_run

DOMAINS = 200
EACH = 10
PORTS = 28000
SINK_PORT = 28900
PATIENCE = 30.0
QUIET = 15.0
"""Seconds in which connections to the dead time out, and what waits for these is put off."""


class Case(NamedTuple):
    """`dead`: recipients of each letter whose servers do not answer."""

    title: str
    dead: int


CASES = (Case("200 domains", 0), Case("200 domains, and 200 dead ones", EACH))


class Round(NamedTuple):
    rate: float
    cpu_ms: float


def zone() -> Zone:
    names: Zone = {DOMAIN: {"MX": [f"10 mail.{DOMAIN}."]}, f"mail.{DOMAIN}": {"A": ["127.0.0.1"]}}
    for kind, network in (("living", "127.1"), ("dead", "127.2")):
        for number in range(DOMAINS):
            names[f"{kind}{number}.test"] = {"MX": [f"10 mx.{kind}{number}.test."]}
            names[f"mx.{kind}{number}.test"] = {"A": [f"{network}.{number}.1"]}
    return names


def letters(count: int, dead: int) -> list[Letter]:
    dice = random.Random(count)
    made = []
    for number in range(count):
        start = number * EACH
        paths = [f"you{number}@living{(start + n) % DOMAINS}.test" for n in range(EACH)]
        paths += [f"you{number}@dead{(start + n) % DOMAINS}.test" for n in range(dead)]
        dice.shuffle(paths)
        made.append(letter(number, f"user1@{DOMAIN}", *paths))
    return made


def measured(
    server: Postfix | Ours, port: int, login: Login | None, mail: list[Letter], sinks: Sinks
) -> Round:
    sinks.zero()
    before = server.cpu()
    sent = send(port, mail, login=login)
    wanted = len(mail) * EACH
    deadline = time.monotonic() + PATIENCE
    while not sinks.have(wanted) and time.monotonic() < deadline:
        time.sleep(0.05)
    messages, _, last = sinks.count()
    if messages < wanted:
        print(f"{server.name}: {wanted - messages} of {wanted} not delivered in {PATIENCE:.0f} s", flush=True)
    return Round(messages / (last - sent.began), 1e3 * (server.cpu() - before) / messages)


def run(count: int, rounds: int, sinks: Sinks, names: Names, folder: Path) -> dict[tuple[str, Case], Round]:
    port = f'outbound_port = {SINK_PORT}\noutbound_connect_timeout = "10s"'
    ours = Ours(folder, PORTS, settings={"dns": f'servers = ["{names.address}:53"]', "smtp": port})
    relaying = {"smtp_tcp_port": str(SINK_PORT), "smtp_connect_timeout": "10s"}
    theirs = Postfix(folder, PORTS + 1200, resolver=names.address, main=relaying)
    login = Login(f"user1@{DOMAIN}", PASSWORD)
    servers: dict[Postfix | Ours, tuple[int, Login | None]] = {
        theirs: (theirs.port, None),
        ours: (ours.base + 587, login),
    }
    found: dict[tuple[str, Case], list[Round]] = {}
    try:
        for server in servers:
            server.start()
        for turn in range(-1, rounds):  # the first one warms up, and meets the dead
            for case in CASES:
                for server, (to, logged_in) in servers.items():
                    mail = letters(count if turn >= 0 else DOMAINS // EACH, case.dead)
                    one = measured(server, to, logged_in, mail, sinks)
                    if turn >= 0:
                        found.setdefault((server.name, case), []).append(one)
            time.sleep(QUIET)
    finally:
        for server in servers:
            server.stop()
    return {
        key: Round(statistics.median(r.rate for r in some), statistics.median(r.cpu_ms for r in some))
        for key, some in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--letters", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    stoppable()
    if not can_run("postfix"):
        parser.error("needs root, and Debian's postfix")
    with tempfile.TemporaryDirectory(prefix="postier-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        names, sinks = Names(folder, zone(), "127.0.0.55"), Sinks(SINK_PORT, DOMAINS, DOMAINS)
        try:
            found = run(options.letters, options.rounds, sinks, names, folder)
        finally:
            sinks.stop()
            names.stop()
    print("| | | deliveries/s | of Postfix's | of the living alone | CPU ms | Postfix's to it |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for (server, case), one in found.items():
        alone, first = found[server, CASES[0]], found["Postfix", case]
        rates = f"{one.rate:,.0f} | {one.rate / first.rate:.2f} | {one.rate / alone.rate:.0%}"
        print(f"| {case.title} | {server} | {rates} | {one.cpu_ms:.2f} | {first.cpu_ms / one.cpu_ms:.2f} |")


if __name__ == "__main__":
    main()

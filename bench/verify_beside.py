"""Judging and signing a message: Postier beside OpenDKIM and Rspamd, the CPU of each for a message.

    sudo .venv/bin/python bench/verify_beside.py [--messages 400] [--rounds 5]

The messages of verify.py: RSA-2048 and Ed25519, SPF with an include, DMARC. In every round all take the same
messages in turn; medians of the rounds. Postier does it in this process, by the calls that its sessions make;
OpenDKIM (DKIM alone, its keys from a file; it signs with one kind of key, RSA) is a milter, Rspamd (spf, dkim
and dmarc, or dkim_signing, nothing else) is asked by HTTP, and what they spend on their sockets and on taking
the message apart counts as theirs. Each must find what it should.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from peers.around import Names, Zone, stoppable
from peers.authenticators import OpenDkim, Rspamd
from peers.postfix import can_run
from verify import DOMAIN, HEADER, SIGNERS, ZONE, body_of, signed, verify

from postier.base.clock import SystemClock
from postier.dns.cache import CachingResolver
from postier.mailauth.dkim.keys import private_key_to_pem
from postier.mailauth.dkim.sign import Signer
from postier.testing.dns import ZoneResolver

PORT = 26_400
ADDRESS = "127.0.0.57"
SENDER = f"alice@{DOMAIN}"
WANTED = {"R_SPF_ALLOW", "R_DKIM_ALLOW", "DMARC_POLICY_ALLOW"}

Work = Callable[[], object]
Cpu = Callable[[], float]
Stopped = TypeVar("Stopped", Names, OpenDkim, Rspamd)


def opendkim_verifies(milter: OpenDkim, message: tuple[bytes, bytes]) -> None:
    added = " ".join(milter.fields(*message, SENDER))
    if added.count("dkim=pass") != len(SIGNERS):
        raise RuntimeError(f"OpenDKIM found {added}")


def rspamd_verifies(rspamd: Rspamd, message: bytes) -> None:
    symbols = rspamd.scanned(message, SENDER)["symbols"]
    if not symbols.keys() >= WANTED or len(symbols["R_DKIM_ALLOW"]["options"]) != len(SIGNERS):
        raise RuntimeError(f"Rspamd found {symbols}")


def opendkim_signs(milter: OpenDkim, message: tuple[bytes, bytes]) -> None:
    added = milter.fields(*message, SENDER)
    if not (len(added) == 1 and added[0].startswith("DKIM-Signature:")):
        raise RuntimeError(f"OpenDKIM added {added}")


def rspamd_signs(rspamd: Rspamd, message: bytes) -> None:
    found = rspamd.scanned(message, SENDER, user=SENDER)
    if len(found["symbols"].get("DKIM_SIGNED", {}).get("options", [])) != len(SIGNERS):
        raise RuntimeError(f"Rspamd answered {found}")


def key_file(folder: Path, signer: Signer) -> Path:
    """As each reads it: PEM, but Rspamd an Ed25519 key as base64 of its two halves."""
    file, key = folder / signer.selector, signer.private_key
    if isinstance(key, Ed25519PrivateKey):
        file.write_bytes(b64encode(key.private_bytes_raw() + key.public_key().public_bytes_raw()))
    else:
        file.write_bytes(private_key_to_pem(key))
    return file


def measured(cpu: Cpu, work: Work, messages: int) -> float:
    """CPU milliseconds a message."""
    before = cpu()
    for _ in range(messages):
        work()
    return 1e3 * (cpu() - before) / messages


def compare(title: str, rivals: dict[str, tuple[Cpu, Work]], messages: int, rounds: int) -> None:
    found: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(-1, rounds):  # the first one warms up
        for name, (cpu, work) in rivals.items():
            one = measured(cpu, work, messages if turn >= 0 else 20)
            if turn >= 0:
                found[name].append(one)
    ours, *_ = (statistics.median(some) for some in found.values())
    for name, some in found.items():
        middle = statistics.median(some)
        spread = f"{min(some):.2f} to {max(some):.2f}"
        print(f"| {title} | {name} | {middle:.2f} | {spread} | {middle / ours:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--messages", type=int, default=400, help="a round; a tenth of them where they are 1 MB"
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    stoppable()
    if not can_run("opendkim", "rspamd"):
        parser.error("needs root, and Debian's opendkim and rspamd")
    with tempfile.TemporaryDirectory(prefix="postier-bench-", dir="/var/tmp") as folder:
        run(Path(folder), options.messages, options.rounds)


def run(folder: Path, messages: int, rounds: int) -> None:
    texts = {name: [str(one[1]) for one in some if one[0] == "TXT"] for name, some in ZONE.items()}
    zone: Zone = {name: {"TXT": some} for name, some in texts.items()}
    zone[DOMAIN] |= {"MX": ["10 mx.a.example."]}
    records = {name: some[0] for name, some in texts.items() if "._domainkey." in name}
    keys = {signer.selector: key_file(folder, signer) for signer in SIGNERS}
    with ExitStack() as stack, asyncio.Runner() as runner:

        def started(server: Stopped) -> Stopped:
            stack.callback(server.stop)
            return server

        started(Names(folder, zone, ADDRESS))
        milter = started(OpenDkim(folder / "opendkim", DOMAIN, records=records))
        signing_milter = started(OpenDkim(folder / "opendkim-signs", DOMAIN, sign=keys["r"]))
        rspamd = started(Rspamd(folder / "rspamd", PORT, ADDRESS, DOMAIN))
        signing_rspamd = started(Rspamd(folder / "rspamd-signs", PORT + 1, ADDRESS, DOMAIN, sign=keys))
        time.sleep(2)  # what Rspamd's helper compiles is none of ours
        clock = SystemClock()
        resolver = CachingResolver(ZoneResolver(ZONE), clock)
        for title, size, share in (("verify 10 KB", 10_000, 1), ("verify 1 MB", 1_000_000, 10)):
            body = body_of(size)
            header = signed(body) + HEADER
            parts = header.removesuffix(b"\r\n"), body
            rivals: dict[str, tuple[Cpu, Work]] = {
                "Postier": (
                    time.process_time,
                    lambda h=header, b=body: runner.run(verify(h, b, resolver, clock)),
                ),
                "OpenDKIM": (milter.cpu, partial(opendkim_verifies, milter, parts)),
                "Rspamd": (rspamd.cpu, partial(rspamd_verifies, rspamd, header + body)),
            }
            compare(title, rivals, messages // share, rounds)
        body = body_of(10_000)
        parts = HEADER.removesuffix(b"\r\n"), body
        rivals = {
            "Postier": (time.process_time, partial(signed, body)),
            "OpenDKIM, RSA alone": (signing_milter.cpu, partial(opendkim_signs, signing_milter, parts)),
            "Rspamd": (signing_rspamd.cpu, partial(rspamd_signs, signing_rspamd, HEADER + body)),
        }
        compare("sign 10 KB", rivals, messages, rounds)


if __name__ == "__main__":
    main()

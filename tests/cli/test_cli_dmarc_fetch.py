"""`postier dmarc fetch`: reports from a mailbox elsewhere, over IMAP."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest

XML = (
    "Content-Type: text/xml\r\n\r\n<feedback><report_metadata><org_name>Org</org_name>"
    "<report_id>{}</report_id></report_metadata><policy_published><domain>orchard.test</domain>"
    "</policy_published></feedback>\r\n"
)


class Elsewhere(socketserver.ThreadingTCPServer):
    """An IMAP server with a folder of reports, for one login."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.mails = {
            1: XML.format(1).encode(),
            2: XML.format(2).encode(),
            7: b"Subject: hello\r\n\r\nhello\r\n",
        }
        self.seen = {2}
        self.refuse = ""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.say("* OK [CAPABILITY IMAP4rev1] ready")
        for raw in self.rfile:
            tag, _, line = raw.decode().strip().partition(" ")
            verb = line.upper().removeprefix("UID ").partition(" ")[0]
            assert isinstance(self.server, Elsewhere)
            if verb == self.server.refuse:
                self.say(f"{tag} NO not today\x1b[31m")
                continue
            getattr(self, f"do_{verb.lower()}")(self.server, line)
            self.say(f"{tag} OK done")
            if verb == "LOGOUT":
                return

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def do_capability(self, server: Elsewhere, line: str) -> None:
        self.say("* CAPABILITY IMAP4rev1")

    def do_login(self, server: Elsewhere, line: str) -> None:
        assert line == 'LOGIN reports "cli-password"'

    def do_select(self, server: Elsewhere, line: str) -> None:
        assert line == 'SELECT "DMARC \\\\ reports"'
        self.say("* 3 EXISTS")

    def do_search(self, server: Elsewhere, line: str) -> None:
        found = server.mails if line.endswith("ALL") else set(server.mails) - server.seen
        self.say("* SEARCH " + " ".join(map(str, sorted(found))))

    def do_fetch(self, server: Elsewhere, line: str) -> None:
        uid = int(re.findall(r"[0-9]+", line)[0])
        mail = server.mails[uid]
        if "BODY" in line:
            self.say(f"* 1 FETCH (UID {uid} BODY[]<0> {{{len(mail)}}}")
            self.wfile.write(mail + b")\r\n")
        else:
            self.say(f"* 1 FETCH (UID {uid} RFC822.SIZE {len(mail)})")

    def do_store(self, server: Elsewhere, line: str) -> None:
        assert line.endswith(r"+FLAGS.SILENT (\Seen)")
        server.seen |= set(map(int, line.split()[2].split(",")))

    def do_logout(self, server: Elsewhere, line: str) -> None:
        self.say("* BYE")


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def words(server: Elsewhere, *more: str) -> list[str]:
    where = ["dmarc", "fetch", "127.0.0.1", "--port", str(server.port), "--tls", "none", "--login", "reports"]
    return [*where, "--folder", "DMARC \\ reports", "--password-stdin", *more]


def test_what_was_not_read_is_fetched_and_marked(listed: Any, elsewhere: Elsewhere) -> None:
    found = listed(*words(elsewhere))
    assert (found["aggregate"], found["unreadable"]) == (1, 1)
    assert found["unreadable_files"][0]["file"] == "reports at 127.0.0.1, message 7"
    assert elsewhere.seen == {1, 2, 7}
    assert listed(*words(elsewhere))["aggregate"] == 0
    everything = listed(*words(elsewhere, "--all"))
    assert (everything["aggregate"], everything["known"]) == (1, 2)


@pytest.mark.parametrize("verb", ["LOGIN", "SELECT", "SEARCH", "FETCH"])
def test_what_the_other_server_refuses_is_told_in_a_line(fails: Any, elsewhere: Elsewhere, verb: str) -> None:
    elsewhere.refuse = verb
    said = fails(*words(elsewhere))
    assert said.startswith("127.0.0.1")
    assert "not today" in said
    assert "\x1b" not in said
    assert elsewhere.seen == {2}


def test_nobody_there(fails: Any, elsewhere: Elsewhere) -> None:
    elsewhere.server_close()
    port = elsewhere.port
    elsewhere.shutdown()
    assert "127.0.0.1" in fails(
        "dmarc", "fetch", "127.0.0.1", "--port", str(port), "--login", "x", "--password-stdin"
    )


def test_no_password_in_clear_text_over_the_network(misused: Any) -> None:
    said = misused("dmarc", "fetch", "imap.example", "--login", "x", "--tls", "none", "--password-stdin")
    assert said == "without TLS only from this very machine"

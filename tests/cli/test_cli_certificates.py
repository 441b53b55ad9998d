"""`postier tls list|import|drop`: the certificates that this server shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from postier.cli.main import cli
from postier.net.authority import KeyPair, make_ca
from postier.testing.certificates import CLIENT, make_certificate, new_key

CA = make_ca("Example Authority")
GOOD = make_certificate(CA, ["autoconfig.orchard.test", "*.imap.orchard.test"])


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def keep(pair: KeyPair, name: str = "c") -> tuple[str, str, str]:
        (tmp_path / f"{name}.pem").write_bytes(pair.certificate)
        (tmp_path / f"{name}.key").write_bytes(pair.key)
        return str(tmp_path / f"{name}.pem"), "--key", str(tmp_path / f"{name}.key")

    return keep


def test_a_new_server_shows_its_own_and_says_what_is_missing(listed: Any, postier: Any) -> None:
    postier("domain", "add", "harbor.test")
    (one,) = listed("tls", "list")
    assert one["name"] == "mail.orchard.test"
    assert one["origin"] == "settings"
    assert one["where"].endswith("tls/cert.pem")
    assert one["domains"] == ["mail.orchard.test", "orchard.test"]
    assert "mta-sts.harbor.test" in one["missing"]
    assert "mta-sts.orchard.test" not in one["missing"]
    assert one["fault"] == ""
    assert one["state"] == "good"
    printed = postier("tls", "list").stdout
    assert "mail.orchard.test" in printed
    assert "no certificate is for: autoconfig.harbor.test" in printed


def test_a_certificate_is_imported_listed_replaced_and_dropped(
    postier: Any, listed: Any, fails: Any, write: Any
) -> None:
    done = listed("tls", "import", *write(GOOD), "--name", "a.imap.orchard.test")
    assert done["names"] == ["autoconfig.orchard.test", "*.imap.orchard.test"]
    assert done["replaced"] is False
    first, second = listed("tls", "list")
    assert "autoconfig.orchard.test" not in first["missing"]
    assert second["origin"] == "import"
    assert second["issuer"] == "Example Authority"
    assert second["domains"] == ["orchard.test"]
    assert second["until"] == done["until"]
    again = make_certificate(CA, ["autoconfig.orchard.test"])
    assert listed("tls", "import", *write(again))["replaced"] is True
    assert listed("tls", "list")[1]["names"] == ["autoconfig.orchard.test"]
    assert "keys.certificate" in {entry["kind"] for entry in listed("audit")}
    assert listed("tls", "drop", "AutoConfig.orchard.test") == {"dropped": "autoconfig.orchard.test"}
    assert fails("tls", "drop", "autoconfig.orchard.test").startswith("no certificate autoconfig")
    assert len(listed("tls", "list")) == 1


def test_a_key_may_stand_in_the_same_file(listed: Any, tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_bytes(GOOD.key + GOOD.certificate + CA.certificate)
    assert listed("tls", "import", str(tmp_path / "both.pem"))["name"] == "autoconfig.orchard.test"


def refused(**options: Any) -> KeyPair:
    return make_certificate(CA, options.pop("names", ["mail.orchard.test"]), **options)


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (refused(days=(-9, -1)), "it has expired"),
        (refused(days=(1, 9)), "it is not valid yet"),
        (refused(key=new_key("1024")), "its RSA key has 1024 bits: too weak, 2048 are the least"),
        (refused(usage=CLIENT), "it is not for servers (extended key usage)"),
        (refused(names=["far.test"]), "it is for far.test, and for no name of this server"),
        (refused(names=[]), "it is for no name at all, and for no name of this server"),
        (KeyPair(GOOD.certificate, CA.key), "the key is not the certificate's (key values mismatch)"),
        (KeyPair(b"", GOOD.key), "the chain holds no PEM (no start line)"),
        (KeyPair(GOOD.certificate, b"junk"), "the key holds no PEM (no start line)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_in_one_line(fails: Any, listed: Any, write: Any, pair: KeyPair, why: str) -> None:
    file, _, key = paths = write(pair)
    assert fails("tls", "import", *paths) == f"cannot use certificate {file} with key {key}: {why}"
    assert len(listed("tls", "list")) == 1


def test_a_name_that_it_must_be_for(fails: Any, write: Any) -> None:
    said = fails("tls", "import", *write(GOOD), "--name", "smtp.orchard.test")
    assert said.endswith("not for smtp.orchard.test, but for autoconfig.orchard.test, *.imap.orchard.test")


def test_a_file_that_is_not_there(fails: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere.pem")
    assert (
        fails("tls", "import", path)
        == f"cannot use certificate {path}: nowhere.pem: no such file or directory"
    )


def test_doctor_says_what_expires_and_what_is_missing(postier: Any, write: Any, data: Path) -> None:
    postier("domain", "add", "harbor.test")
    postier("tls", "import", *write(make_certificate(CA, ["autoconfig.orchard.test"], days=(-80, 10))))
    said = postier("tls", "import", *write(make_certificate(CA, ["mail.orchard.test", "*.orchard.test"])))
    assert said.stderr.startswith("Note: its key is a new one.")
    result = CliRunner().invoke(cli, ["doctor", "--no-dns", "--json", "--data", str(data)])
    found = {one["subject"]: (one["state"], one["detail"]) for one in json.loads(result.stdout)}
    state, detail = found["certificate autoconfig.orchard.test"]
    assert state == "warning"
    assert "get a new one, and postier tls import it" in detail
    assert found["certificate mail.orchard.test"][0] == "ok"
    assert found["certificates"][0] == "warning"
    assert "certificate cert.pem" not in found  # nobody is shown it
    listed = CliRunner().invoke(cli, ["tls", "list", "--data", str(data)])
    assert "expires soon" in listed.stdout

"""What a worker shows, kept up with files and store: a bad certificate never takes a good one's place."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization

from postier import certificates
from postier.admin.certificates import to_store
from postier.backend import Backend, open_backend
from postier.base import log
from postier.certificates import CertificateKeeper
from postier.cli.main import cli
from postier.config.change import change_settings
from postier.config.settings import load_settings
from postier.net.authority import KeyPair, make_ca, write_key_pair
from postier.net.certificates import CertificateError, read_certificate
from postier.net.client_hello import ClientHello
from postier.net.tls import ServerContext
from postier.store.api import StoredCertificate
from postier.testing.certificates import make_certificate, new_key

CA = make_ca("test authority")
HOST, NAME = "mail.orchard.test", "imap.orchard.test"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "data"
    words = ["init", "--data", str(folder), "--domain", "orchard.test", "--bind", "127.0.0.1", "--yes"]
    assert CliRunner().invoke(cli, words).exit_code == 0
    return folder


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "data"))


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    log.set_stream(stream)
    yield stream
    log.set_stream(None)


def stored(pair: KeyPair) -> StoredCertificate:
    return to_store(read_certificate(pair.certificate, pair.key, "x"), "import", 0)


def digest(pair: KeyPair) -> bytes:
    return read_certificate(pair.certificate, pair.key, "x").end_point


class Worker:
    """A keeper beside an open store. `shown`: what a client gets, by the hash of its certificate."""

    def __init__(self, keeper: CertificateKeeper, backend: Backend) -> None:
        self.keeper = keeper
        self.backend = backend
        self.looks = 0

    def shown(self, name: str) -> bytes:
        context = self.keeper.chooser.choose("imaps", ClientHello(name))
        assert isinstance(context, ServerContext)
        return context.end_point

    async def keep(self, one: StoredCertificate) -> None:
        await self.backend.store.transact(lambda tx: tx.set_certificate(one))

    async def look(self, *, files: bool = False) -> None:
        if files:
            self.keeper.reload()
        await self.keeper._look(self.backend.store.reader, self.backend.clock)


def play(data: Path, story: Callable[[Worker], Awaitable[None]], *first: StoredCertificate) -> None:
    settings = load_settings(data)

    async def whole() -> None:
        keeper = CertificateKeeper(settings)
        async with open_backend(settings, "test") as backend:
            worker = Worker(keeper, backend)
            for one in first:
                await worker.keep(one)
            await keeper.start(backend.store.reader, backend.clock)
            await story(worker)

    asyncio.run(whole())


def test_what_is_stored_is_shown_from_the_first_connection_on(data: Path) -> None:
    pair = make_certificate(CA, [NAME])

    async def story(worker: Worker) -> None:
        assert worker.shown(NAME) == digest(pair)
        assert worker.shown(HOST) != digest(pair)
        await worker.backend.store.transact(lambda tx: tx.remove_certificate(NAME))
        await worker.look()
        assert worker.shown(NAME) == worker.shown(HOST)

    play(data, story, stored(pair))


def test_a_change_is_noticed_by_itself(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "LOOK_SECONDS", 0.01)
    pair = make_certificate(CA, [NAME])

    async def story(worker: Worker) -> None:
        following = asyncio.create_task(worker.keeper.follow(worker.backend))
        await worker.keep(stored(pair))
        async with asyncio.timeout(10):
            while worker.shown(NAME) != digest(pair):
                await asyncio.sleep(0.005)
        following.cancel()

    play(data, story)


def locked(pair: KeyPair) -> KeyPair:
    key = serialization.load_pem_private_key(pair.key, None)
    return KeyPair(
        pair.certificate,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        ),
    )


def bad(**options: Any) -> KeyPair:
    return make_certificate(CA, options.pop("names", [HOST]), **options)


BROKEN = (
    (KeyPair(b"broken", bad().key), "the chain holds no PEM"),
    (KeyPair(b"", bad().key), "the chain holds no PEM"),
    (KeyPair(bad().certificate, CA.key), "key values mismatch"),
    (locked(bad()), "locked with a passphrase"),
)
DOUBTFUL = (
    (bad(days=(-9, -1)), "it has expired"),
    (bad(days=(1, 9)), "it is not valid yet"),
    (bad(key=new_key("1024")), "1024 bits: too weak"),
    (bad(names=["far.test"]), "it is for far.test, and for no name of this server"),
)
IDS = ["broken", "empty", "mismatched", "locked", "expired", "early", "weak", "wrong name"]


@pytest.mark.parametrize(("pair", "why"), BROKEN + DOUBTFUL, ids=IDS)
def test_bad_files_are_refused_and_the_old_stay(
    data: Path, logged: io.StringIO, pair: KeyPair, why: str
) -> None:
    good = make_certificate(CA, [HOST])

    async def story(worker: Worker) -> None:
        install(data, good)
        await worker.look(files=True)
        assert worker.shown(HOST) == digest(good)
        logged.truncate(0)
        install(data, pair)
        await worker.look(files=True)
        lines = [line for line in logged.getvalue().splitlines() if line.strip("\0")]
        assert len(lines) == 1
        assert "certificate not reloaded" in lines[0]
        assert why in lines[0]
        assert worker.shown(HOST) == digest(good)
        install(data, make_certificate(CA, [HOST]))
        await worker.look(files=True)
        assert worker.shown(HOST) != digest(good)

    play(data, story)


def install(data: Path, pair: KeyPair) -> None:
    write_key_pair(pair, data / "tls" / "cert.pem", data / "tls" / "key.pem")


@pytest.mark.parametrize(("pair", "why"), DOUBTFUL, ids=IDS[4:])
def test_a_bad_certificate_from_the_store_is_refused_and_the_old_one_stays(
    data: Path, logged: io.StringIO, pair: KeyPair, why: str
) -> None:
    good = make_certificate(CA, [HOST])

    async def story(worker: Worker) -> None:
        assert worker.shown(HOST) == digest(good)
        await worker.keep(stored(pair)._replace(name=HOST))
        await worker.look()
        assert worker.shown(HOST) == digest(good)
        assert logged.getvalue().count("certificate not reloaded") == 1
        assert why in logged.getvalue()

    play(data, story, stored(good))


def test_a_damaged_row_of_the_store_costs_the_others_nothing(data: Path, logged: io.StringIO) -> None:
    good = make_certificate(CA, [NAME])
    row = stored(good)._replace(name="a.orchard.test", names=("a.orchard.test",), chain="damaged")

    async def story(worker: Worker) -> None:
        assert worker.shown(NAME) == digest(good)
        assert "cannot use certificate a.orchard.test" in logged.getvalue()

    play(data, story, stored(good), row)


def test_a_new_one_that_is_no_worse_is_taken(data: Path) -> None:
    """A server whose certificate was for none of its names all along can renew it all the same."""
    install(data, make_certificate(CA, ["far.test"]))
    renewed = make_certificate(CA, ["far.test"])

    async def story(worker: Worker) -> None:
        install(data, renewed)
        await worker.look(files=True)
        assert worker.shown(HOST) == digest(renewed)

    play(data, story)


def test_an_expired_certificate_is_better_than_none_at_the_start(data: Path, logged: io.StringIO) -> None:
    install(data, bad(days=(-9, -1)))

    async def story(worker: Worker) -> None:
        assert worker.shown(HOST)
        assert "it has expired; it is shown, for want of a better one" in logged.getvalue()

    play(data, story)


def test_one_process_of_all_tells(data: Path, logged: io.StringIO) -> None:
    async def story(worker: Worker) -> None:
        worker.keeper.tells = False
        install(data, bad(days=(-9, -1)))
        await worker.look(files=True)
        assert logged.getvalue() == ""

    play(data, story)


def test_client_certificates_need_an_authority(data: Path) -> None:
    for file, why in (
        ("", r"tls\.client_ca names no file"),
        ("tls/nowhere.pem", "no such file"),
        ("tls/key.pem", "cannot use authorities"),
        (".", "cannot use authorities"),
    ):
        change_settings(data, {"tls.client_login": True, "tls.client_ca": file})
        with pytest.raises(CertificateError, match=why) as caught:
            CertificateKeeper(load_settings(data))
        assert "\n" not in str(caught.value)
    change_settings(data, {"tls.client_ca": "tls/people.pem"})
    ca = (data / "tls/ca.pem").read_text()
    (data / "tls/people.pem").write_text(ca + "-----BEGIN X509 CRL-----\nbroken\n")
    with pytest.raises(CertificateError, match="cannot use authorities"):
        CertificateKeeper(load_settings(data))
    change_settings(data, {"tls.client_ca": "tls/ca.pem"})
    chooser = CertificateKeeper(load_settings(data)).chooser
    for service, asks in (("smtp", 0), ("https", 0), ("imaps", 1), ("imap", 1), ("submission", 1)):
        assert chooser.choose(service, ClientHello()).verify_mode == asks

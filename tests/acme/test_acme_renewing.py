"""The role that looks after certificates, against an authority in this process."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import socket
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from postier.acme.keys import key_digest, key_type, make_key, read_issued
from postier.acme.names import Wanted
from postier.acme.ordering import ROLE
from postier.acme.plan import ExternalAccount
from postier.acme.problems import AcmeProblem
from postier.acme.renewing import Renewer, announce_key
from postier.acme.schedule import MAX_TRIES
from postier.certifying import _is_dead
from postier.dns.edit import UpdateError
from postier.store.api import StoredCertificate
from postier.store.lease import take_lease
from postier.testing.acme_scene import DAY, HOST, Scene
from postier.testing.acme_server import FakeAuthority, problem

OnScene = Callable[[Callable[[Scene], Awaitable[None]]], None]
UNAUTHORIZED = {"type": "urn:ietf:params:acme:error:unauthorized", "detail": "it says something else"}


def test_a_first_certificate_is_got_and_then_left_alone(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        outcome = await scene.one()
        assert (outcome.state, outcome.names) == ("renewed", (HOST,))
        certificate = await scene.certificate()
        assert certificate is not None
        assert certificate.origin == "acme"
        assert read_issued(certificate.chain).digest == key_digest(certificate.key)
        assert (await scene.one()).state == "good"
        assert scene.authority.issued == 1
        assert await scene.store.reader.acme_challenges("http-01") == []

    on_scene(test)


@pytest.mark.parametrize(("days", "good", "due"), [(90, 59, 61), (47, 31, 32), (6, 3.9, 4.1)])
def test_it_is_renewed_at_two_thirds_of_its_life_with_the_same_key(
    on_scene: OnScene, days: int, good: float, due: float
) -> None:
    async def test(scene: Scene) -> None:
        scene.authority.life = dt.timedelta(days=days)
        start = scene.clock.seconds
        await scene.one()
        first = await scene.certificate()
        scene.clock.seconds = start + good * DAY
        assert (await scene.one()).state == "good"
        scene.clock.seconds = scene.authority.now = start + due * DAY
        assert (await scene.one()).state == "renewed"
        second = await scene.certificate()
        assert first is not None
        assert second is not None
        assert second.key == first.key
        assert second.chain != first.chain
        assert scene.authority.issued == 2

    on_scene(test)


def test_the_terms_the_contact_and_an_external_account_are_told(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        scene.authority.meta["externalAccountRequired"] = True
        assert "acme.eab_kid" in (await scene.one()).text
        assert scene.authority.accounts == {}
        scene.plan = replace(scene.plan, external=ExternalAccount("kid-9", "c2VjcmV0LXNlY3JldC1zZWNyZXQ"))
        assert (await scene.one(now=True)).state == "renewed"
        told = scene.authority.payloads["account"]
        assert told["termsOfServiceAgreed"] is True
        assert told["contact"] == ["mailto:a@orchard.test"]
        assert "signature" in told["externalAccountBinding"]
        scene.plan = replace(scene.plan, contact=("mailto:b@orchard.test",))
        await scene.one(now=True)
        assert scene.authority.payloads["account"] == {"contact": ["mailto:b@orchard.test"]}

    on_scene(test)


def test_a_refused_proof_is_told_with_what_to_do(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        scene.authority.refuses[HOST] = UNAUTHORIZED
        outcome = await scene.one()
        assert outcome.state == "failed"
        assert outcome.text.startswith(f"the authority says: {HOST}: it says something else; another server")
        renewal = await scene.renewal()
        assert renewal.problem == outcome.text
        assert (renewal.order, renewal.key) == ("", "")
        assert await scene.store.reader.acme_challenges("http-01") == []

    on_scene(test)


def test_tries_grow_apart_and_a_restart_does_not_begin_anew(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        scene.authority.refuses[HOST] = UNAUTHORIZED
        start, moments = scene.clock.seconds, []
        while scene.clock.seconds < start + 3 * DAY:
            before = len(scene.authority.orders)
            await scene.turn(owner=f"process {scene.clock.seconds}")  # each time another one
            if len(scene.authority.orders) > before:
                moments.append(scene.clock.seconds - start)
            scene.clock.seconds += 300
        pauses = [after - before for before, after in itertools.pairwise(moments)]
        assert pauses == sorted(pauses)
        assert sum(1 for moment in moments if moment < DAY) <= MAX_TRIES
        assert len(moments) <= MAX_TRIES + 2

    on_scene(test)


def test_a_person_may_try_more_often_but_not_without_end(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        scene.authority.refuses[HOST] = UNAUTHORIZED
        states = [(await scene.one(now=True)).state for _ in range(3 * MAX_TRIES)]
        assert states == ["failed"] * 2 * MAX_TRIES + ["waiting"] * MAX_TRIES

    on_scene(test)


def test_an_authority_that_wants_to_be_left_alone_is_also_by_persons(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        limited = problem("rateLimited", "too many", 429, Retry_After="7200")
        scene.authority.spoil["new-order"] = lambda _: limited
        scene.wanted.append(Wanted("x.test", ("x.test",)))
        scene.zone["x.test"] = [("A", "127.0.0.1")]
        outcomes = await scene.turn()
        assert [outcome.state for outcome in outcomes] == ["failed", "failed"]
        assert scene.authority.asked.count("new-order") == 1  # it is the account that is limited
        del scene.authority.spoil["new-order"]
        scene.clock.seconds += 7199
        assert {outcome.state for outcome in await scene.turn(now=True)} == {"waiting"}
        scene.clock.seconds += 1
        assert {outcome.state for outcome in await scene.turn(now=True)} == {"renewed"}

    on_scene(test)


def test_names_that_lead_elsewhere_are_left_out_and_added_when_they_come(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        names = ("autoconfig.orchard.test", "mta-sts.orchard.test")
        scene.wanted[:] = [Wanted("orchard.test", names)]
        scene.zone["mta-sts.orchard.test"] = [("CNAME", HOST)]
        outcome = await scene.one()
        assert outcome.names == names[1:]
        assert outcome.left_out == ("autoconfig.orchard.test: it is not in the DNS",)
        scene.zone["autoconfig.orchard.test"] = [("CNAME", HOST)]
        scene.clock.seconds += DAY
        assert (await scene.one()).names == names
        assert await scene.certificate("mta-sts.orchard.test") is None  # the new one has its place
        assert await scene.certificate("autoconfig.orchard.test") is not None

    on_scene(test)


def test_a_name_that_is_refused_does_not_keep_the_others_from_theirs(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        scene.wanted[:] = [Wanted(HOST, (HOST, "bad.orchard.test"))]
        scene.zone["bad.orchard.test"] = [("A", "127.0.0.1")]
        scene.authority.refuses["bad.orchard.test"] = UNAUTHORIZED
        assert (await scene.one()).state == "failed"
        scene.clock.seconds += 3600
        outcome = await scene.one()
        assert (outcome.state, outcome.names) == ("renewed", (HOST,))
        assert outcome.left_out == (
            "bad.orchard.test: the authority refused it the last time; it is tried at the next renewal",
        )
        for _ in range(50):  # and it is not asked for again and again
            scene.clock.seconds += DAY
            await scene.one()
        assert len(scene.authority.orders) == 2
        scene.authority.refuses.clear()
        scene.clock.seconds += 30 * DAY
        scene.authority.now = scene.clock.seconds
        assert (await scene.one()).names == (HOST, "bad.orchard.test")

    on_scene(test)


def test_another_process_is_not_disturbed(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        assert await take_lease(scene.store, scene.clock, ROLE, "somebody else", 60)
        assert await Renewer(scene.services(), scene.plan).turn() is None
        assert scene.authority.asked == []

    on_scene(test)


def test_what_was_imported_is_not_asked_for(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        now = int(scene.clock.now())
        imported = StoredCertificate(HOST, (HOST,), "chain", "key", "import", now + 90 * DAY, now)
        await scene.store.transact(lambda tx: tx.set_certificate(imported))
        assert (await scene.one(now=True)).state == "good"
        assert scene.authority.asked == []
        assert await scene.certificate() == imported

    on_scene(test)


def test_another_authority_in_the_settings_means_another_certificate(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        await scene.one()
        with FakeAuthority(now=scene.clock.seconds) as other:
            scene.plan = replace(scene.plan, directory=other.directory)
            assert (await scene.one()).state == "renewed"
            assert other.issued == 1

    on_scene(test)


def test_a_domain_that_is_gone_takes_its_certificate_with_it(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        scene.wanted.append(Wanted("x.test", ("x.test",)))
        scene.zone["x.test"] = [("A", "127.0.0.1")]
        await scene.turn()
        assert await scene.certificate("x.test") is not None
        del scene.wanted[1]
        await scene.turn()
        assert await scene.certificate("x.test") is None
        assert await scene.store.reader.renewal("x.test") is None
        assert await scene.certificate() is not None

    on_scene(test)


def test_a_suggested_time_is_obeyed(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        start = dt.datetime.fromtimestamp(scene.clock.seconds, dt.UTC)
        scene.authority.window = (
            (start + dt.timedelta(days=10)).isoformat().replace("+00:00", "Z"),
            (start + dt.timedelta(days=11)).isoformat().replace("+00:00", "Z"),
        )
        await scene.one()
        await scene.one()
        assert (await scene.renewal()).renew_at == int(scene.clock.seconds) + 10 * DAY
        scene.clock.seconds += 10 * DAY + 1
        assert (await scene.one()).state == "renewed"
        assert "replaces" in scene.authority.payloads["new-order"]

    on_scene(test)


@pytest.mark.parametrize("answer", [b"[]", b'{"suggestedWindow": {}}', b'{"suggestedWindow": 5}', b"\xff"])
def test_a_suggestion_that_makes_no_sense_changes_nothing(on_scene: OnScene, answer: bytes) -> None:
    async def test(scene: Scene) -> None:
        scene.authority.window = ("x", "y")
        scene.authority.spoil["renewal-info"] = lambda made: replace(made, body=answer)
        await scene.one()
        before = (await scene.renewal()).renew_at
        assert (await scene.one()).state == "good"
        assert (await scene.renewal()).renew_at == before

    on_scene(test)


def test_the_first_certificate_keeps_the_key_that_is_published(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        key = make_key("ecdsa-p256")
        scene.changes["first_key"] = lambda: key
        await scene.one()
        certificate = await scene.certificate()
        assert certificate is not None
        assert certificate.key == key

    on_scene(test)


def test_a_new_key_is_used_once_the_dns_shows_it_and_a_day_has_passed(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        def publish(*keys: str) -> None:
            records = [("TLSA", (3, 1, 1, bytes.fromhex(key_digest(key)))) for key in keys]
            scene.zone[f"_25._tcp.{HOST}"] = list(records)

        scene.plan = replace(scene.plan, reuse_key=False)
        await scene.one()
        first, renewal = await scene.certificate(), await scene.renewal()
        assert first is not None
        assert renewal.next_key
        publish(first.key)
        await scene.one(now=True)  # not announced, and not old enough
        scene.clock.seconds += 2 * DAY
        await scene.one(now=True)  # old enough, and not announced
        kept = await scene.certificate()
        assert kept is not None
        assert kept.key == first.key
        publish(first.key, renewal.next_key)
        await scene.one(now=True)
        used, after = await scene.certificate(), await scene.renewal()
        assert used is not None
        assert used.key == renewal.next_key
        assert after.next_key not in ("", used.key)  # the one for the time after

    on_scene(test)


def test_another_kind_of_key_is_announced_and_then_used(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        await scene.one()
        first = await scene.certificate()
        assert first is not None
        scene.zone[f"_25._tcp.{HOST}"] = [("TLSA", (3, 1, 1, bytes.fromhex(key_digest(first.key))))]
        scene.plan = replace(scene.plan, key_type="rsa-2048")
        await scene.one(now=True)
        announced = (await scene.renewal()).next_key
        assert announced
        scene.clock.seconds += 2 * DAY
        scene.zone[f"_25._tcp.{HOST}"] += [("TLSA", (3, 1, 1, bytes.fromhex(key_digest(announced))))]
        await scene.one(now=True)
        certificate = await scene.certificate()
        assert certificate is not None
        assert certificate.key == announced
        assert (await scene.renewal()).next_key == ""


def test_another_kind_of_key_is_used_at_once_where_nothing_is_published(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        await scene.one()
        scene.plan = replace(scene.plan, key_type="rsa-2048")
        await scene.one(now=True)
        certificate = await scene.certificate()
        assert certificate is not None
        assert key_type(certificate.key) == "rsa-2048"

    on_scene(test)


def test_the_new_key_of_a_host_whose_tlsa_nobody_can_read_waits(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        await scene.one()
        first = await scene.certificate()
        scene.plan = replace(scene.plan, key_type="rsa-2048")
        scene.zone[f"_25._tcp.{HOST}"] = ["TIMEOUT"]
        await scene.one(now=True)
        second = await scene.certificate()
        assert first is not None
        assert second is not None
        assert second.key == first.key

    on_scene(test)


def test_an_account_that_the_authority_forgot_is_made_anew(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        await scene.one()
        scene.authority.spoil["new-order"] = lambda _: problem("accountDoesNotExist")
        assert (await scene.one(now=True)).state == "failed"
        del scene.authority.spoil["new-order"]
        registered = scene.authority.asked.count("account")
        assert (await scene.one(now=True)).state == "renewed"
        assert scene.authority.asked.count("account") == registered + 1
        assert len(scene.authority.accounts) == 1  # with the key that it had

    on_scene(test)


def test_a_wildcard_is_for_the_dns_alone(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        scene.wanted[:] = [Wanted("orchard.test", ("*.orchard.test",))]
        assert "dns-01 alone" in (await scene.one()).text
        assert scene.authority.orders == {}

    on_scene(test)


def test_an_authority_without_our_challenge_is_told(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        scene.authority.offers = ("dns-01",)
        assert (await scene.one()).text == (
            f"the authority does not offer http-01 for {HOST}, only dns-01: see acme.challenge"
        )

    on_scene(test)


def test_tlsa_that_could_not_be_published_is_published_later(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        tries = 0

        async def publish() -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise UpdateError("the name server is away")

        scene.changes["publish"] = publish
        assert (await scene.one()).state == "renewed"
        assert tries == 1
        assert (await scene.one()).state == "good"
        assert tries == 2
        await scene.one()
        assert tries == 2  # not at every look
        scene.clock.seconds += DAY
        await scene.one()
        assert tries == 3

    on_scene(test)


def test_a_key_is_announced_by_a_person(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        key = make_key("ecdsa-p384")
        with pytest.raises(AcmeProblem, match="no certificate"):
            await announce_key(scene.services(), HOST, key)
        await scene.one()
        assert await take_lease(scene.store, scene.clock, ROLE, "somebody else", 60)
        assert await announce_key(scene.services(), HOST, key) is None
        scene.clock.seconds += 60
        assert await announce_key(scene.services(), HOST, key)
        assert (await scene.renewal()).next_key == key
        scene.clock.seconds += 2 * DAY
        await scene.one(now=True)
        certificate = await scene.certificate()
        assert certificate is not None
        assert certificate.key == key

    on_scene(test)


def test_what_a_killed_process_held_is_free_at_once(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        assert await take_lease(scene.store, scene.clock, ROLE, "killed", 300)
        scene.changes["is_dead"] = lambda owner: owner == "killed"
        assert (await scene.one()).state == "renewed"

    on_scene(test)


def test_a_process_of_this_machine_that_ended_is_known() -> None:
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    here = socket.gethostname()
    assert _is_dead(f"{here}/cli/{ended.pid}")
    assert not _is_dead(f"{here}/cli/{os.getpid()}")
    assert not _is_dead(f"{here}/cli/1")
    assert not _is_dead(f"elsewhere/cli/{ended.pid}")
    assert not _is_dead(f"{here}/cli")
    assert not _is_dead(f"{here}/cli/{'9' * 30}")

"""`postier device`: which devices use an account, what they move, how far they have come."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import click

from postier.accounts.app_passwords import revoke_app_password
from postier.accounts.device_view import (
    DeviceView,
    Standing,
    device_views,
    find_message,
    why_not_shown,
)
from postier.accounts.devices import KEPT_DAYS, forget_device, harmless
from postier.accounts.mailboxes import INBOX
from postier.accounts.people import find_person
from postier.admin.device_json import device_facts
from postier.admin.device_words import LANGUAGES, mailbox_synced, moment, named, readable, synced, words
from postier.backend import Backend
from postier.base.address import Address
from postier.cli.common import (
    ADDRESS,
    Failure,
    data_option,
    json_option,
    language_option,
    operator,
    print_json,
    print_table,
    tell,
    with_backend,
)
from postier.store.api import Account, NoSuchMailbox

_NUMBER = click.IntRange(1, 2**31)


@click.group("device")
def command() -> None:
    """Look at the devices of a person: what they move, how far they have come; forget and lock them out."""


@command.command("list")
@click.argument("address", type=ADDRESS)
@language_option(LANGUAGES)
@json_option
@data_option
def list_(address: Address, lang: str, json_: bool, data: Path) -> None:
    """List the devices of ADDRESS, the one seen last first; octets are those of the last 30 days."""

    async def work(backend: Backend) -> list[DeviceView]:
        return (await _views(backend, address))[1]

    views = with_backend(data, work)
    if json_:
        print_json([device_facts(view) for view in views])
        return
    print_table(
        words(lang, "columns").split(","),
        [_row(view, lang) for view in views],
        empty=words(lang, "none", address=address),
    )


def _row(view: DeviceView, lang: str) -> list[object]:
    device, counts = view.device, view.recent
    return [
        device.device_id,
        named(lang, view),
        " ".join(view.protocols),
        device.tls or words(lang, "clear"),
        moment(device.last_seen),
        synced(lang, view),
        *(
            readable(lang, octets)
            for octets in (
                counts.content_in,
                counts.listing,
                counts.bodies,
                counts.attachments,
                counts.wire_in + counts.wire_out,
            )
        ),
    ]


@command.command("show")
@click.argument("address", type=ADDRESS)
@click.argument("device", type=_NUMBER)
@click.option("--message", default="", help="Why this one is not shown there: its UID, or its Message-ID.")
@click.option("--mailbox", default=INBOX, show_default=True, help="Where a UID counts.")
@language_option(LANGUAGES)
@json_option
@data_option
def show(
    address: Address, device: int, message: str, mailbox: str, lang: str, json_: bool, data: Path
) -> None:
    """Tell of one device, as numbered by the list: mailboxes, days, or why it does not show a message."""

    async def work(backend: Backend) -> tuple[DeviceView, list[Standing], Mapping[int, str]]:
        account, views = await _views(backend, address)
        view = _one(views, address, device, lang)
        reader = backend.store.reader
        names = {one.app_password_id: one.name for one in await reader.app_passwords(account.account_id)}
        if not message:
            return view, [], names
        try:
            found = await find_message(reader, account.account_id, message, mailbox)
        except NoSuchMailbox:
            raise Failure(f"{address} has no mailbox {mailbox!r}") from None
        return view, [Standing(why_not_shown(view, wanted), wanted) for wanted in found], names

    view, standings, names = with_backend(data, work)
    if message and not standings:
        raise Failure(words(lang, "no message", address=address))
    if json_ and message:
        print_json([_standing_facts(view, one, lang) for one in standings])
    elif json_:
        print_json(device_facts(view))
    elif message:
        for one in standings:
            click.echo(_where(one, lang))
            click.echo(_why(view, one, lang))
    else:
        _tell(view, names, lang)


@command.command("forget")
@click.argument("address", type=ADDRESS)
@click.argument("device", type=_NUMBER)
@language_option(LANGUAGES)
@json_option
@data_option
def forget(address: Address, device: int, lang: str, json_: bool, data: Path) -> None:
    """Forget what is known of a device. If it comes again, it is new."""

    async def work(backend: Backend) -> DeviceView:
        account, views = await _views(backend, address)
        view = _one(views, address, device, lang)
        await forget_device(backend.store, account.account_id, device)
        return view

    view = with_backend(data, work)
    tell(json_, {"forgotten": device, "name": view.label}, words(lang, "forgotten", label=view.label))


@command.command("revoke")
@click.argument("address", type=ADDRESS)
@click.argument("device", type=_NUMBER)
@language_option(LANGUAGES)
@json_option
@data_option
def revoke(address: Address, device: int, lang: str, json_: bool, data: Path) -> None:
    """Revoke the app password of a device: it cannot log in any more, and the others can."""

    async def work(backend: Backend) -> DeviceView:
        view = _one((await _views(backend, address))[1], address, device, lang)
        if not view.device.app_password:
            raise Failure(words(lang, "no app password", label=view.label))
        if view.revoked:
            raise Failure(words(lang, "was revoked", label=view.label))
        await revoke_app_password(backend.store, address, str(view.device.app_password), by=operator())
        return view

    view = with_backend(data, work)
    facts = {"device": device, "name": view.label, "app_password": view.device.app_password}
    tell(json_, facts, words(lang, "revoked", label=view.label))


async def _views(backend: Backend, address: Address) -> tuple[Account, list[DeviceView]]:
    account = await find_person(backend.store.reader, address)
    return account, await device_views(backend.store.reader, account.account_id)


def _one(views: list[DeviceView], address: Address, number: int, lang: str) -> DeviceView:
    for view in views:
        if view.device.device_id == number:
            return view
    raise Failure(words(lang, "no device", address=address, device=number))


# ---------------------------------------------------------------------- one device


def _tell(view: DeviceView, names: Mapping[int, str], lang: str) -> None:
    device, counts = view.device, view.recent
    lines = [words(lang, "head", device=device.device_id, label=named(lang, view))]
    said = " ".join(text for text in (device.name, device.version, device.vendor, device.os) if text)
    if said:
        lines.append(words(lang, "said", said=said))
    number = device.app_password
    if number in names:
        lines.append(words(lang, "app password", name=names[number], number=number))
    elif number:
        lines.append(words(lang, "app password gone", number=number))
    first, last = moment(device.first_seen), moment(device.last_seen)
    lines.append(words(lang, "seen", first=first, last=last, peer=device.peer or "-"))
    if device.last_sent:
        lines.append(words(lang, "sent", when=moment(device.last_sent), trace=device.last_trace))
    saved = counts.content_in + counts.content_out - counts.wire_in - counts.wire_out
    moved = {"out": counts.wire_out, "in_": counts.wire_in, "saved": max(saved, 0)}
    sizes = {name: readable(lang, octets) for name, octets in moved.items()}
    lines.append(words(lang, "wire", days=KEPT_DAYS, **sizes))
    if counts.deleted:
        octets = readable(lang, counts.deleted_octets)
        lines.append(words(lang, "deleted", days=KEPT_DAYS, deleted=counts.deleted, octets=octets))
    click.echo("\n".join(lines))
    if view.mailboxes:
        click.echo()
        print_table(words(lang, "mailboxes").split(","), _mailbox_rows(view, lang), empty="")
    if view.days:
        click.echo()
        print_table(words(lang, "days").split(","), _day_rows(view, lang), empty="")


def _mailbox_rows(view: DeviceView, lang: str) -> list[list[object]]:
    return [
        [
            one.name,
            mailbox_synced(lang, one),
            words(lang, "uids", low=one.point.listed_low, high=one.point.listed_high)
            if one.point.listed_high
            else "-",
            one.point.fetched_high or "-",
            moment(one.point.at),
        ]
        for one in view.mailboxes
    ]


def _day_rows(view: DeviceView, lang: str) -> list[list[object]]:
    epoch = datetime.date(1970, 1, 1)
    return [
        [
            epoch + datetime.timedelta(days=day),
            counts.sessions,
            *(
                readable(lang, octets)
                for octets in (
                    counts.commands,
                    counts.uploads,
                    counts.listing,
                    counts.bodies,
                    counts.attachments,
                    counts.wire_in + counts.wire_out,
                )
            ),
        ]
        for day, counts in sorted(view.days.items(), reverse=True)
    ]


# ---------------------------------------------------------------------- one message


def _where(standing: Standing, lang: str) -> str:
    wanted = standing.wanted
    return words(
        lang, "where", mailbox=harmless(wanted.mailbox.name), uid=wanted.uid, since=moment(wanted.saved)
    )


def _why(view: DeviceView, standing: Standing, lang: str) -> str:
    mailbox = standing.wanted.mailbox
    key = (mailbox.account_id, mailbox.mailbox_id)
    point = next((o.point for o in view.mailboxes if (o.point.owner, o.point.mailbox_id) == key), None)
    return words(
        lang,
        standing.why,
        mailbox=harmless(mailbox.name),
        last=moment(view.device.last_seen),
        low=point.listed_low if point else 0,
        fetched=point.fetched_high if point else 0,
    )


def _standing_facts(view: DeviceView, standing: Standing, lang: str) -> dict[str, object]:
    wanted = standing.wanted
    return {
        "mailbox": wanted.mailbox.name,
        "uid": wanted.uid,
        "saved": datetime.datetime.fromtimestamp(wanted.saved, datetime.UTC).isoformat(),
        "why": standing.why.value,
        "meaning": _why(view, standing, lang),
    }

"""The daily limits of who submits: the reply past them, and what the administrator is told.

A warning is written down and delivered in one transaction of its own, so that it comes once; there are at
most two of an account in a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from postier.accounts.sending import LimitReached, Usage, count_recipients, note_warning
from postier.base.address import Address
from postier.base.ids import new_id
from postier.base.log import Log
from postier.base.status import Reply
from postier.message.addresses import Mailbox
from postier.message.analysis import analyse
from postier.message.compose import HeaderValue, TextPart, compose
from postier.message.dates import format_date_time
from postier.queue.meanings import LANGUAGES
from postier.queue.post import Parcel, WrittenBody, post
from postier.smtp.inbound.dialogue import Dialogue, Role, Transaction
from postier.store.api import Account, AccountId, NoSuchAccount, OverQuota, Tx

__all__ = ["count", "limit_reply", "warn"]

log = Log("limits")


@dataclass(frozen=True, slots=True)
class _Words:
    sender: str
    subject: str
    opening: Mapping[int, str]
    recipients: str
    strangers: str
    no_limit: str
    advice: str
    signed: str


_WORDS: Mapping[str, _Words] = {
    "en": _Words(
        sender="Mail server",
        subject="{name} has sent {percent} % of a day's limit",
        opening={
            80: "{name} has nearly sent as much today as one account may.",
            100: "{name} has sent as much today as one account may; more is put off until 00:00 UTC.",
        },
        recipients="Recipients today: {used} of {limit}",
        strangers="Of them never written to before: {used} of {limit}",
        no_limit="any number",
        advice=(
            "If this person means to write to so many, raise the limit:\n"
            "    postier user limit {name} --recipients N --new N\n"
            "If not, somebody else may know the password. Change it:\n"
            "    postier user passwd {name}"
        ),
        signed=(
            "This notice was written by the mail server {hostname}; the message that caused it is\n{trace}."
        ),
    ),
    "fr": _Words(
        sender="Serveur de courrier",
        subject="{name} a atteint {percent} % de sa limite du jour",
        opening={
            80: "{name} a presque envoyé aujourd’hui autant qu’un compte le peut.",
            100: ("{name} a envoyé aujourd’hui autant qu’un compte le peut ; la suite attend minuit (UTC)."),
        },
        recipients="Destinataires aujourd’hui : {used} sur {limit}",
        strangers="Dont jamais contactés auparavant : {used} sur {limit}",
        no_limit="illimité",
        advice=(
            "Si cette personne veut écrire à autant de monde, relevez la limite :\n"
            "    postier user limit {name} --recipients N --new N\n"
            "Sinon, quelqu’un d’autre connaît peut-être le mot de passe. Changez-le :\n"
            "    postier user passwd {name}"
        ),
        signed=(
            "Cet avis a été écrit par le serveur de courrier {hostname} ; le message en cause est\n{trace}."
        ),
    ),
}


async def count(tx: Tx, dialogue: Dialogue, transaction: Transaction, now: float) -> Usage | None:
    """Count the message, within the transaction that accepts it. Raises LimitReached."""
    account, settings = dialogue.account, dialogue.settings
    if account is None or dialogue.role is not Role.SUBMISSION or settings.trust_loopback:
        return None
    paths = [recipient.path for recipient in transaction.recipients]
    return await count_recipients(tx, account.account_id, paths, settings.daily_limits, now)


def limit_reply(error: LimitReached) -> Reply:
    """Temporary: tomorrow it may go."""
    what = "recipients you never wrote to before" if error.strangers else "recipients"
    text = (
        f"You may write to {error.limit} {what} a day: {error.used} so far, and this message has"
        f" {error.asked}.\nTry again after 00:00 UTC, or ask the postmaster for a higher limit"
    )
    return Reply(451, "4.7.1", text)


async def warn(dialogue: Dialogue, transaction: Transaction, usage: Usage, level: int, now: float) -> None:
    """Tell the administrator, unless that was done today. Raises StoreError."""
    account, services = dialogue.account, dialogue.services
    if account is None or level <= usage.sent.warned:
        return
    postmaster = await services.directory.postmaster()
    parcel = None
    if postmaster is not None:
        parcel = await _notice(dialogue, transaction, account, postmaster, usage, level, now)
    try:
        told = await _write(dialogue, account.account_id, level, now, parcel)
    except (OverQuota, NoSuchAccount) as error:
        log.warning("notice not taken", trace=transaction.trace_id, why=error)
        told = await _write(dialogue, account.account_id, level, now, None)
    if told:
        log.warning(
            "daily limit",
            trace=transaction.trace_id,
            account=account.name,
            percent=level,
            recipients=usage.sent.recipients,
            strangers=usage.sent.strangers,
            notice="" if parcel is None else parcel.trace_id,
        )


async def _write(
    dialogue: Dialogue, account_id: AccountId, level: int, now: float, parcel: Parcel | None
) -> bool:
    async def work(tx: Tx) -> bool:
        if not await note_warning(tx, account_id, level, dialogue.settings.daily_limits, now):
            return False
        if parcel is not None:
            await post(tx, parcel, now)
        return True

    return await dialogue.services.store.transact(work)


async def _notice(
    dialogue: Dialogue,
    transaction: Transaction,
    account: Account,
    postmaster: AccountId,
    usage: Usage,
    level: int,
    now: float,
) -> Parcel:
    hostname, trace_id = dialogue.settings.hostname, new_id()
    try:
        language = await dialogue.services.directory.language_of(postmaster)
    except NoSuchAccount:
        language = ""  # whoever posts the notice will see that it is gone
    language = language if language in LANGUAGES else LANGUAGES[0]
    words = _WORDS[language]

    def line(template: str, used: int, limit: int) -> str:
        return "    " + template.format(used=used, limit=limit or words.no_limit)

    text = (
        words.opening[level].format(name=account.name),
        "",
        line(words.recipients, usage.sent.recipients, usage.limits.recipients),
        line(words.strangers, usage.sent.strangers, usage.limits.strangers),
        "",
        words.advice.format(name=account.name),
        "",
        words.signed.format(hostname=hostname, trace=transaction.trace_id),
        "",
    )
    head: list[tuple[str, HeaderValue]] = [
        ("From", [Mailbox(words.sender, "mailer-daemon", hostname)]),
        ("To", [Address.parse(f"postmaster@{hostname}")]),
        ("Subject", words.subject.format(name=account.name, percent=level)),
        ("Date", format_date_time(now)),
        ("Message-ID", f"<{trace_id}@{hostname}>"),
        ("Auto-Submitted", "auto-generated"),
        ("Content-Language", language),
    ]
    data = compose(head, TextPart("\n".join(text)), utf8=True)
    return Parcel(
        trace_id, "", (postmaster,), (), WrittenBody(data), analyse(data), about=transaction.trace_id
    )

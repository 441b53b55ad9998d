"""What `postier advise` says, in each of its languages: plain words for whoever has to choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from postier.accounts.advice import SPEEDS, Advice, DeviceAdvice, Loss, Reason, seconds_at
from postier.admin.device_words import readable
from postier.admin.device_words import words as device_words

__all__ = [
    "LANGUAGES",
    "advice_text",
    "device_sentence",
    "loss_sentence",
    "loss_with_name",
    "number_columns",
    "number_rows",
    "reason_sentence",
    "words",
]

Words = Mapping[str, str]

_EN: Words = {
    "=imap": "{address}: use IMAP.",
    "=pop3": "{address}: POP3 suits you.",
    "=either": "{address}: IMAP or POP3, both suit you.",
    "because": "Why:",
    "loses": "{device} takes messages out of INBOX over POP3 (in 30 days: {deleted}, {octets}) while"
    " others read the same mailbox (devices: {others}): they lose them.",
    "several": "{devices} devices use this mailbox. Only IMAP shows the same on all of them: what is"
    " read on one is"
    " read on the others, and what one files away they find there.",
    "folders": "Mail lies beside INBOX (in folders: {folders}, messages: {messages}). POP3 shows INBOX"
    " alone.",
    "shared": "Mailboxes of others are open to this person: {shared}. POP3 cannot show them.",
    "mobile": "On the road every octet counts: IMAP lists the newest {listed} messages with {packed}"
    " ({listing} without"
    " compression), and fetches what you open. POP3 would fetch all {inbox} messages first: {download},"
    " {times} times"
    " as much.",
    "mobile.new": "On the road every octet counts: IMAP lists what there is and fetches what you open; POP3"
    " fetches all of it first.",
    "slow": "POP3 would first fetch {download}, {seconds} s on a line of 1 Mbit/s; IMAP lists the newest"
    " {listed}"
    " messages with {packed}.",
    "full": "The mailbox is {percent} % full. One device that fetches and deletes makes room for"
    " {octets}; it then holds"
    " the only copy of them, so keep a backup of it.",
    "offline": "One device that keeps everything: POP3 does that with {download}, IMAP does it as well"
    " if the program"
    " is told to keep all messages offline, and leaves the copy here.",
    "single": "One device, {inbox} messages in INBOX, nothing elsewhere: POP3 would move {download}."
    " IMAP does as well"
    " and is ready for a second device.",
    "usual": "IMAP keeps the mail here, where every device finds it, and is ready for a second one.",
    "devices": "Each device:",
    "device": "{number}: {label} ({protocols}): {said}",
    "resting": "Of what POP3 took away, {messages} messages ({octets}) still rest here: they can be"
    " moved back to INBOX.",
    "device.sends": "only sends; there is nothing to choose.",
    "device.gone": "not seen for 30 days; if it is no longer used, revoke its app password.",
    "device.deletes": "change it to IMAP; until then, tell it to leave messages on the server. What it"
    " took out"
    " of INBOX in 30 days: {deleted} messages, {octets}. What others (devices: {others}) have"
    " not fetched yet and would miss: up to {lacks} messages, {lacks_octets}.",
    "device.beside": "change it to IMAP: what is read, answered or filed here is not seen on the others."
    " If it"
    " deletes after fetching, they would miss what they have not fetched: up to {lacks}"
    " messages, {lacks_octets}.",
    "device.mobile": "change it to IMAP: it moved {moved} in 30 days.",
    "device.alone": "POP3 may stay: nobody else reads this mailbox. Keep a backup if it deletes what it"
    " fetched.",
    "device.well": "IMAP, as it should be; it moved {moved} in 30 days.",
    "numbers": "Your numbers{estimated}:",
    "estimated": " (of a large mailbox: the newest messages stand for all)",
    "table": "WHAT,OCTETS,{speeds}",
    "row.pop": "POP3: all {inbox} messages of INBOX",
    "row.first": "IMAP: the newest {listed} messages, listed",
    "row.packed": "IMAP: the same with COMPRESS",
    "row.all": "IMAP: all of INBOX, listed",
    "row.all packed": "IMAP: the same with COMPRESS",
    "quota": "quota: {used} of {quota} used ({percent} %)",
    "seconds": "{seconds} s",
    "minutes": "{minutes} min",
    "hours": "{hours} h",
    "loss": "{device} takes messages out of INBOX over POP3 ({deleted} in 30 days) while {others} read"
    " the same mailbox",
    "all.columns": "ACCOUNT,LOSES MAIL,DO",
    "all.none": "nobody loses mail: no device deletes over POP3 while others read",
    "all.do": "postier advise {address}",
}

_FR: Words = {
    "=imap": "{address} : prenez IMAP.",
    "=pop3": "{address} : POP3 vous convient.",
    "=either": "{address} : IMAP ou POP3, les deux vous conviennent.",
    "because": "Pourquoi :",
    "loses": "{device} retire des messages d'INBOX par POP3 (en 30 jours : {deleted}, {octets})"
    " pendant que d'autres lisent la même boîte (appareils : {others}) : ils les perdent.",
    "several": "{devices} appareils utilisent cette boîte. Seul IMAP montre la même chose sur tous : ce"
    " qui est lu sur"
    " l'un est lu sur les autres, et ce que l'un classe, les autres le retrouvent.",
    "folders": "Du courrier est à côté d'INBOX (dossiers : {folders}, messages : {messages}). POP3 ne"
    " montre qu'INBOX.",
    "shared": "Des boîtes d'autres personnes lui sont ouvertes : {shared}. POP3 ne peut pas les montrer.",
    "mobile": "En déplacement chaque octet compte : IMAP liste les {listed} messages les plus récents"
    " avec {packed}"
    " ({listing} sans compression) et ne relève que ce que vous ouvrez. POP3 relèverait d'abord les"
    " {inbox} messages :"
    " {download}, {times} fois plus.",
    "mobile.new": "En déplacement chaque octet compte : IMAP liste ce qu'il y a et relève ce que vous"
    " ouvrez ; POP3 relève d'abord tout.",
    "slow": "POP3 relèverait d'abord {download}, {seconds} s sur une ligne de 1 Mbit/s ; IMAP liste les"
    " {listed} messages"
    " les plus récents avec {packed}.",
    "full": "La boîte est pleine à {percent} %. Un seul appareil qui relève et efface libère {octets} ;"
    " il en a alors"
    " l'unique copie : sauvegardez-le.",
    "offline": "Un seul appareil qui garde tout : POP3 le fait avec {download} ; IMAP aussi, si le"
    " programme garde tous"
    " les messages hors ligne, et la copie reste ici.",
    "single": "Un seul appareil, {inbox} messages dans INBOX, rien ailleurs : POP3 déplacerait"
    " {download}. IMAP convient"
    " aussi, et attend un second appareil.",
    "usual": "IMAP garde le courrier ici, où chaque appareil le trouve, et attend le second.",
    "devices": "Chaque appareil :",
    "device": "{number} : {label} ({protocols}) : {said}",
    "resting": "De ce que POP3 a retiré, {messages} messages ({octets}) reposent encore ici : on peut"
    " les remettre dans INBOX.",
    "device.sends": "ne fait qu'envoyer ; il n'y a rien à choisir.",
    "device.gone": "pas vu depuis 30 jours ; s'il ne sert plus, révoquez son mot de passe d'application.",
    "device.deletes": "passez-le à IMAP ; d'ici là, dites-lui de laisser les messages sur le serveur. Ce"
    " qu'il"
    " a retiré d'INBOX en 30 jours : {deleted} messages, {octets}. Ce que d'autres (appareils"
    " : {others}) n'ont pas relevé et qui leur manquerait : jusqu'à {lacks} messages,"
    " {lacks_octets}.",
    "device.beside": "passez-le à IMAP : ce qui est lu, répondu ou classé ici ne se voit pas sur les autres."
    " S'il efface après avoir relevé, il leur manquerait ce qu'ils n'ont pas relevé : jusqu'à"
    " {lacks} messages, {lacks_octets}.",
    "device.mobile": "passez-le à IMAP : il a déplacé {moved} en 30 jours.",
    "device.alone": "POP3 peut rester : personne d'autre ne lit cette boîte. Sauvegardez-le s'il efface"
    " après avoir"
    " relevé.",
    "device.well": "IMAP, comme il faut ; il a déplacé {moved} en 30 jours.",
    "numbers": "Vos chiffres{estimated} :",
    "estimated": " (d'une grande boîte : les messages les plus récents valent pour tous)",
    "table": "QUOI,OCTETS,{speeds}",
    "row.pop": "POP3 : les {inbox} messages d'INBOX",
    "row.first": "IMAP : les {listed} messages les plus récents, listés",
    "row.packed": "IMAP : de même avec COMPRESS",
    "row.all": "IMAP : tout INBOX, listé",
    "row.all packed": "IMAP : de même avec COMPRESS",
    "quota": "quota : {used} utilisés sur {quota} ({percent} %)",
    "seconds": "{seconds} s",
    "minutes": "{minutes} min",
    "hours": "{hours} h",
    "loss": "{device} retire des messages d'INBOX par POP3 ({deleted} en 30 jours) pendant que {others}"
    " lisent la même"
    " boîte",
    "all.columns": "COMPTE,PERD DU COURRIER,À FAIRE",
    "all.none": "personne ne perd de courrier : aucun appareil n'efface par POP3 pendant que d'autres lisent",
    "all.do": "postier advise {address}",
}

LANGUAGES: Mapping[str, Words] = {"en": _EN, "fr": _FR}
_OCTETS = frozenset(("octets", "listing", "packed", "download", "moved", "lacks_octets"))
"""Facts that are sizes."""


def words(language: str, key: str, **facts: object) -> str:
    return LANGUAGES[language][key].format(**facts)


def reason_sentence(language: str, reason: Reason) -> str:
    facts = {
        name: readable(language, value) if name in _OCTETS and isinstance(value, int) else value
        for name, value in reason.numbers.items()
    }
    return words(language, reason.key, **facts)


def device_sentence(language: str, one: DeviceAdvice) -> str:
    protocols = ", ".join(name.upper() if name != "submission" else name for name in one.device.protocols)
    said = reason_sentence(language, one.reason)
    return words(
        language,
        "device",
        number=one.device.number,
        label=one.device.label,
        protocols=protocols,
        said=said,
    )


def loss_sentence(language: str, loss: Loss) -> str:
    others = ", ".join(other.label for other in loss.others[:3])
    more = f" (+{len(loss.others) - 3})" if len(loss.others) > 3 else ""
    return words(
        language, "loss", device=loss.device.label, deleted=loss.device.deleted, others=others + more
    )


def loss_with_name(language: str, address: str, losses: Iterable[Loss]) -> str:
    return f"{address}: " + "; ".join(loss_sentence(language, loss) for loss in losses)


def advice_text(language: str, address: str, advice: Advice) -> list[str]:
    """The lines for a person, but for the table of numbers."""
    lines = [words(language, f"={advice.verdict}", address=address), "", words(language, "because")]
    lines += [f"- {reason_sentence(language, reason)}" for reason in advice.reasons]
    lines += [f"- {text}" for text in resting_sentences(language, advice)]
    if advice.devices:
        lines += ["", words(language, "devices")]
        lines += [f"- {device_sentence(language, one)}" for one in advice.devices]
    estimated = words(language, "estimated") if advice.facts.is_estimated else ""
    return [*lines, "", words(language, "numbers", estimated=estimated)]


def resting_sentences(language: str, advice: Advice) -> list[str]:
    """What can be had back, where there is something."""
    facts = advice.facts
    if not facts.resting:
        return []
    octets = readable(language, facts.resting_octets)
    return [words(language, "resting", messages=facts.resting, octets=octets)]


def number_columns(language: str) -> list[str]:
    speeds = ",".join(
        f"{speed // 1000} KBIT/S" if speed < 10**6 else f"{speed // 10**6} MBIT/S" for speed in SPEEDS
    )
    return words(language, "table", speeds=speeds).split(",")


def number_rows(language: str, advice: Advice) -> list[list[str]]:
    facts = advice.facts
    octets = {
        "row.pop": facts.pop_octets,
        "row.first": facts.listing,
        "row.packed": facts.listing_packed,
        "row.all": facts.all_listing,
        "row.all packed": facts.all_packed,
    }
    return [
        [
            words(language, key, inbox=facts.inbox, listed=facts.listed),
            readable(language, size),
            *(duration(language, seconds_at(size, speed)) for speed in SPEEDS),
        ]
        for key, size in octets.items()
    ]


def duration(language: str, seconds: float) -> str:
    """ "0.4 s", "12 s", "3 min", "5 h"."""
    if seconds < 0.05:
        return words(language, "seconds", seconds="<" + in_words(language, 0.1))
    if seconds < 10:
        return words(language, "seconds", seconds=in_words(language, seconds))
    if seconds < 120:
        return words(language, "seconds", seconds=round(seconds))
    if seconds < 7200:
        return words(language, "minutes", minutes=round(seconds / 60))
    return words(language, "hours", hours=round(seconds / 3600))


def in_words(language: str, number: float) -> str:
    return f"{number:.1f}".replace(".", device_words(language, "point"))

"""What `postier device` says, in each of its languages, and sizes and moments as people read them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from postier.accounts.device_view import DeviceView, MailboxView, Why
from postier.accounts.mailboxes import INBOX

__all__ = ["LANGUAGES", "mailbox_synced", "moment", "named", "readable", "synced", "words"]

Words = Mapping[str, str]

_EN: Words = {
    "units": "B,kB,MB,GB,TB",
    "point": ".",
    "columns": "DEVICE,NAME,PROTOCOL,TLS,LAST SEEN,SYNCED,IN,LISTING,BODIES,ATTACHMENTS,ON THE WIRE",
    "none": "no device of {address} is known",
    "no device": "{address} has no device {device}; see: postier device list {address}",
    "clear": "none",
    "name.revoked": "{label} (revoked)",
    "synced.all": "all of {mailbox}",
    "synced.behind": "{mailbox}: {count} behind",
    "synced.changes": "{mailbox}: {count} changes behind",
    "synced.more": "{text}, {count} more mailboxes behind",
    "synced.sent": "sent at {when}",
    "synced.nothing": "nothing yet",
    "head": "{device}: {label}",
    "said": "says of itself: {said}",
    "app password": "app password: {name} (number {number})",
    "app password gone": "app password: number {number}, revoked",
    "seen": "seen from {first} to {last}, last from {peer}",
    "sent": "last message sent at {when} (trace {trace})",
    "wire": "last {days} days: {out} to it and {in_} from it on the wire; compression saved {saved}",
    "deleted": "last {days} days: removed {deleted} messages over POP3 ({octets})",
    "mailboxes": "MAILBOX,SYNCED,LISTED,FETCHED UP TO,AS OF",
    "uids": "UID {low} to {high}",
    "days": "DAY,SESSIONS,IN,UPLOADS,LISTING,BODIES,ATTACHMENTS,ON THE WIRE",
    "forgotten": "{label} is forgotten",
    "revoked": "the app password of {label} is revoked: it cannot log in any more",
    "no app password": "{label} uses the account's own password: change that, or give it an app password",
    "was revoked": "the app password of {label} was revoked before",
    "where": "{mailbox}, UID {uid}, there since {since}",
    "no message": "no mailbox of {address} holds such a message: it was moved to another account, or"
    " expunged",
    Why.FETCHED: "The device knows it and has fetched messages as new: look into its filters, its view,"
    " its trash.",
    Why.LISTED: "The device was shown its line, and has not asked for its text yet: open it there.",
    Why.OLDER: "The device lists newer messages only, from UID {low} on: let it load more, or all.",
    Why.MARKED: "The message is marked as deleted: most programs hide it. Take the mark away to see it"
    " again.",
    Why.POP_FOLDER: "The device speaks POP3, which knows INBOX alone; the message lies in {mailbox}. Use"
    " IMAP.",
    Why.NEVER_OPENED: "The device has never opened {mailbox}: subscribe to it there, or open it.",
    Why.NOT_SINCE: "The device was last here at {last}, before the message came: it has to synchronise.",
    Why.NOT_OPENED_SINCE: "The device was here, but did not look into {mailbox} since the message came.",
    Why.TOLD: "The device was told that something came, and has not asked what: it may have lost the"
    " network.",
    Why.POP_WAITS: "The message waits in INBOX and the device has not fetched it: it takes the newest so"
    " far, UID"
    " {fetched}, for the last.",
    Why.ONLY_SENDS: "The device only sends: it never asked for mail.",
}

_FR: Words = {
    "units": "o,ko,Mo,Go,To",
    "point": ",",
    "columns": "APPAREIL,NOM,PROTOCOLE,TLS,VU,SYNCHRONISÉ,REÇU,LISTES,TEXTES,PIÈCES JOINTES,SUR LA LIGNE",
    "none": "aucun appareil n'est connu pour {address}",
    "no device": "{address} n'a pas d'appareil {device} ; voir : postier device list {address}",
    "clear": "aucun",
    "name.revoked": "{label} (révoqué)",
    "synced.all": "tout {mailbox}",
    "synced.behind": "{mailbox} : {count} de retard",
    "synced.changes": "{mailbox} : {count} changements de retard",
    "synced.more": "{text}, {count} autres boîtes en retard",
    "synced.sent": "envoi à {when}",
    "synced.nothing": "rien encore",
    "head": "{device} : {label}",
    "said": "dit être : {said}",
    "app password": "mot de passe d'application : {name} (numéro {number})",
    "app password gone": "mot de passe d'application : numéro {number}, révoqué",
    "seen": "vu de {first} à {last}, en dernier depuis {peer}",
    "sent": "dernier message envoyé à {when} (trace {trace})",
    "wire": "{days} derniers jours : {out} vers lui et {in_} de lui sur la ligne ; la compression a"
    " épargné {saved}",
    "deleted": "{days} derniers jours : {deleted} messages retirés par POP3 ({octets})",
    "mailboxes": "BOÎTE,SYNCHRONISÉ,LISTÉ,RELEVÉ JUSQU'À,AU",
    "uids": "UID {low} à {high}",
    "days": "JOUR,SESSIONS,REÇU,ENVOIS,LISTES,TEXTES,PIÈCES JOINTES,SUR LA LIGNE",
    "forgotten": "{label} est oublié",
    "revoked": "le mot de passe d'application de {label} est révoqué : il ne peut plus se connecter",
    "no app password": "{label} utilise le mot de passe du compte : changez-le, ou donnez-lui un mot de passe"
    " d'application",
    "was revoked": "le mot de passe d'application de {label} était déjà révoqué",
    "where": "{mailbox}, UID {uid}, là depuis {since}",
    "no message": "aucune boîte de {address} n'a ce message : déplacé vers un autre compte, ou effacé",
    Why.FETCHED: "L'appareil le connaît et a relevé des messages aussi récents : voyez ses filtres, son"
    " affichage, sa corbeille.",
    Why.LISTED: "L'appareil a reçu sa ligne et n'a pas encore demandé son texte : ouvrez-le là.",
    Why.OLDER: "L'appareil ne liste que des messages plus récents, depuis l'UID {low} : faites-lui"
    " charger la suite.",
    Why.MARKED: "Le message est marqué comme effacé : la plupart des programmes le cachent. Ôtez la marque.",
    Why.POP_FOLDER: "L'appareil parle POP3, qui ne connaît qu'INBOX ; le message est dans {mailbox}."
    " Prenez IMAP.",
    Why.NEVER_OPENED: "L'appareil n'a jamais ouvert {mailbox} : abonnez-le à ce dossier, ou ouvrez-le.",
    Why.NOT_SINCE: "L'appareil est venu en dernier à {last}, avant le message : il doit se synchroniser.",
    Why.NOT_OPENED_SINCE: "L'appareil est venu, mais n'a pas regardé {mailbox} depuis l'arrivée du message.",
    Why.TOLD: "L'appareil a su que quelque chose est arrivé, sans demander quoi : le réseau lui a"
    " peut-être manqué.",
    Why.POP_WAITS: "Le message attend dans INBOX et l'appareil ne l'a pas relevé : pour lui, l'UID"
    " {fetched} est le"
    " dernier.",
    Why.ONLY_SENDS: "L'appareil ne fait qu'envoyer : il n'a jamais demandé de courrier.",
}

LANGUAGES: Mapping[str, Words] = {"en": _EN, "fr": _FR}


def words(language: str, key: str, **facts: object) -> str:
    return LANGUAGES[language][key].format(**facts)


def readable(language: str, octets: int) -> str:
    """ "1.2 MB", in powers of ten; "1,2 Mo" in French."""
    units = words(language, "units").split(",")
    size, unit = float(octets), 0
    while abs(size) >= 999.5 and unit + 1 < len(units):
        size, unit = size / 1000, unit + 1
    text = f"{size:.0f}" if unit == 0 or abs(size) >= 99.5 else f"{size:.1f}"
    return f"{text.replace('.', words(language, 'point'))} {units[unit]}"


def moment(seconds: float) -> str:
    """In this machine's zone."""
    return datetime.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def named(language: str, view: DeviceView) -> str:
    return words(language, "name.revoked", label=view.label) if view.revoked else view.label


def synced(language: str, view: DeviceView) -> str:
    """How far a device has come: in INBOX, or in what it reads instead; and how much else is behind."""
    if not view.mailboxes:
        if view.device.last_sent:
            return words(language, "synced.sent", when=moment(view.device.last_sent))
        return words(language, "synced.nothing")
    first = next((one for one in view.mailboxes if one.name == INBOX), view.mailboxes[0])
    text = mailbox_synced(language, first)
    others = sum(1 for one in view.mailboxes if one is not first and one.behind)
    return words(language, "synced.more", text=text, count=others) if others else text


def mailbox_synced(language: str, one: MailboxView) -> str:
    key = "synced.behind" if one.behind else "synced.changes" if one.changes else "synced.all"
    return words(language, key, mailbox=one.name, count=one.behind or one.changes)

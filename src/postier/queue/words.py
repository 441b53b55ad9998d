"""What a report says to people, in each of its languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from postier.message.dsn import Action
from postier.message.headers import HeaderFields
from postier.queue.meanings import LANGUAGES

__all__ = ["WORDS", "Words", "language_of"]


@dataclass(frozen=True, slots=True)
class Words:
    """Templates. `subjects` and `openings` by what happened; the rest as the report has them, in order."""

    sender: str
    subjects: Mapping[Action, str]
    openings: Mapping[Action, str]
    given_up: str
    said: str
    met: str
    in_detail: str
    until: str
    the_message: str
    subject: str
    no_subject: str
    sent: str
    signed: str


WORDS: Mapping[str, Words] = {
    "en": Words(
        sender="Mail delivery",
        subjects={
            Action.FAILED: "Not delivered",
            Action.DELAYED: "Delayed",
            Action.DELIVERED: "Delivered",
            Action.RELAYED: "Handed on",
            Action.EXPANDED: "Handed on",
        },
        openings={
            Action.FAILED: "Your message could not be delivered to:",
            Action.DELAYED: "Your message has not been delivered yet to:",
            Action.DELIVERED: "Your message was delivered to:",
            Action.RELAYED: (
                "Your message was handed on to the next server, which does not report back, for:"
            ),
            Action.EXPANDED: "Your message was handed on to the members of:",
        },
        given_up="It was tried {attempts} times and is given up now.",
        said="{remote} said: {words}",
        met="With {remote}: {words}",
        in_detail="In detail: {words}",
        until="We keep trying until {until}. You need not send it again.",
        the_message="The message:",
        subject="Subject: {subject}",
        no_subject="(none)",
        sent="Sent: {sent}",
        signed=(
            "This report was written by the mail server {hostname}; for its administrator the\n"
            "message is {trace}."
        ),
    ),
    "fr": Words(
        sender="Distribution du courrier",
        subjects={
            Action.FAILED: "Non remis",
            Action.DELAYED: "Retardé",
            Action.DELIVERED: "Remis",
            Action.RELAYED: "Transmis",
            Action.EXPANDED: "Transmis",
        },
        openings={
            Action.FAILED: "Votre message n’a pas pu être remis à :",
            Action.DELAYED: "Votre message n’a pas encore été remis à :",
            Action.DELIVERED: "Votre message a été remis à :",
            Action.RELAYED: (
                "Votre message a été transmis au serveur suivant, qui n’envoie pas d’avis, pour :"
            ),
            Action.EXPANDED: "Votre message a été transmis aux membres de :",
        },
        given_up="Il a été essayé {attempts} fois ; il est abandonné.",
        said="{remote} a répondu : {words}",
        met="Avec {remote} : {words}",
        in_detail="En détail : {words}",
        until="Les essais continuent jusqu’au {until}. Il est inutile de le renvoyer.",
        the_message="Le message :",
        subject="Objet : {subject}",
        no_subject="(aucun)",
        sent="Envoyé : {sent}",
        signed=(
            "Cet avis a été écrit par le serveur de courrier {hostname} ; pour son administrateur,\n"
            "le message est {trace}."
        ),
    ),
}

_FIELD = 500


def language_of(fields: HeaderFields) -> str:
    """The first of our languages that the message's sender reads (Accept-Language) or writes
    (Content-Language, RFC 3282); "" where neither says."""
    for name in (b"accept-language", b"content-language"):
        for tag in (fields.first(name) or b"")[:_FIELD].split(b","):
            primary = tag.partition(b";")[0].partition(b"-")[0].strip().lower().decode("ascii", "replace")
            if primary in LANGUAGES:
                return primary
    return ""

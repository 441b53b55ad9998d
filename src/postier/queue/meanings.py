"""One sentence of meaning for a status code (RFC 3463, RFC 5248, RFC 7372), for people who never saw one.

Where the host's own words are of a kind that is known to say more than its code, they decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["LANGUAGES", "meaning"]

LANGUAGES = ("en", "fr")
"""Those in which people are told; the first is for everybody else."""

_EXACT: Mapping[str, tuple[str, str]] = {
    "1.1": (
        "This address does not exist there. Please check it for typing errors.",
        "Cette adresse n’existe pas là-bas. Vérifiez qu’elle ne contient pas de faute de frappe.",
    ),
    "1.2": (
        "The part after the @ is not a mail domain. Please check it for typing errors.",
        "La partie après l’@ n’est pas un domaine de courrier. Vérifiez-la : faute de frappe ?",
    ),
    "1.3": ("The address is not written correctly.", "L’adresse n’est pas écrite correctement."),
    "1.6": (
        "The person has moved and left no new address.",
        "Cette personne a changé d’adresse sans indiquer la nouvelle.",
    ),
    "1.10": (
        "This domain says that it receives no mail at all.",
        "Ce domaine déclare qu’il ne reçoit aucun courrier.",
    ),
    "2.1": ("The mailbox is switched off.", "La boîte aux lettres est désactivée."),
    "2.2": ("The mailbox is full.", "La boîte aux lettres est pleine."),
    "2.3": (
        "The message is larger than this mailbox accepts.",
        "Le message est plus gros que ce que cette boîte accepte.",
    ),
    "2.4": (
        "The address is a mailing list that could not be expanded.",
        "L’adresse est celle d’une liste dont les membres n’ont pu être trouvés.",
    ),
    "3.1": (
        "The receiving server has no space left.",
        "Le serveur du destinataire n’a plus de place.",
    ),
    "3.4": (
        "The message is larger than the receiving server accepts.",
        "Le message est plus gros que ce que le serveur du destinataire accepte.",
    ),
    "4.1": (
        "The receiving server did not answer.",
        "Le serveur du destinataire ne répond pas.",
    ),
    "4.2": (
        "The connection to the receiving server broke.",
        "La connexion avec le serveur du destinataire a été coupée.",
    ),
    "4.3": (
        "The directory of mail servers (DNS) did not answer for this domain.",
        "L’annuaire des serveurs de courrier (DNS) n’a pas répondu pour ce domaine.",
    ),
    "4.4": (
        "No mail server was found for this domain.",
        "Aucun serveur de courrier n’a été trouvé pour ce domaine.",
    ),
    "4.6": (
        "The message would go round in circles: a forwarding or a mail server is set up wrongly.",
        "Le message tournerait en rond : une redirection ou un serveur est mal réglé.",
    ),
    "4.7": (
        "The message could not be delivered in the time it had.",
        "Le message n’a pas pu être remis dans le délai prévu.",
    ),
    "5.3": (
        "The receiving server does not take so many recipients at once.",
        "Le serveur du destinataire n’accepte pas autant de destinataires à la fois.",
    ),
    "6.7": (
        "The receiving server does not support addresses or headers with letters beyond ASCII.",
        "Le serveur du destinataire n’accepte ni adresses ni en-têtes avec des lettres accentuées.",
    ),
    "7.1": (
        "The receiving server refused the message because of its rules.",
        "Le serveur du destinataire a refusé le message en vertu de ses règles.",
    ),
    "7.4": (
        "The receiving server offers no encryption, and its rules or yours require it.",
        "Le serveur du destinataire n’offre pas de chiffrement, que ses règles ou les vôtres exigent.",
    ),
    "7.5": (
        "No trusted encrypted connection to the receiving server was possible.",
        "Aucune connexion chiffrée de confiance avec le serveur du destinataire n’a été possible.",
    ),
    "7.10": (
        "The receiving server offers no encryption, and the message requires it.",
        "Le serveur du destinataire n’offre pas de chiffrement, alors que le message l’exige.",
    ),
    "7.20": (
        "The receiving server refused it because no valid DKIM signature was found.",
        "Le serveur du destinataire l’a refusé faute de signature DKIM valable.",
    ),
    "7.23": (
        "The receiving server refused it because the SPF check failed.",
        "Le serveur du destinataire l’a refusé parce que la vérification SPF a échoué.",
    ),
    "7.25": (
        "The receiving server refused it because our address has no reverse DNS entry.",
        "Le serveur du destinataire l’a refusé parce que notre adresse n’a pas de DNS inverse.",
    ),
    "7.26": (
        "The receiving server refused it because sender authentication (SPF, DKIM, DMARC) failed.",
        "Le serveur du destinataire l’a refusé : l’authentification de l’expéditeur (SPF, DKIM, DMARC)"
        " a échoué.",
    ),
    "7.27": (
        "The receiving server refused it because the sender's domain receives no mail.",
        "Le serveur du destinataire l’a refusé parce que le domaine de l’expéditeur ne reçoit pas de"
        " courrier.",
    ),
    "7.30": (
        "The receiving server cannot promise that the message stays encrypted on its way (REQUIRETLS).",
        "Le serveur du destinataire ne peut garantir que le message reste chiffré (REQUIRETLS).",
    ),
}
"""By subject and detail of the code: a sentence for each of LANGUAGES."""

_SUBJECT: Mapping[str, tuple[str, str]] = {
    "1": ("There is something wrong with the address.", "L’adresse pose problème."),
    "2": (
        "The mailbox cannot take the message.",
        "La boîte aux lettres ne peut pas prendre le message.",
    ),
    "3": ("The receiving server has a fault.", "Le serveur du destinataire a un défaut."),
    "4": (
        "There is a fault on the way to the receiving server.",
        "Il y a un défaut sur le chemin vers le serveur du destinataire.",
    ),
    "5": (
        "The two servers did not understand each other.",
        "Les deux serveurs ne se sont pas compris.",
    ),
    "6": (
        "The receiving server cannot handle the content of the message.",
        "Le serveur du destinataire ne peut pas traiter le contenu du message.",
    ),
    "7": (
        "The receiving server refused the message because of its rules.",
        "Le serveur du destinataire a refusé le message en vertu de ses règles.",
    ),
}
_CLASS: Mapping[str, tuple[str, str]] = {
    "2": ("The message was handed on.", "Le message a été transmis."),
    "4": (
        "The receiving server cannot take the message for the moment.",
        "Le serveur du destinataire ne peut pas prendre le message pour le moment.",
    ),
    "5": (
        "The receiving server refused the message.",
        "Le serveur du destinataire a refusé le message.",
    ),
}

_GREYLISTED = (
    "The receiving server lets the first messages of a sender wait for some minutes.",
    "Le serveur du destinataire fait attendre quelques minutes les premiers messages d’un expéditeur.",
)
_UNAUTHENTICATED = (
    "The provider takes mail only from senders whose domain has working SPF, DKIM and DMARC records:"
    " for the administrator of the sender's domain.",
    "Le fournisseur n’accepte que le courrier de domaines aux enregistrements SPF, DKIM et DMARC corrects :"
    " c’est l’affaire de l’administrateur du domaine de l’expéditeur.",
)
_LISTED = (
    "Our mail server is on a list of senders of unwanted mail: for its administrator.",
    "Notre serveur figure sur une liste d’expéditeurs indésirables : c’est l’affaire de son administrateur.",
)
_TOO_FAST = (
    "The provider takes only so many messages in a time.",
    "Le fournisseur limite le nombre de messages par période.",
)
_FULL = _EXACT["2.2"]
_UNKNOWN = _EXACT["1.1"]

_PHRASES: tuple[tuple[re.Pattern[str], tuple[str, str]], ...] = tuple(
    (re.compile(words, re.IGNORECASE), sentence)
    for words, sentence in (
        (r"\b[45]\.7\.26\b.{0,300}(?:unauthenticated|not authenticated|authenticat)", _UNAUTHENTICATED),
        (r"\b5\.7\.515\b|required authentication level", _UNAUTHENTICATED),  # Outlook.com
        (r"\b550-?5\.7\.(?:509|1).{0,100}\bDMARC\b", _UNAUTHENTICATED),
        (r"\b[45]\.7\.28\b|unusual rate of|\b4\.7\.650\b|\bTSS?0\d\b", _TOO_FAST),  # Gmail, Outlook, Yahoo
        (r"\b(?:too many (?:messages|connections)|rate.?limit)", _TOO_FAST),
        (r"\bgr[ae]y.?list", _GREYLISTED),
        (r"\bS3(?:140|150)\b|\b5\.7\.606\b|spamhaus|barracudacentral|\bblock ?list|\bblacklist", _LISTED),
        (r"\bover ?quota\b|mailbox (?:is )?full|out of storage space", _FULL),
        (r"(?:no such|unknown|unknown local) user|user unknown|mailbox unavailable: no such", _UNKNOWN),
    )
)
"""What hosts and well-known providers say, in the order in which it is looked for."""

_WORDS = 1000


def meaning(status: str, language: str = "en", words: str = "") -> str:
    """For any status of the form c.s.d; a known detail before a known subject before the class.

    `language`: one of LANGUAGES, English for any other. `words`: what the host said, "" for nothing.
    """
    said = _sentence(status, words[:_WORDS])
    return said[LANGUAGES.index(language) if language in LANGUAGES else 0]


def _sentence(status: str, words: str) -> tuple[str, str]:
    kind, _, rest = status.partition(".")
    if kind == "2":
        return _CLASS[kind]
    for pattern, sentence in _PHRASES if words else ():
        if pattern.search(words):
            return sentence
    return _EXACT.get(rest) or _SUBJECT.get(rest.partition(".")[0]) or _CLASS.get(kind, _CLASS["4"])

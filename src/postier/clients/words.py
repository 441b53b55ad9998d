"""What the card and the page tell people, in each language."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LANGUAGES", "words"]

_WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("Your mailbox: {address}", "Votre boîte aux lettres : {address}"),
    "two": (
        "On any device you need two things:",
        "Sur n’importe quel appareil, il vous faut deux choses :",
    ),
    "address": ("Address", "Adresse"),
    "password": ("Password", "Mot de passe"),
    "yours": (
        "the one you were given, or one made for this device",
        "celui qu’on vous a donné, ou un mot de passe créé pour cet appareil",
    ),
    "enough": (
        "Choose “add account” in your mail program and enter both. Thunderbird, Outlook, the mail program "
        "of your telephone and most others find the rest by themselves.",
        "Choisissez « ajouter un compte » dans votre logiciel de messagerie et saisissez les deux. "
        "Thunderbird, Outlook, la messagerie de votre téléphone et la plupart des autres trouvent le reste "
        "tout seuls.",
    ),
    "apple": (
        "iPhone, iPad, Mac: open this address there, then confirm in Settings:",
        "iPhone, iPad, Mac : ouvrez-y cette adresse, puis confirmez dans Réglages :",
    ),
    "apple-link": ("Set up this iPhone, iPad or Mac", "Configurer cet iPhone, iPad ou Mac"),
    "scan": (
        "Telephone: point its camera at this code:",
        "Téléphone : visez ce code avec l’appareil photo :",
    ),
    "manual": (
        "If a program asks for more, this is what it wants to know:",
        "Si un logiciel demande davantage, voici ce qu’il veut savoir :",
    ),
    "user": (
        "User name: the whole address. Authentication: normal password.",
        "Nom d’utilisateur : l’adresse entière. Authentification : mot de passe normal.",
    ),
    "for": ("For", "Pour"),
    "protocol": ("Protocol", "Protocole"),
    "server": ("Server", "Serveur"),
    "port": ("Port", "Port"),
    "security": ("Security", "Sécurité"),
    "reading-imap": ("reading, on all devices", "lire, sur tous les appareils"),
    "reading-pop3": ("reading, on one device", "lire, sur un seul appareil"),
    "sending": ("sending", "envoyer"),
    "starttls": (
        "A program that knows only STARTTLS: {ports}.",
        "Un logiciel qui ne connaît que STARTTLS : {ports}.",
    ),
    "help": ("More help:", "Plus d’aide :"),
    "secret": (
        "Nobody of ours will ever ask you for your password.",
        "Aucun de nous ne vous demandera jamais votre mot de passe.",
    ),
}

LANGUAGES = ("en", "fr")
"""The first is for everybody else."""


def words(language: str, name: str, **values: str) -> str:
    """`language`: one of LANGUAGES, English for any other."""
    place = LANGUAGES.index(language) if language in LANGUAGES else 0
    return _WORDS[name][place].format(**values)

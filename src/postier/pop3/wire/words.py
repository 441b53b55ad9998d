"""What responses say, in each language a client may ask for (LANG, RFC 6856 3). English texts are the keys;
`{names}` are facts. What is not listed, such as numbers and names, is the same in all.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LANGUAGES", "WORDS", "language_for"]

LANGUAGES = {"en": "English", "fr": "Français"}
"""Tags (RFC 5646) and what the languages call themselves. The first is spoken until a client asks."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {},
    "fr": {
        "{count} messages": "{count} messages",
        "{octets} octets": "{octets} octets",
        "Authentication cancelled": "Authentification abandonnée",
        "Begin TLS": "TLS peut commencer",
        "English is spoken": "Le français est parlé",
        "Goodbye": "Au revoir",
        "Line too long": "Ligne trop longue",
        "Line too long, goodbye": "Ligne trop longue, au revoir",
        "Too soon after the last login, wait {wait} s": "Connexion trop récente, attendez {wait} s",
        "No such language": "Cette langue n'est pas connue",
        "No such mechanism, or not without TLS": "Ce mécanisme n'existe pas, ou pas sans TLS",
        "No such message": "Ce message n'existe pas",
        "Not base64": "Ce n'est pas du base64",
        "Not in the {state} state": "Pas dans l'état {state}",
        "Start TLS first": "Commencez par TLS",
        "STLS must come before UTF8": "STLS doit précéder UTF8",
        "Syntax error: {why}": "Erreur de syntaxe",
        "TLS is not available": "TLS n'est pas disponible",
        "TLS is on already": "TLS est déjà actif",
        "Temporary failure, try later": "Panne passagère, réessayez plus tard",
        "The message cannot be read": "Le message ne peut être lu",
        "The message was removed meanwhile": "Le message a été retiré entre-temps",
        "This account needs an app password for this program: make one in the portal, or ask your"
        " administrator": "Ce compte demande un mot de passe d'application pour ce logiciel : créez-en un sur"
        " le portail, ou demandez à votre administrateur",
        "Too many errors, goodbye": "Trop d'erreurs, au revoir",
        "Too many logins at the moment, try again later": "Trop de connexions, réessayez plus tard",
        "Too many failures, try later": "Trop d'échecs, réessayez plus tard",
        "USER first": "Commencez par USER",
        "UTF-8 it is": "UTF-8, entendu",
        "Unknown command": "Commande inconnue",
        "Wrong name or password": "Nom ou mot de passe incorrect",
        "You may not act for somebody else": "Vous ne pouvez agir pour autrui",
        "{hostname} POP3 ready": "{hostname} POP3 est prêt",
    },
}


def language_for(range_: str) -> str | None:
    """The tag of the language that a basic language range means (RFC 4647 3.4); None for none of ours."""
    parts = range_.lower().split("-")
    while parts:
        tag = "-".join(parts)
        if tag in WORDS:
            return tag
        parts.pop()
    return None

"""What the audit log knows: one row for each kind of entry, in English and in French.

`{names}` are the facts of an entry, and its only ones: what is no fact of a kind cannot get into the log.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

__all__ = ["FACTS", "GROUPS", "LANGUAGES", "AuditKind", "kinds_of", "sentence"]


class AuditKind(enum.StrEnum):
    """The part before the dot is the group."""

    LOGIN = "login.done"
    LOGIN_FAILED = "login.failed"
    LOGIN_BLOCKED = "login.blocked"
    PASSWORD = "password.changed"  # noqa: S105 - what happened to one
    APP_PASSWORD_ADDED = "password.app_added"  # noqa: S105
    APP_PASSWORD_REVOKED = "password.app_revoked"  # noqa: S105
    APP_PASSWORDS_DEMANDED = "password.app_demanded"
    APP_PASSWORDS_OPTIONAL = "password.app_optional"
    FACTOR_ADDED = "factor.added"
    FACTOR_REMOVED = "factor.removed"
    RECOVERY_CODES = "factor.recovery_codes"
    ACCOUNT_ADDED = "account.added"
    ACCOUNT_REMOVED = "account.removed"
    ACCOUNT_ENABLED = "account.enabled"
    ACCOUNT_DISABLED = "account.disabled"
    ACCOUNT_RENAMED = "account.renamed"
    ADMINISTRATOR = "account.administrator"
    ADMINISTRATOR_ENDED = "account.administrator_ended"
    POSTMASTER = "account.postmaster"
    ROOM = "account.room"
    SENDING_LIMIT = "account.sending_limit"
    SENDING_LIMIT_ENDED = "account.sending_limit_ended"
    LANGUAGE = "account.language"
    SWITCH = "account.switch"
    POP_RULES = "account.pop_rules"
    BROUGHT_BACK = "account.brought_back"
    RIGHTS = "rights.granted"
    RIGHTS_GOT = "rights.received"
    RIGHTS_ENDED = "rights.ended"
    RIGHTS_LOST = "rights.lost"
    SEND_AS = "rights.send_as"
    SEND_AS_ENDED = "rights.send_as_ended"
    SENT_AS = "rights.sent_as"
    SENT_AS_ENDED = "rights.sent_as_ended"
    ALIAS = "address.alias"
    ALIAS_REMOVED = "address.alias_removed"
    DOMAIN_ADDED = "domain.added"
    DOMAIN_REMOVED = "domain.removed"
    DOMAIN_LANGUAGE = "domain.language"
    DKIM = "keys.dkim"
    CERTIFICATE = "keys.certificate"
    CERTIFICATE_REMOVED = "keys.certificate_removed"
    ROUTE = "route.set"
    ROUTE_REMOVED = "route.removed"
    POOL = "route.pool"
    POOL_REMOVED = "route.pool_removed"
    PARTNER_TLS = "route.tls"
    PARTNER_TLS_REMOVED = "route.tls_removed"
    SUPPRESSED = "route.suppressed"
    SUPPRESSION_LIFTED = "route.suppression_lifted"
    QUEUE = "queue.changed"
    SETTINGS = "server.settings"
    DIRECTORY = "server.directory"
    DIRECTORY_REMOVED = "server.directory_removed"


_TABLE: Mapping[AuditKind, tuple[str, str]] = {
    AuditKind.LOGIN: (
        "logged in by {protocol} from {network}: {mechanism} {device}, {tls}",
        "connexion par {protocol} depuis {network} : {mechanism} {device}, {tls}",
    ),
    AuditKind.LOGIN_FAILED: (
        "login failed by {protocol} from {network}: {reason}",
        "connexion refusée par {protocol} depuis {network} : {reason}",
    ),
    AuditKind.LOGIN_BLOCKED: (
        "login refused unseen by {protocol} from {network}: too many failures before",
        "connexion refusée sans examen par {protocol} depuis {network} : trop d'échecs avant",
    ),
    AuditKind.PASSWORD: ("password changed", "mot de passe changé"),
    AuditKind.APP_PASSWORD_ADDED: (
        "app password {device} made ({limits})",
        "mot de passe d'application {device} créé ({limits})",
    ),
    AuditKind.APP_PASSWORD_REVOKED: (
        "app password {device} revoked",
        "mot de passe d'application {device} révoqué",
    ),
    AuditKind.APP_PASSWORDS_DEMANDED: (
        "mail programs need app passwords",
        "les logiciels de courrier doivent utiliser des mots de passe d'application",
    ),
    AuditKind.APP_PASSWORDS_OPTIONAL: (
        "mail programs may use the account's own password",
        "les logiciels de courrier peuvent utiliser le mot de passe du compte",
    ),
    AuditKind.FACTOR_ADDED: (
        "second factor added: {what} {device}",
        "second facteur ajouté : {what} {device}",
    ),
    AuditKind.FACTOR_REMOVED: (
        "second factor removed: {what} {device}",
        "second facteur retiré : {what} {device}",
    ),
    AuditKind.RECOVERY_CODES: ("new recovery codes made", "nouveaux codes de secours créés"),
    AuditKind.ACCOUNT_ADDED: ("account added ({sort})", "compte ajouté ({sort})"),
    AuditKind.ACCOUNT_REMOVED: ("account removed with all mail", "compte retiré avec tout son courrier"),
    AuditKind.ACCOUNT_ENABLED: ("account enabled", "compte activé"),
    AuditKind.ACCOUNT_DISABLED: ("account disabled", "compte désactivé"),
    AuditKind.ACCOUNT_RENAMED: ("was {before} before", "s'appelait {before}"),
    AuditKind.ADMINISTRATOR: ("made an administrator", "devient administrateur"),
    AuditKind.ADMINISTRATOR_ENDED: ("no longer an administrator", "n'est plus administrateur"),
    AuditKind.POSTMASTER: ("made postmaster of this server", "devient postmaster de ce serveur"),
    AuditKind.ROOM: (
        "may keep {octets} octets, {messages} messages, {mailboxes} mailboxes (0: any number)",
        "peut garder {octets} octets, {messages} messages, {mailboxes} boîtes (0 : sans limite)",
    ),
    AuditKind.SENDING_LIMIT: (
        "may write to {recipients} recipients a day, {new} of them new",
        "peut écrire à {recipients} destinataires par jour, dont {new} nouveaux",
    ),
    AuditKind.SENDING_LIMIT_ENDED: (
        "may write as the settings say, without limits of its own",
        "peut écrire selon les réglages, sans limite propre",
    ),
    AuditKind.LANGUAGE: ("language: {language}", "langue : {language}"),
    AuditKind.SWITCH: (
        "IMAP capability {capability} for {client}: {state}",
        "capacité IMAP {capability} pour {client} : {state}",
    ),
    AuditKind.POP_RULES: (
        "POP3 rules: rest {rest}, expire {expire}, login delay {delay}",
        "règles POP3 : repos {rest}, expiration {expire}, délai de connexion {delay}",
    ),
    AuditKind.BROUGHT_BACK: (
        "{count} messages deleted over POP3 were brought back",
        "{count} messages supprimés par POP3 remis dans la boîte de réception",
    ),
    AuditKind.RIGHTS: ("{who} may {rights} in {mailbox}", "{who} a les droits {rights} dans {mailbox}"),
    AuditKind.RIGHTS_GOT: (
        "may {rights} in {mailbox} of {owner}",
        "a les droits {rights} dans {mailbox} de {owner}",
    ),
    AuditKind.RIGHTS_ENDED: ("{who} has no entry in {mailbox}", "{who} n'a plus d'entrée dans {mailbox}"),
    AuditKind.RIGHTS_LOST: (
        "has no entry in {mailbox} of {owner}",
        "n'a plus d'entrée dans {mailbox} de {owner}",
    ),
    AuditKind.SEND_AS: ("may write as {pattern}", "peut écrire en tant que {pattern}"),
    AuditKind.SEND_AS_ENDED: (
        "may no longer write as {pattern}",
        "ne peut plus écrire en tant que {pattern}",
    ),
    AuditKind.SENT_AS: ("{who} may write as {pattern}", "{who} peut écrire en tant que {pattern}"),
    AuditKind.SENT_AS_ENDED: (
        "{who} may no longer write as {pattern}",
        "{who} ne peut plus écrire en tant que {pattern}",
    ),
    AuditKind.ALIAS: ("mail for {address} goes to {targets}", "le courrier de {address} va à {targets}"),
    AuditKind.ALIAS_REMOVED: ("alias {address} removed", "alias {address} retiré"),
    AuditKind.DOMAIN_ADDED: ("domain {domain} added", "domaine {domain} ajouté"),
    AuditKind.DOMAIN_REMOVED: ("domain {domain} removed", "domaine {domain} retiré"),
    AuditKind.DOMAIN_LANGUAGE: ("language of {domain}: {language}", "langue de {domain} : {language}"),
    AuditKind.DKIM: (
        "signing key {selector} of {domain}: {state}",
        "clé de signature {selector} de {domain} : {state}",
    ),
    AuditKind.CERTIFICATE: (
        "certificate of {names} set ({origin}), good until {until}",
        "certificat de {names} installé ({origin}), valable jusqu'au {until}",
    ),
    AuditKind.CERTIFICATE_REMOVED: ("certificate {name} removed", "certificat {name} retiré"),
    AuditKind.ROUTE: ("route of {domain} set: {way}", "route de {domain} : {way}"),
    AuditKind.ROUTE_REMOVED: ("route of {domain} removed", "route de {domain} retirée"),
    AuditKind.POOL: ("sending addresses {name} set: {sources}", "adresses d'envoi {name} : {sources}"),
    AuditKind.POOL_REMOVED: ("sending addresses {name} removed", "adresses d'envoi {name} retirées"),
    AuditKind.PARTNER_TLS: ("TLS demanded of {domain}: {level}", "TLS exigé de {domain} : {level}"),
    AuditKind.PARTNER_TLS_REMOVED: ("TLS demanded of {domain} no more", "TLS n'est plus exigé de {domain}"),
    AuditKind.SUPPRESSED: ("nothing is sent to {address}", "plus d'envoi à {address}"),
    AuditKind.SUPPRESSION_LIFTED: ("mail is sent to {address} again", "envois à {address} repris"),
    AuditKind.DIRECTORY: (
        "people of {domains} come from the directory {directory}",
        "les personnes de {domains} viennent de l'annuaire {directory}",
    ),
    AuditKind.DIRECTORY_REMOVED: (
        "nobody comes from the directory {directory} any more",
        "plus personne ne vient de l'annuaire {directory}",
    ),
    AuditKind.QUEUE: (
        "messages in the queue {what} by the administrator: {count}",
        "messages de la file, par l'administrateur : {what} ({count})",
    ),
    AuditKind.SETTINGS: ("settings changed: {names}", "réglages changés : {names}"),
}
_FRENCH_VALUES: Mapping[str, str] = {
    "password": "mot de passe",
    "app-password": "mot de passe d'application",
    "token": "jeton",
    "certificate": "certificat",
    "wrong name or password": "nom ou mot de passe faux",
    "wrong second factor": "second facteur faux",
    "second factor": "second facteur",
    "an app password is needed": "il faut un mot de passe d'application",
    "token refused": "jeton refusé",
    "clear text": "en clair",
    "elsewhere": "ailleurs",
    "person": "personne",
    "shared": "partagé",
    "default": "par défaut",
    "none": "aucun",
    "any": "tous",
    "all mailboxes": "toutes les boîtes",
    "on": "activée",
    "off": "désactivée",
    "passkey": "clé d'accès",
    "released": "relancés",
    "held": "retenus",
    "dropped": "supprimés",
    "cancelled": "repris",
    "its own name": "à son propre nom",
    "announced": "annoncée",
    "used": "en usage",
    "retired": "retirée",
    "withdrawn": "hors d'usage",
    "removed": "oubliée",
}
LANGUAGES = ("en", "fr")
FACTS: Mapping[AuditKind, frozenset[str]] = {
    kind: frozenset(re.findall(r"\{(\w+)\}", english)) for kind, (english, _) in _TABLE.items()
}
GROUPS = tuple(dict.fromkeys(kind.partition(".")[0] for kind in AuditKind))


def kinds_of(word: str) -> tuple[str, ...]:
    """The kinds that a group or the name of one kind stands for; none for an unknown word."""
    return tuple(kind.value for kind in AuditKind if word in (kind.value, kind.partition(".")[0]))


def sentence(language: str, kind: str, facts: Mapping[str, str]) -> str:
    """What happened, in words. A kind that only a later program knows is told by its name."""
    try:
        text = _TABLE[AuditKind(kind)][LANGUAGES.index(language)]
    except ValueError:
        return kind
    known = _FRENCH_VALUES if language == "fr" else {}
    values = {name: known.get(facts.get(name, ""), facts.get(name, "")) for name in FACTS[AuditKind(kind)]}
    return re.sub(r" +(?=[ ,])", "", text.format(**values))

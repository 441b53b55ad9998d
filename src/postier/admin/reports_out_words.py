"""What `postier reports` says, in each of its languages. `{names}` are facts."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LANGUAGES", "words"]

Words = Mapping[str, str]

_EN: Words = {
    "off": "no reports are sent: reports.tls and reports.dmarc are off",
    "on": "reports are sent: {kinds}, from {contact}",
    "broken": "no reports can be sent: {problem}",
    "outcomes.columns": "DAY,KIND,DOMAIN,OUTCOME,PLACES,DETAIL",
    "outcomes.none": "none was due yet",
    "waiting": "{count} wait, the next until {when}",
    "stopped.columns": "STOPPED,SINCE,SENT,REASON",
    "sent": "sent",
    "nothing": "nothing",
    "failed": "failed",
    "preview.nothing": "{kind}: nothing to report of {day}",
    "preview.report": "{kind}: {name}, {octets} octets",
    "preview.to": "  to {name}",
    "preview.not": "  not to {name}: {why}",
    "preview.nobody": "  to nobody: no record asks for it",
    "preview.problem": "  to whom is not known: {problem}",
    "stop": "{name} gets no reports any more",
    "resume": "{name} gets reports again",
}
_FR: Words = {
    "off": "aucun rapport n'est envoyé : reports.tls et reports.dmarc sont désactivés",
    "on": "des rapports sont envoyés : {kinds}, de la part de {contact}",
    "broken": "aucun rapport ne peut être envoyé : {problem}",
    "outcomes.columns": "JOUR,TYPE,DOMAINE,RÉSULTAT,DESTINATIONS,DÉTAIL",
    "outcomes.none": "aucun n'était dû jusqu'ici",
    "waiting": "{count} en attente, le prochain jusqu'à {when}",
    "stopped.columns": "ARRÊTÉ,DEPUIS,ENVOYÉS,RAISON",
    "sent": "envoyé",
    "nothing": "rien",
    "failed": "échoué",
    "preview.nothing": "{kind} : rien à rapporter du {day}",
    "preview.report": "{kind} : {name}, {octets} octets",
    "preview.to": "  à {name}",
    "preview.not": "  pas à {name} : {why}",
    "preview.nobody": "  à personne : aucun enregistrement ne le demande",
    "preview.problem": "  on ne sait pas à qui : {problem}",
    "stop": "{name} ne reçoit plus de rapports",
    "resume": "{name} reçoit de nouveau des rapports",
}
LANGUAGES: Mapping[str, Words] = {"en": _EN, "fr": _FR}


def words(language: str, key: str, **facts: object) -> str:
    return LANGUAGES[language][key].format(**facts)

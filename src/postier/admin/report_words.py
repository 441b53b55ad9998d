"""What `postier dmarc` says, in each of its languages. `{names}` are facts."""

from __future__ import annotations

from collections.abc import Mapping

from postier.reports.sources import Source, SourceState, StepKind
from postier.store.api import ReportAlert

__all__ = ["LANGUAGES", "alert_words", "state_words", "step_words", "words"]

Words = Mapping[str, str]

_EN: Words = {
    **{state.value: state.value for state in SourceState},
    StepKind.NOTHING: "nothing: all is well",
    StepKind.CARRIED: "nothing: a forwarder, DKIM carries it",
    StepKind.PUBLISH_KEY: "publish the key {selector}._domainkey.{domain}: {messages} signatures have none",
    StepKind.CHECK_KEY: "compare the key {selector}._domainkey.{domain} with that of {name}: {messages} fail",
    StepKind.ADD_INCLUDE: "add include:{include} to the SPF record, and let {name} sign as {domain}",
    StepKind.ADD_ADDRESS: "if {address} is yours, add it to the SPF record, or sign what it sends",
    StepKind.LET_SIGN: "let {name} sign as {domain} (DKIM): {messages} messages fail",
    StepKind.ALIGN: "sign what {address} sends (DKIM): {messages} messages fail",
    StepKind.FIND_OUT: "find out whether {name} writes for you; if so, let it sign as {domain}",
    StepKind.RAISE_POLICY: "nothing here: a policy of quarantine or reject stops it",
    StepKind.KEPT_OUT: "nothing: your policy keeps it out",
    "alert.new source": "new source {name} ({state}), {messages} messages",
    "alert.failing key": "the key {selector} fails: {messages} messages",
    "alert.drop": "of your own mail {now} % pass, after {before} %",
    "alert.tls failures": "TLS with you failed for {org}: {sessions} sessions",
    "columns": "SOURCE,STATE,ADDRESSES,MESSAGES,PASS,DKIM,SPF,LAST",
    "steps": "SOURCE,NEXT STEP",
    "advice.mend": "sources that need a step before the policy can be raised: {count}",
    "advice.raise": "nothing is in the way of p={policy}: first simulate it for {domain}",
    "advice.wait": "wait before the policy rises: the reports cover days: {days}; needed: {enough}",
    "advice.done": "the policy is reject: only new sources need a look",
    "none": "no reports about {domain} are stored",
    "summary.columns": "DOMAIN,POLICY,REPORTS,FROM,MESSAGES,PASS,FAIL,SOURCES,TO DO",
    "summary.none": "no reports are stored",
    "unreadable": "unreadable: {count}; postier dmarc export --what unreadable lists them",
    "failures": "failure reports: {count}",
    "tls": "TLS sessions with you: {sessions}, failed: {failed}, reporters: {orgs}",
    "simulate.head": "{domain}, the last {days} days, {what}:",
    "simulate.policy": "p={policy}",
    "simulate.below": "sp={policy}",
    "simulate.strict": "strict alignment",
    "simulate.strict one": "strict alignment of {which}",
    "simulate.spf": "the SPF record {record}",
    "simulate.pass": "{count} of {all} messages would pass ({share})",
    "simulate.none": "{count} would fail, and nothing would happen to them",
    "simulate.quarantine": "{count} would go to junk folders ({share})",
    "simulate.reject": "{count} would be refused ({share})",
    "simulate.now": "{count} fail as things are",
    "simulate.forwarded": "{count} of them came by forwarders or lists, where many receivers make exceptions",
    "simulate.columns": "SOURCE,STATE,MESSAGES,NEXT STEP",
    "simulate.safe": "nothing that is yours or known would be lost",
}
_FR: Words = {
    SourceState.OURS: "à nous",
    SourceState.SERVICE: "service connu",
    SourceState.FORWARDER: "redirection",
    SourceState.UNKNOWN: "inconnu",
    SourceState.ABUSE: "abus",
    StepKind.NOTHING: "rien : tout va bien",
    StepKind.CARRIED: "rien : une redirection, DKIM la porte",
    StepKind.PUBLISH_KEY: "publier la clé {selector}._domainkey.{domain} : elle manque à {messages} messages",
    StepKind.CHECK_KEY: "comparer la clé {selector}._domainkey.{domain} à celle de {name} ({messages})",
    StepKind.ADD_INCLUDE: "ajouter include:{include} au SPF, et faire signer {name} pour {domain}",
    StepKind.ADD_ADDRESS: "si {address} est à vous, l'ajouter au SPF, ou signer ce qu'elle envoie",
    StepKind.LET_SIGN: "faire signer {name} pour {domain} (DKIM) : {messages} messages échouent",
    StepKind.ALIGN: "signer ce que {address} envoie (DKIM) : {messages} messages échouent",
    StepKind.FIND_OUT: "demander si {name} écrit pour vous ; si oui, le faire signer pour {domain}",
    StepKind.RAISE_POLICY: "rien ici : une politique quarantine ou reject l'arrête",
    StepKind.KEPT_OUT: "rien : votre politique l'arrête",
    "alert.new source": "nouvelle source {name} ({state}), {messages} messages",
    "alert.failing key": "la clé {selector} échoue : {messages} messages",
    "alert.drop": "de votre courrier, {now} % est bon, après {before} %",
    "alert.tls failures": "TLS avec vous a échoué pour {org} : {sessions} sessions",
    "columns": "SOURCE,ÉTAT,ADRESSES,MESSAGES,BONS,DKIM,SPF,DERNIER",
    "steps": "SOURCE,À FAIRE",
    "advice.mend": "sources qui demandent un pas avant que la politique monte : {count}",
    "advice.raise": "rien n'empêche p={policy} : le simuler d'abord pour {domain}",
    "advice.wait": "attendre avant de monter la politique : jours de rapports : {days}, il en faut {enough}",
    "advice.done": "la politique est reject : seules les nouvelles sources sont à regarder",
    "none": "aucun rapport sur {domain}",
    "summary.columns": "DOMAINE,POLITIQUE,RAPPORTS,RAPPORTEURS,MESSAGES,BONS,ÉCHECS,SOURCES,À FAIRE",
    "summary.none": "aucun rapport",
    "unreadable": "illisibles : {count} ; postier dmarc export --what unreadable les montre",
    "failures": "rapports d'échec : {count}",
    "tls": "sessions TLS avec vous : {sessions}, en échec : {failed}, rapporteurs : {orgs}",
    "simulate.head": "{domain}, {days} derniers jours, {what} :",
    "simulate.policy": "p={policy}",
    "simulate.below": "sp={policy}",
    "simulate.strict": "alignement strict",
    "simulate.strict one": "alignement strict de {which}",
    "simulate.spf": "l'enregistrement SPF {record}",
    "simulate.pass": "{count} messages sur {all} passeraient ({share})",
    "simulate.none": "{count} échoueraient, sans suite",
    "simulate.quarantine": "{count} iraient parmi les indésirables ({share})",
    "simulate.reject": "{count} seraient refusés ({share})",
    "simulate.now": "{count} échouent aujourd'hui",
    "simulate.forwarded": "dont {count} redirigés ou de listes, que beaucoup acceptent par exception",
    "simulate.columns": "SOURCE,ÉTAT,MESSAGES,À FAIRE",
    "simulate.safe": "rien de ce qui est à vous ou connu ne serait perdu",
}
LANGUAGES: Mapping[str, Words] = {"en": _EN, "fr": _FR}


def words(language: str, key: str, **facts: object) -> str:
    return LANGUAGES[language][key].format(**facts)


def alert_words(language: str, alert: ReportAlert) -> str:
    facts = dict(alert.facts)
    if "state" in facts:
        facts["state"] = LANGUAGES[language].get(facts["state"], facts["state"])
    return LANGUAGES[language][f"alert.{alert.kind}"].format(**facts)


def state_words(language: str, state: SourceState) -> str:
    return LANGUAGES[language][state]


def step_words(language: str, source: Source) -> str:
    return LANGUAGES[language][source.step].format(**source.facts)

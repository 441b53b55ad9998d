"""The one table of figures that /metrics shows, named as Prometheus wants them; docs/metrics.md explains
each.

A new figure is a row here, a line where it is counted, and a row in that page (a test compares them).
"""

from __future__ import annotations

from postier.base.figures import Counter, Gauge, Histogram

__all__ = [
    "ACCEPTANCE",
    "ATTEMPTS",
    "CONNECTIONS",
    "CONNECTIONS_OPEN",
    "CONNECTIONS_REFUSED",
    "COUNTERS",
    "DELIVERY",
    "GAUGES",
    "HISTOGRAMS",
    "LOGINS",
    "MESSAGES",
    "OUTBOUND_TLS",
    "RECIPIENTS",
    "REPORTS",
    "STEPS_DROPPED",
    "TLS_HANDSHAKES",
    "WORKER_PROCESS",
    "WORKER_STARTS",
    "tls_version",
]

_ROLES = ("mx", "submission", "lmtp")
_VERDICTS = ("accepted", "refused", "deferred")
_SERVICES = ("smtp", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s", "https", "other")
_TLS = ("TLSv1.2", "TLSv1.3", "other")
_NONE_OR_TLS = ("none", *_TLS)

MESSAGES = Counter(
    "postier_messages",
    "Messages, and MAIL commands, that were accepted, refused for good, or deferred.",
    role=_ROLES,
    verdict=_VERDICTS,
)
RECIPIENTS = Counter(
    "postier_recipients",
    "Recipients of messages that were accepted, and RCPT commands that were refused or deferred.",
    role=_ROLES,
    verdict=_VERDICTS,
)
ATTEMPTS = Counter(
    "postier_delivery_attempts",
    "Attempts to hand a message on, for each recipient, by what came of it.",
    outcome=("delivered", "temporary", "permanent", "expired"),
)
REPORTS = Counter(
    "postier_reports",
    "Reports to senders that were posted, by the worst they tell of.",
    action=("failed", "delayed", "relayed", "delivered", "expanded", "other"),
)
OUTBOUND_TLS = Counter(
    "postier_outbound_tls",
    "Attempts that reached a host, for each recipient, by the TLS version spoken there.",
    version=_NONE_OR_TLS,
)
ACCEPTANCE = Histogram(
    "postier_acceptance_seconds",
    "From the first octet of a message to our 250.",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    role=_ROLES,
)
DELIVERY = Histogram(
    "postier_delivery_seconds",
    "From the arrival of a message to the 250 of the next server, for each recipient.",
    (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0, 432000.0),
)
CONNECTIONS = Counter("postier_connections", "Connections that were let in.", service=_SERVICES)
CONNECTIONS_REFUSED = Counter(
    "postier_connections_refused", "Connections that were turned away: too many of them.", service=_SERVICES
)
TLS_HANDSHAKES = Counter(
    "postier_tls_handshakes", "TLS handshakes with clients that succeeded.", version=_TLS
)
LOGINS = Counter(
    "postier_logins",
    "Logins: failed ones had a wrong name or password, refused ones had too many of them before.",
    protocol=("imap", "pop3", "submission", "other"),
    result=("success", "failed", "refused"),
)
STEPS_DROPPED = Counter("postier_steps_dropped", "Steps that are missing in the stories of messages.")
WORKER_STARTS = Counter("postier_worker_starts", "Worker processes that were started.")
CONNECTIONS_OPEN = Gauge("postier_connections_open", "Connections that are open now.", service=_SERVICES)
WORKER_PROCESS = Gauge("postier_worker_process", "The process id of each worker, from which others come.")

COUNTERS = (
    MESSAGES,
    RECIPIENTS,
    ATTEMPTS,
    REPORTS,
    OUTBOUND_TLS,
    CONNECTIONS,
    CONNECTIONS_REFUSED,
    TLS_HANDSHAKES,
    LOGINS,
    STEPS_DROPPED,
    WORKER_STARTS,
)
GAUGES = (CONNECTIONS_OPEN,)
HISTOGRAMS = (ACCEPTANCE, DELIVERY)


def tls_version(words: str) -> str:
    """Of "version cipher", as steps and results have it; "none" for ""."""
    return words.partition(" ")[0] or "none"

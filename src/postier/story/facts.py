"""The facts a step may have: the one table of their names.

All values are text. A fact that is not known is left out. `sender` and `recipient` are addresses as they were
on the wire, "<>" for the null reverse-path, `message_id` is without the angle brackets: a story is found by
them.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FACTS"]

FACTS: Mapping[str, str] = {
    "sender": "the reverse-path",
    "recipient": "the forward-path this step is about",
    "recipients": "how many recipients",
    "message_id": "the Message-ID of the header",
    "session": "the connection of ours, as log lines name it",
    "role": "mx, submission or lmtp: at which of our doors",
    "peer": "the IP address on the other side of our door",
    "helo": "the name the client gave itself",
    "login": "who had logged in",
    "verb": "the command that was answered",
    "size": "octets of the message with what we added",
    "tls": "TLS version and cipher; left out for clear text",
    "policy": "why TLS was asked for as it was: opportunistic, dane, mta-sts, requiretls, a contract",
    "spf": "verdict and domain",
    "dkim": "verdict and domain of each signature",
    "dmarc": "verdict, domain and the policy of the domain",
    "arc": "verdict on the chain of those who handed the message on, and who sealed it last",
    "used": "how much of what its sender may send in a day is used, from 80 % on",
    "marks": "what checks noted about a message that they let through",
    "reply": "what was said: by the remote host, or by us where there was none",
    "reason": "why, in words for the administrator",
    "status": "the enhanced status code (RFC 3463)",
    "remote": "the host that said so: name [address]:port",
    "destination": "domain or address literal of the recipients",
    "entry": "number of the queue entry",
    "attempt": "which attempt it was, from 1",
    "next_attempt": "when the next attempt is due, seconds since 1970",
    "until": "a moment something ends or begins at, seconds since 1970",
    "account": "number of the account, which is told by its name",
    "mailbox": "name of the mailbox",
    "report": "trace id of the report that tells the sender",
    "about": "trace id of the message a report is about",
    "by": "who did it: a person or a program",
}

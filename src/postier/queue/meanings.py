"""One sentence of meaning for a status code (RFC 3463, RFC 5248, RFC 7372), for people who never saw one."""

from __future__ import annotations

__all__ = ["meaning"]

_EXACT = {
    "1.1": "This address does not exist there. Please check it for typing errors.",
    "1.2": "The part after the @ is not a mail domain. Please check it for typing errors.",
    "1.3": "The address is not written correctly.",
    "1.6": "The person has moved and left no new address.",
    "1.10": "This domain says that it receives no mail at all.",
    "2.1": "The mailbox is switched off.",
    "2.2": "The mailbox is full.",
    "2.3": "The message is larger than this mailbox accepts.",
    "2.4": "The address is a mailing list that could not be expanded.",
    "3.1": "The receiving server has no space left.",
    "3.4": "The message is larger than the receiving server accepts.",
    "4.1": "The receiving server did not answer.",
    "4.2": "The connection to the receiving server broke.",
    "4.3": "The directory of mail servers (DNS) did not answer for this domain.",
    "4.4": "No mail server was found for this domain.",
    "4.6": "The message would go round in circles: a forwarding or a mail server is set up wrongly.",
    "4.7": "The message could not be delivered in the time it had.",
    "5.3": "The receiving server does not take so many recipients at once.",
    "6.7": "The receiving server does not support addresses or headers with letters beyond ASCII.",
    "7.1": "The receiving server refused the message because of its rules.",
    "7.4": "The receiving server offers no encryption, and its rules or yours require it.",
    "7.5": "No trusted encrypted connection to the receiving server was possible.",
    "7.23": "The receiving server refused it because the SPF check failed.",
    "7.25": "The receiving server refused it because our address has no reverse DNS entry.",
    "7.26": "The receiving server refused it because sender authentication (SPF, DKIM, DMARC) failed.",
    "7.27": "The receiving server refused it because the sender's domain receives no mail.",
}
_SUBJECT = {
    "1": "There is something wrong with the address.",
    "2": "The mailbox cannot take the message.",
    "3": "The receiving server has a fault.",
    "4": "There is a fault on the way to the receiving server.",
    "5": "The two servers did not understand each other.",
    "6": "The receiving server cannot handle the content of the message.",
    "7": "The receiving server refused the message because of its rules.",
}
_CLASS = {
    "2": "The message was handed on.",
    "4": "The receiving server cannot take the message for the moment.",
    "5": "The receiving server refused the message.",
}


def meaning(status: str) -> str:
    """For any status of the form c.s.d; a known detail before a known subject before the class."""
    kind, _, rest = status.partition(".")
    if kind == "2":
        return _CLASS[kind]
    return _EXACT.get(rest) or _SUBJECT.get(rest.partition(".")[0]) or _CLASS.get(kind, _CLASS["4"])

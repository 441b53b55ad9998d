"""Sending and finding mail, for the chapters."""

from __future__ import annotations

import datetime
import random
import re
import smtplib
import time
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from postier.demo.clients import ImapClient, PopClient
from postier.demo.world import PASSWORD, DemoError, Organisation

__all__ = ["arrival", "compose", "fetched", "imap", "pop", "reply_to_data", "submit", "submit_tls"]

_UIDS = re.compile(rb"\d+")


def compose(sender: str, recipients: list[str], subject: str, text: str, attachment: int = 0) -> EmailMessage:
    """A message with its Message-ID and Date; `attachment` octets of noise where asked for."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.datetime.now(datetime.UTC))
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip(">"))
    message.set_content(text)
    if attachment:
        noise = random.Random(attachment).randbytes(attachment)
        message.add_attachment(noise, maintype="application", subtype="pdf", filename="récolte.pdf")
    return message


def submit(organisation: Organisation, person: str) -> smtplib.SMTP:
    """Logged in on 587 after STARTTLS."""
    client = smtplib.SMTP(organisation.address, organisation.port(587), timeout=60)
    client.starttls(context=organisation.tls())
    client.login(f"{person}@{organisation.domain}", PASSWORD)
    return client


def submit_tls(organisation: Organisation, person: str) -> smtplib.SMTP:
    """Logged in on 465."""
    client = smtplib.SMTP_SSL(
        organisation.address, organisation.port(465), context=organisation.tls(), timeout=60
    )
    client.login(f"{person}@{organisation.domain}", PASSWORD)
    return client


def reply_to_data(client: smtplib.SMTP, sender: str, recipients: list[str], data: bytes) -> str:
    """Send one message; the server's reply to the end of data, or to what it refused before."""
    for verb, code, text in _transaction(client, sender, recipients):
        if code >= 400:
            client.rset()
            return f"{verb}: {code} {text}"
    try:
        code, answer = client.data(data)
    except smtplib.SMTPDataError as error:
        code, answer = error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""
    return f"{code} {answer.decode('utf-8', 'replace')}"


def _transaction(client: smtplib.SMTP, sender: str, recipients: list[str]) -> list[tuple[str, int, str]]:
    client.ehlo_or_helo_if_needed()
    code, text = client.mail(sender)
    seen = [("MAIL", code, text.decode("utf-8", "replace"))]
    for recipient in recipients:
        code, text = client.rcpt(recipient)
        seen.append(("RCPT", code, text.decode("utf-8", "replace")))
    return seen


def imap(organisation: Organisation, person: str) -> ImapClient:
    """Logged in over IMAPS."""
    address = (organisation.address, organisation.port(993))
    user = f"{person}@{organisation.domain}"
    return ImapClient(address, organisation.tls(), organisation.hostname, user, PASSWORD)


def pop(organisation: Organisation, person: str) -> PopClient:
    """Logged in over POP3S."""
    address = (organisation.address, organisation.port(995))
    user = f"{person}@{organisation.domain}"
    return PopClient(address, organisation.tls(), organisation.hostname, user, PASSWORD)


def arrival(
    organisation: Organisation,
    person: str,
    header: str,
    value: str,
    *,
    mailbox: str = "INBOX",
    seconds: float = 30.0,
) -> bytes:
    """The whole message whose header field holds `value`, once it is there. Raises DemoError."""
    deadline = time.monotonic() + seconds
    with imap(organisation, person) as client:
        client.must(f"SELECT {mailbox}")
        while time.monotonic() < deadline:
            found = client.must(f'UID SEARCH HEADER {header} "{value}"')
            uids = [uid for line in found if b"SEARCH" in line for uid in _UIDS.findall(line)]
            if uids:
                return fetched(client.must(f"UID FETCH {uids[-1].decode()} BODY.PEEK[]"))
            time.sleep(0.1)
            client.must("NOOP")
    raise DemoError(f"no message with {header}: {value} for {person} within {seconds:.0f} s")


def fetched(responses: list[bytes]) -> bytes:
    """The literal of the first FETCH response that has one. Raises DemoError."""
    for response in responses:
        head, brace, rest = response.partition(b"{")
        size, _, data = rest.partition(b"}\r\n")
        if brace and b" FETCH " in head and size.isdigit():
            return data[: int(size)]
    raise DemoError("no literal in the answer to FETCH")

"""Services that send mail for many, and by what they show themselves in reports.

The table only gives names and better advice; a service that is not in it is found by its reverse DNS.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["SERVICES", "Service", "service_of_include", "service_of_name", "site_of"]


class Service(NamedTuple):
    """`includes`: what its customers put into their SPF record, the usual one first; `names`: domains of its
    hosts' names and of its own signatures."""

    name: str
    includes: tuple[str, ...]
    names: tuple[str, ...]


SERVICES = (
    Service("Amazon SES", ("amazonses.com",), ("amazonses.com", "smtp-out.amazonses.com")),
    Service("Brevo", ("spf.brevo.com", "spf.sendinblue.com"), ("brevo.com", "sendinblue.com", "mailin.fr")),
    Service("Campaign Monitor", ("_spf.createsend.com",), ("createsend.com", "cmail19.com", "cmail20.com")),
    Service("Constant Contact", ("spf.constantcontact.com",), ("constantcontact.com", "ccsend.com")),
    Service("Fastmail", ("spf.messagingengine.com",), ("messagingengine.com", "fastmail.com")),
    Service("Freshdesk", ("email.freshdesk.com",), ("freshdesk.com", "freshemail.io")),
    Service("Gandi", ("_mailcust.gandi.net",), ("gandi.net", "mail.gandi.net")),
    Service("Google Workspace", ("_spf.google.com",), ("google.com", "googlemail.com", "gappssmtp.com")),
    Service("HubSpot", ("hubspotemail.net",), ("hubspotemail.net", "hubspot.com", "hs-send.com")),
    Service("Infomaniak", ("spf.infomaniak.ch",), ("infomaniak.ch", "infomaniak.com")),
    Service("IONOS", ("_spf.perfora.net", "_spf.kundenserver.de"), ("kundenserver.de", "perfora.net")),
    Service("Klaviyo", ("_spf.klaviyo.com",), ("klaviyomail.com", "klaviyo.com")),
    Service("Mailchimp", ("servers.mcsv.net",), ("mcsv.net", "mcdlv.net", "rsgsv.net", "mailchimp.com")),
    Service("Mailchimp Transactional", ("spf.mandrillapp.com",), ("mandrillapp.com",)),
    Service("Mailgun", ("mailgun.org",), ("mailgun.org", "mailgun.net", "mailgun.com")),
    Service("Mailjet", ("spf.mailjet.com",), ("mailjet.com",)),
    Service("MessageLabs", ("spf.messagelabs.com",), ("messagelabs.com",)),
    Service("Microsoft 365", ("spf.protection.outlook.com",), ("outlook.com", "onmicrosoft.com")),
    Service("Mimecast", ("_netblocks.mimecast.com",), ("mimecast.com", "mimecast.co.za")),
    Service("OVHcloud", ("mx.ovh.com",), ("ovh.net", "ovh.com")),
    Service("Postmark", ("spf.mtasv.net",), ("mtasv.net", "postmarkapp.com", "pmta.mtasv.net")),
    Service("Proofpoint", ("spf-00148501.pphosted.com",), ("pphosted.com", "ppe-hosted.com")),
    Service("Proton Mail", ("_spf.protonmail.ch",), ("protonmail.ch", "proton.ch")),
    Service("Salesforce", ("_spf.salesforce.com",), ("salesforce.com", "exacttarget.com")),
    Service("SendGrid", ("sendgrid.net",), ("sendgrid.net", "sendgrid.info", "sendgrid.com")),
    Service("Shopify", ("shops.shopify.com",), ("shopify.com", "shopifyemail.com")),
    Service("SparkPost", ("_spf.sparkpostmail.com",), ("sparkpostmail.com", "e.sparkpost.com")),
    Service("Zendesk", ("mail.zendesk.com",), ("zendesk.com",)),
    Service("Zoho", ("zoho.com", "zoho.eu", "one.zoho.com"), ("zoho.com", "zoho.eu", "zohomail.com")),
)

_BY_INCLUDE = {include: service for service in SERVICES for include in service.includes}
_BY_NAME = {name: service for service in SERVICES for name in service.names}
_SECOND_LEVELS = frozenset(
    ("ac", "asso", "co", "com", "edu", "gob", "gouv", "gov", "ltd", "net", "org", "plc", "sch")
)


def service_of_include(domain: str) -> Service | None:
    return _BY_INCLUDE.get(domain.lower())


def service_of_name(name: str) -> Service | None:
    """By a host's name, or the domain of a signature or envelope."""
    labels = name.lower().split(".")
    return next(
        (found for at in range(len(labels) - 1) if (found := _BY_NAME.get(".".join(labels[at:])))), None
    )


def site_of(name: str) -> str:
    """The part of a host's name that tells who runs it: two labels, three where the second is of the kind of
    "co.uk". A guess for display and for gathering addresses, never for a verdict."""
    labels = name.lower().split(".")
    if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS:
        return ".".join(labels[-3:])
    return ".".join(labels[-2:])

"""What the usual kinds of directories are like, and whether what an administrator said of one makes sense."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from postier.base.address import Address
from postier.base.domain import Domain
from postier.ldap.wire.core import BadFilter, check_filter
from postier.ldap.wire.text import fill, parse_server
from postier.store.api import DirectoryGroup, DirectoryLogin, LdapDirectory

__all__ = ["KINDS", "BadDirectory", "check_directory", "filled"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9.-]{0,127}")
MAX_GROUPS = 200
PLACES: Mapping[str, str] = {"address": "a@b.test", "user": "a", "domain": "b.test"}

KINDS: Mapping[str, Mapping[str, Any]] = {
    "openldap": {
        "people": "(&(objectClass=inetOrgPerson)(mail=*))",
        "login_attributes": ("mail", "mailAlternateAddress"),
        "address_attributes": ("mail", "mailAlternateAddress"),
        "id_attribute": "entryUUID",
        "name_attributes": ("displayName", "cn"),
        "language_attribute": "preferredLanguage",
    },
    "active-directory": {
        "people": "(&(objectCategory=person)(objectClass=user)(|(mail=*)(proxyAddresses=*)))",
        "login_attributes": ("mail", "proxyAddresses", "userPrincipalName"),
        "address_attributes": ("proxyAddresses", "mail"),
        "id_attribute": "objectGUID",
        "name_attributes": ("displayName", "cn"),
        "language_attribute": "preferredLanguage",
        "in_chain": True,
    },
}
"""What each kind has where nothing else is said."""


class BadDirectory(ValueError):
    """What is wrong with it, for a person."""


def filled(directory: LdapDirectory) -> LdapDirectory:
    """With what its kind has where nothing was said."""
    usual = KINDS[directory.kind or "openldap"]
    return replace(
        directory, **{name: value for name, value in usual.items() if not getattr(directory, name)}
    )


def check_directory(directory: LdapDirectory, others: Sequence[LdapDirectory] = ()) -> None:
    """Raises BadDirectory. `others`: which may be of the same name, then it takes that one's place."""
    try:
        _check(directory)
    except BadFilter as error:
        raise BadDirectory(str(error)) from None
    except BadDirectory:
        raise
    except ValueError as error:
        raise BadDirectory(str(error)) from None
    for other in others:
        shared = set(other.domains) & set(directory.domains)
        if other.name != directory.name and shared:
            raise BadDirectory(f"{min(shared)} comes from the directory {other.name} already")


def _check(directory: LdapDirectory) -> None:
    if not _NAME.fullmatch(directory.name):
        raise BadDirectory(f"{directory.name!r} is no name: letters, digits, '.', '_' and '-'")
    servers = [parse_server(url) for url in directory.servers]
    if not servers:
        raise BadDirectory("name a server, such as ldaps://ldap.example.org")
    if directory.clear and any(server.implicit_tls for server in servers):
        raise BadDirectory("ldaps:// is TLS: nothing crosses it in clear")
    if not directory.domains:
        raise BadDirectory("name the domain whose people come from there")
    for domain in directory.domains:
        if Domain.parse(domain).ascii != domain:
            raise BadDirectory(f"{domain} is not written as the DNS has it")
    if not directory.base:
        raise BadDirectory("name the entry below which people are, such as dc=example,dc=org")
    if bool(directory.bind_dn) != bool(directory.password):
        raise BadDirectory("the account that reads the directory needs a name and a password")
    for text in (directory.people, directory.mail_groups):
        if text:
            check_filter(text)
    names = (*directory.login_attributes, *directory.address_attributes, *directory.name_attributes)
    single = (directory.id_attribute, directory.quota_attribute, directory.language_attribute)
    for name in (*names, *filter(None, single)):
        if not _ATTRIBUTE.fullmatch(name):
            raise BadDirectory(f"{name!r} is no name of an attribute")
    _check_login(directory)
    _check_groups(directory.groups)


def _check_login(directory: LdapDirectory) -> None:
    if (directory.login is DirectoryLogin.BIND) != bool(directory.template):
        raise BadDirectory("a template for names, and logins by it, belong together")
    if directory.template and fill(directory.template, PLACES) == directory.template:
        raise BadDirectory("the template names nobody: it needs {user} or {address}")
    if not directory.id_attribute:
        raise BadDirectory("name the attribute that never changes for a person, such as entryUUID")


def _check_groups(groups: Sequence[DirectoryGroup]) -> None:
    if len(groups) > MAX_GROUPS:
        raise BadDirectory(f"{MAX_GROUPS} groups are the most")
    for group in groups:
        if not group.dn:
            raise BadDirectory("name the group")
        Address.parse(group.address)

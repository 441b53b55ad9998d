"""Reading a directory: all its people, and who is in the groups that matter here.

Everything is read before anything is changed. An answer that is not whole raises LdapUnavailable.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from postier.directories.entry import EntryProblem, Person, entry_id, person_of, wanted
from postier.ldap.client import LdapConnection, LdapUnavailable, Terms, open_connection
from postier.ldap.wire.core import Entry
from postier.ldap.wire.text import dn_key, filter_value, parse_server
from postier.store.api import LdapDirectory

__all__ = ["MAX_PEOPLE", "Listing", "MailGroup", "as_reader", "read_listing"]

MAX_PEOPLE = 200_000
MAX_MAIL_GROUPS = 5000
MAX_NESTED = 1000
"""Groups within one group that are looked at."""
MAX_RANGES = 1000
READ_SECONDS = 600.0
NESTED = "1.2.840.113556.1.4.1941"
"""Active Directory's comparison that follows groups within groups."""
GROUP_ATTRIBUTES = ("member", "uniqueMember", "memberUid")
_RANGE = re.compile(r"member;range=([0-9]{1,9})-([0-9]{1,9}|\*)")


@dataclass(frozen=True, slots=True)
class MailGroup:
    """A group that has an address of ours. `members`: entry ids."""

    dn: str
    address: str
    members: frozenset[str]


@dataclass(slots=True)
class Listing:
    """What a directory holds now. `seen`: the ids of all entries of people, also of those that are nobody of
    ours. `members`: by the name of each group of the plan the ids of its members, None where it is gone."""

    people: list[Person] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    members: dict[str, frozenset[str] | None] = field(default_factory=dict)
    mail_groups: list[MailGroup] = field(default_factory=list)


async def read_listing(directory: LdapDirectory, terms: Terms) -> Listing:
    """From the first server that answers. Raises LdapUnavailable."""
    doubt = LdapUnavailable("no server")
    for url in directory.servers:
        try:
            async with asyncio.timeout(READ_SECONDS):
                connection = await open_connection(parse_server(url), terms)
                try:
                    await as_reader(directory, connection)
                    return await _Reading(directory, connection).all()
                finally:
                    connection.close()
        except TimeoutError:
            doubt = LdapUnavailable(f"{url} does not tell all within {READ_SECONDS:g} s")
        except LdapUnavailable as error:
            doubt = error
    raise doubt


async def as_reader(directory: LdapDirectory, connection: LdapConnection) -> None:
    """With the rights of the account that may read; nobody's, where there is none. Raises LdapUnavailable."""
    if directory.bind_dn and connection.bound_as != directory.bind_dn:
        result = await connection.bind(directory.bind_dn, directory.password)
        if result.code:
            words = f"{result.text or 'no reason given'} (result {result.code})"
            raise LdapUnavailable(f"{connection.server} does not let {directory.bind_dn} in: {words}")


class _Reading:
    """One pass through a directory."""

    def __init__(self, directory: LdapDirectory, connection: LdapConnection) -> None:
        self._directory = directory
        self._connection = connection
        self._ids: dict[str, str] = {}
        self._uids: dict[str, str] = {}
        self._found = Listing()

    async def all(self) -> Listing:
        directory, found = self._directory, self._found
        async for entry in self._connection.search_all(
            directory.base, directory.people, wanted(directory), most=MAX_PEOPLE
        ):
            self._take(entry)
        for dn in dict.fromkeys(group.dn for group in directory.groups):
            found.members[dn] = await self._members_named(dn)
            if found.members[dn] is None:
                found.problems.append(f"the group {dn} is not there: what it gave stays as it is")
        if directory.mail_groups:
            await self._mail_groups()
        return found

    def _take(self, entry: Entry) -> None:
        try:
            known = entry_id(self._directory, entry)
            self._found.seen.add(known)
            self._ids[dn_key(entry.dn)] = known
            for uid in entry.attributes.get("uid", ()):
                self._uids[uid.decode(errors="replace").casefold()] = known
            self._found.people.append(person_of(self._directory, entry))
        except EntryProblem as problem:
            self._found.problems.append(str(problem))

    async def _mail_groups(self) -> None:
        directory = self._directory
        attributes = (*GROUP_ATTRIBUTES, *directory.address_attributes, directory.id_attribute)
        groups = [
            entry
            async for entry in self._connection.search_all(
                directory.base, directory.mail_groups, attributes, most=MAX_MAIL_GROUPS
            )
        ]
        for entry in groups:
            try:
                person = person_of(directory, entry)
            except EntryProblem:
                continue  # a group without an address of ours
            members = await self._members(entry)
            self._found.mail_groups.append(MailGroup(entry.dn, person.main, members))

    async def _members_named(self, dn: str) -> frozenset[str] | None:
        found = await self._connection.search(dn, "(objectClass=*)", GROUP_ATTRIBUTES, only_base=True)
        return await self._members(found[0]) if found else None

    async def _members(self, group: Entry) -> frozenset[str]:
        if self._directory.in_chain:
            nested = f"(&{self._directory.people}(memberOf:{NESTED}:={filter_value(group.dn)}))"
            attributes = (self._directory.id_attribute,)
            return frozenset(
                [
                    entry_id(self._directory, entry)
                    async for entry in self._connection.search_all(
                        self._directory.base, nested, attributes, most=MAX_PEOPLE
                    )
                ]
            )
        return await self._walk(group)

    async def _walk(self, group: Entry) -> frozenset[str]:
        """The people in the group and in the groups within; each group once, so that circles end."""
        people, seen, todo = set[str](), {dn_key(group.dn)}, [group]
        while todo:
            entry = todo.pop()
            for uid in entry.attributes.get("memberuid", ()):
                if (known := self._uids.get(uid.decode(errors="replace").casefold())) is not None:
                    people.add(known)
            for member in await self._values(entry):
                key = dn_key(member)
                if (known := self._ids.get(key)) is not None:
                    people.add(known)
                elif key not in seen and len(seen) <= MAX_NESTED:
                    seen.add(key)
                    todo += await self._connection.search(
                        member, "(objectClass=*)", GROUP_ATTRIBUTES, only_base=True
                    )
        if len(seen) > MAX_NESTED:
            raise LdapUnavailable(f"{group.dn} holds more than {MAX_NESTED} groups and strangers")
        return frozenset(people)

    async def _values(self, entry: Entry) -> Sequence[str]:
        """Of member and uniqueMember; all of them, where the server gives some at a time."""
        found = list(_decoded(entry, "member")) + list(_decoded(entry, "uniquemember"))
        for _ in range(MAX_RANGES):
            ranges = [m for name in entry.attributes if (m := _RANGE.fullmatch(name)) is not None]
            if not ranges:
                return found
            found += _decoded(entry, ranges[0][0])
            if ranges[0][2] == "*":
                return found
            following = f"member;range={int(ranges[0][2]) + 1}-*"
            answer = await self._connection.search(entry.dn, "(objectClass=*)", (following,), only_base=True)
            if not answer:
                break
            entry = answer[0]
        raise LdapUnavailable(f"{entry.dn} does not tell all its members")


def _decoded(entry: Entry, name: str) -> Iterator[str]:
    for value in entry.attributes.get(name, ()):
        yield value.decode(errors="replace")

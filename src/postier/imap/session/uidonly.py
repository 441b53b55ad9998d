"""Message sequence numbers in commands: a client that enabled UIDONLY may not use them (RFC 9586 3)."""

from __future__ import annotations

from postier.imap.session.context import Context
from postier.imap.session.errors import Bad
from postier.imap.wire.values import Command, SearchKey, Select, SequenceSet

__all__ = ["refuse_numbers", "uses_numbers"]


def refuse_numbers(context: Context, command: Command) -> None:
    """Raises Bad [UIDREQUIRED] where the client has no sequence numbers and the command uses them."""
    if "UIDONLY" in context.enabled and uses_numbers(command):
        raise Bad("UIDONLY is enabled: use UIDs", "UIDREQUIRED")


def uses_numbers(command: Command) -> bool:
    """The command counts in sequence numbers: FETCH and its kin without UID, a set among search keys, the
    sequence match data of QRESYNC."""
    if isinstance(command, Select):
        return command.qresync is not None and command.qresync[3] is not None
    if not getattr(command, "by_uid", True):
        return True
    key = getattr(command, "key", None)
    return isinstance(key, SearchKey) and _names_numbers(key)


def _names_numbers(key: SearchKey) -> bool:
    """ "$" stands for messages, however they were found (RFC 5182)."""
    if key.name == "SEQUENCE":
        return any(isinstance(argument, SequenceSet) and not argument.saved for argument in key.arguments)
    return any(_names_numbers(argument) for argument in key.arguments if isinstance(argument, SearchKey))

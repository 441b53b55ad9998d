"""How a SASL exchange is run, whichever protocol carries it.

A door knows how to send a challenge and to get its answer; the mechanism knows the messages; Login knows
who may come in. Whatever MECHANISMS has is offered by every door.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from postier.accounts.entry import Door, Entry, InvalidCredentials, LoginRefused
from postier.accounts.login import Login
from postier.sasl.api import Challenge, Exchange, Proof, SaltWanted, Step
from postier.sasl.mechanisms import MECHANISMS

__all__ = ["Ask", "run_exchange"]

Ask = Callable[[bytes], Awaitable[bytes]]
"""Sends a challenge, returns the client's answer. Raises what its door raises where the client gives up."""


async def run_exchange(login: Login, door: Door, mechanism: str, initial: bytes | None, ask: Ask) -> Entry:
    """Who the client turned out to be. `mechanism` is one of `login.mechanisms(door)`.

    Raises SaslError, LoginRefused, StoreError, and whatever `ask` raises.
    """
    exchange = MECHANISMS[mechanism].make(door.channel)
    proof = await _proof(login, door, exchange, exchange.start(initial), ask)
    try:
        entry, answer = await login.prove(proof, door)
    except LoginRefused as refused:
        said = exchange.refused(refused.facts if isinstance(refused, InvalidCredentials) else {})
        if said is not None:
            await ask(said)
        raise
    said = exchange.accepted(answer)
    if said is not None:
        await ask(said)
    return entry


async def _proof(login: Login, door: Door, exchange: Exchange, step: Step, ask: Ask) -> Proof:
    while True:
        match step:
            case Challenge(data):
                step = exchange.respond(await ask(data))
            case SaltWanted(name):
                step = exchange.salted(await login.scram_salt(name, door))
            case _:
                return step

"""Our account at an authority: its key is in the store before the authority hears of it, so that a crash in
between leads to the same account again (RFC 8555 7.3.1)."""

from __future__ import annotations

from dataclasses import replace

from postier.acme.client import AcmeClient, in_thread
from postier.acme.keys import make_key
from postier.acme.plan import AcmePlan
from postier.acme.problems import AcmeProblem
from postier.acme.services import AcmeServices
from postier.store.api import AcmeAccount

__all__ = ["forget_account", "open_account", "told_authorities"]


async def open_account(services: AcmeServices, plan: AcmePlan) -> tuple[AcmeClient, AcmeAccount]:
    """A client that speaks for our account, which is made or told of another contact where that is due.

    Raises AcmeProblem, StoreError.
    """
    kid = plan.external.kid if plan.external else ""
    account = await services.store.reader.acme_account(plan.directory)
    if account is None or (kid and account.kid not in ("", kid)):
        account = AcmeAccount(plan.directory, make_key("ecdsa-p256"))
        await _keep(services, account)
    client = services.make_client(plan, account.key, account.uri)
    try:
        if not account.uri:
            account = await _register(services, plan, client, account, kid)
        elif account.contact != plan.contact:
            uri, contact = account.uri, plan.contact
            await in_thread(lambda: client.tell_contact(uri, contact))
            account = replace(account, contact=contact)
            await _keep(services, account)
    except AcmeProblem as problem:
        client.close()
        if problem.type == "accountDoesNotExist":
            await forget_account(services, account)
        raise
    return client, account


async def _register(
    services: AcmeServices, plan: AcmePlan, client: AcmeClient, account: AcmeAccount, kid: str
) -> AcmeAccount:
    said = await in_thread(client.directory)
    if said.needs_external_account and plan.external is None:
        raise AcmeProblem(
            "the authority wants an external account: ask it for one, and set acme.eab_kid and "
            "acme.eab_key_file",
            "externalAccountRequired",
        )
    uri = await in_thread(lambda: client.register(plan.contact, terms_agreed=True, external=plan.external))
    account = replace(account, uri=uri, contact=plan.contact, kid=kid)
    await _keep(services, account)
    return account


async def forget_account(services: AcmeServices, account: AcmeAccount) -> None:
    """The authority does not know it any more: it is registered again, with its key, the next time."""
    await _keep(services, replace(account, uri=""))


async def told_authorities(
    services: AcmeServices, account: AcmeAccount, authorities: tuple[str, ...]
) -> AcmeAccount:
    """What the authority is called in CAA records: kept for the advice about them."""
    account = replace(account, authorities=authorities)
    await _keep(services, account)
    return account


async def _keep(services: AcmeServices, account: AcmeAccount) -> None:
    await services.store.transact(lambda tx: tx.set_acme_account(account))

"""Advice as JSON: for `postier advise --json` and the management API alike."""

from __future__ import annotations

from collections.abc import Iterable

from postier.accounts.advice import SPEEDS, Advice, Loss, seconds_at
from postier.admin.advice_words import device_sentence, loss_sentence, reason_sentence, words

__all__ = ["advice_facts", "loss_facts"]

_SIZES = ("pop_octets", "listing", "listing_packed", "all_listing", "all_packed")


def advice_facts(address: str, advice: Advice, language: str) -> dict[str, object]:
    facts = advice.facts._asdict()
    del facts["devices"]
    return {
        "account": address,
        "protocol": advice.verdict.value,
        "text": words(language, f"={advice.verdict}", address=address),
        "reasons": [
            {"reason": one.key, **one.numbers, "text": reason_sentence(language, one)}
            for one in advice.reasons
        ],
        "devices": [
            {
                **one.device._asdict(),
                "protocols": list(one.device.protocols),
                "protocol": one.verdict.value,
                "reason": one.reason.key,
                "text": device_sentence(language, one),
            }
            for one in advice.devices
        ],
        "loses_mail": loss_facts(advice.losses, language),
        "mailbox": facts,
        "seconds": {
            str(speed): {name: round(seconds_at(int(facts[name]), speed), 3) for name in _SIZES}
            for speed in SPEEDS
        },
    }


def loss_facts(losses: Iterable[Loss], language: str) -> list[dict[str, object]]:
    return [
        {
            "device": loss.device.number,
            "name": loss.device.label,
            "deleted": loss.device.deleted,
            "deleted_octets": loss.device.deleted_octets,
            "others": [{"device": other.number, "name": other.label} for other in loss.others],
            "text": loss_sentence(language, loss),
        }
        for loss in losses
    ]

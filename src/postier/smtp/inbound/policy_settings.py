"""How strict the checks of policy.py are. Whatever asks the DNS or the store beyond need is off at first."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["USUAL_POLICY", "PolicySettings"]


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """Where a check may be "off", "mark", "defer" or "refuse", the field has that word.

    `no_author`: a message without one author domain in From. `spf_fail`: the sender's domain says that the
    host is not its own. `junk_weight`: the weight of all marks together from which a message goes to the junk
    folder, 0 for never.
    """

    no_author: str = "mark"
    spf_fail: str = "mark"
    junk_weight: float = 5.0


USUAL_POLICY = PolicySettings()

"""Identifiers: their form, and that a fork does not repeat them."""

from __future__ import annotations

import os
import re

from postier.base.ids import new_id


def test_many_are_all_different_and_of_one_form() -> None:
    ids = {new_id() for _ in range(5000)}
    assert len(ids) == 5000
    assert all(re.fullmatch("[0-9a-hjkmnp-tv-z]{16}", one) for one in ids)


def test_a_fork_does_not_hand_out_its_parents_ids() -> None:
    new_id()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 100).decode()
    os.close(read)
    os.close(write)
    assert theirs
    assert theirs not in {new_id() for _ in range(2000)}

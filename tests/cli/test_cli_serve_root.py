"""Starting as root: what is left behind belongs to the server's user, and that user can read the program."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from postier import app

NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_lock_belongs_to_the_owner_of_the_data(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    with app._alone(tmp_path):
        assert (tmp_path / "serve.lock").stat().st_uid == NOBODY


def test_a_program_that_the_user_cannot_read_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up: list[int] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "initgroups", lambda user, group: None)
    monkeypatch.setattr(os, "setgid", lambda group: None)
    monkeypatch.setattr(os, "setuid", given_up.append)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(app.ServeError, match=r"root cannot read .*asyncio: install it") as caught:
        app._become("root")
    assert given_up == [0]
    assert "\n" not in str(caught.value)

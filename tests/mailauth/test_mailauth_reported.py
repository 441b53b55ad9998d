"""Results that others report: what is read, and that nothing makes the reading slow."""

from __future__ import annotations

import pytest

from postier.mailauth.reported import MAX_READ, MAX_RESULTS, Reported, reported_results


def test_a_usual_field() -> None:
    text = (
        'mx.test 1; spf=pass (ok; "fine\\") smtp.mailfrom="a;b@a.test";\r\n\t'
        "DKIM/1 = Pass (a (b) c; d=e) header.d = a.test; none"
    )
    assert reported_results(text) == [
        Reported("spf", "pass", {"smtp.mailfrom": "a;b@a.test"}),
        Reported("dkim", "pass", {"header.d": "a.test"}),
    ]


def test_fifty_results_are_enough() -> None:
    assert len(reported_results("mx.test" + ";x=y" * 1000)) == MAX_RESULTS


@pytest.mark.parametrize(
    "piece", ["a", "(", '"', ";", "=", "\\", " ", 'a="', "a=(", "a ", '\\"', "a= ", "\r\n\t"]
)
def test_hostile_text_is_read_in_one_pass(piece: str) -> None:
    """What is not linear takes minutes here."""
    for _ in range(5):
        reported_results("mx.test;" + piece * MAX_READ)

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postier.message.html import HtmlText, html_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>one</p><p>two</p>", " one two "),
        ("sp<b>lit</b> by <i class='x'>in</i>line<span> tags</span>", "split by inline tags"),
        ("<bold>no<br>break</bold>", " no break "),
        ("a\r\n\t b&nbsp; c", "a b c"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("&eacute;&#233;&lt;b&gt;", "éé<b>"),
        ("<style>p{}</style>x<!-- <p> -->y<script>z</script>", "xy"),
        ("<style>p{} never closed", " p{} never closed"),
        ("", ""),
    ],
)
def test_what_a_reader_sees(markup: str, text: str) -> None:
    assert html_text(markup) == text


PIECES = st.lists(
    st.sampled_from(
        [
            "word",
            " ",
            "<p>",
            "</p>",
            "<b>",
            "</b>",
            "&amp;",
            "<!--",
            "-->",
            "<script>",
            "</script>",
            "\r\n",
            ">",
        ]
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(PIECES, st.integers(1, 40))
def test_in_pieces_it_is_the_same_text(pieces: list[str], size: int) -> None:
    """But for white space where it was cut, and for what follows an element that never ends."""
    markup = "<i>" + "".join(pieces) + "--></script>"
    inside = HtmlText()
    fed = "".join(inside.feed(markup[start : start + size]) for start in range(0, len(markup), size))
    assert "".join((fed + inside.finish()).split()) == "".join(html_text(markup).split())


def test_the_end_of_a_hidden_element_is_not_awaited_for_ever() -> None:
    inside = HtmlText()
    texts = [inside.feed("<p>seen</p><script>" + "x " * 100_000) for _ in range(7)]
    assert texts[0] == " seen "
    assert "x x" in "".join(texts)

"""The card and the page for people."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
import segno

from postier.clients.card import QUIET, WIDTH, card_text, page_url, qr_lines
from postier.clients.page import card_page
from postier.clients.settings import ClientSettings, MailService, Security
from postier.clients.words import _WORDS, LANGUAGES

SETTINGS = ClientSettings(
    "a.example",
    "mail.a.example",
    (
        MailService("imap", 993),
        MailService("imap", 143, Security.STARTTLS),
        MailService("pop3", 995),
        MailService("smtp", 465),
    ),
    help="https://www.a.example/help",
)
WHO = "anna@a.example"


def test_every_sentence_is_there_in_every_language() -> None:
    for name, sentences in _WORDS.items():
        assert len(sentences) == len(LANGUAGES), name
        assert all(sentences), name
        assert len({frozenset(part for part in s.split() if part.startswith("{")) for s in sentences}) == 1


def test_the_two_things_come_first_then_what_a_program_may_ask() -> None:
    text = card_text(SETTINGS, WHO, "en")
    places = [
        text.index(part)
        for part in (
            "Address    anna@a.example",
            "Password   ",
            "IMAP      mail.a.example  993",
            "STARTTLS: IMAP 143.",
        )
    ]
    assert places == sorted(places)
    assert "143" not in text[: places[-1]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_lines_fit_on_paper(language: str) -> None:
    lines = card_text(SETTINGS, WHO, language).splitlines()
    assert max(len(line) for line in lines if "https://" not in line) <= WIDTH + 10
    assert not [line for line in lines if line != line.rstrip()]


def test_french_is_french() -> None:
    text = card_text(SETTINGS, WHO, "fr")
    assert "Mot de passe" in text
    assert "Password" not in text


def test_an_unknown_language_is_english() -> None:
    assert card_text(SETTINGS, WHO, "xx").startswith(card_text(SETTINGS, WHO, "en")[:200])


def test_the_code_is_that_of_the_page() -> None:
    url = page_url(SETTINGS, WHO, "en")
    assert url == "https://mail.a.example/setup?address=anna%40a.example&language=en"
    lines = qr_lines(url)
    assert card_text(SETTINGS, WHO, "en").endswith("\n".join(lines) + "\n")
    matrix = [
        list(map(bool, row)) for row in segno.make(url, error="m", micro=False).matrix_iter(border=QUIET)
    ]
    seen = []
    for line in lines:
        cells = line.ljust(len(matrix[0]))
        seen += [[c in "▀█" for c in cells], [c in "▄█" for c in cells]]
    assert seen[: len(matrix)] == matrix


def test_without_https_nobody_is_sent_there() -> None:
    settings = replace(SETTINGS, web_port=0, help="")
    assert "https://" not in card_text(settings, WHO, "en")
    assert "https://" not in card_page(settings, WHO, "en")


class _Strict(HTMLParser):
    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """Closed already."""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_html_without_anything_that_runs_or_comes_from_elsewhere(language: str) -> None:
    page = card_page(SETTINGS, '"<b>&"@a.example', language)
    reader = _Strict()
    reader.feed(page)
    assert reader.open == []
    assert not reader.tags & {"script", "img", "link", "iframe", "form", "b"}
    assert f'<html lang="{language}">' in page

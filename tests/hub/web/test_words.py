"""The catalogue: both languages whole, nothing said outside it, nothing unused left to rot."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from hub.web.i18n import HTML_LANG, WordsError, catalogue, choose_lang, official_words, read_words
from hub.web.views_alarm_make import what_text
from protocols.policy.faults import NETWORK_RUNGS, UNSTABLE
from protocols.policy.room_model import Fault
from protocols.terms import TERMS

WEB = Path(__file__).resolve().parents[3] / "hub" / "web"
CHINESE = re.compile(r"[\u3400-\u9fff]")
LATIN_ONLY = re.compile(r"^[^\u3400-\u9fff]*$")
COMMENTS = re.compile(r"/\*.*?\*/", re.DOTALL)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_sentence_exists_in_both_languages_with_the_same_values() -> None:
    for key, (zh, en) in catalogue().items():
        assert zh.strip(), key
        assert en.strip(), key
        assert fields(zh) == fields(en), key


def test_english_is_english() -> None:
    own = {"lang.other"}  # names the other language in its own script
    for key, (_, en) in catalogue().items():
        assert key in own or LATIN_ONLY.match(en), (key, en)


def test_no_template_or_script_holds_a_sentence_of_its_own() -> None:
    for path in [
        *WEB.glob("templates/*.html"),
        *WEB.glob("static/*.js"),
        *WEB.glob("static/*.css"),
    ]:
        text = path.read_text("utf-8").replace("lang == 'zh'", "")
        found = CHINESE.findall(COMMENTS.sub("", text).replace("　", ""))
        assert not found, (path.name, found[:10])


def test_every_key_a_template_names_is_in_the_catalogue() -> None:
    asked = re.compile(r"\bt\('([a-z_0-9.]+)'(?!\s*~)")
    for path in WEB.glob("templates/*.html"):
        for key in asked.findall(path.read_text("utf-8")):
            assert catalogue().has(key), (path.name, key)


def test_every_key_a_view_names_is_in_the_catalogue() -> None:
    asked = re.compile(r"\bsay\(\s*\"([a-z_0-9.]+)\"")
    for path in WEB.glob("views_*.py"):
        for key in asked.findall(path.read_text("utf-8")):
            assert catalogue().has(key), (path.name, key)


def test_the_official_words_are_those_of_the_terms() -> None:
    assert len(official_words()) == len(TERMS)
    assert catalogue().text("zh", "term.seal") == "封存"
    assert catalogue().text("en", "term.seal") == "Seal"


def test_a_key_twice_or_a_half_sentence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": ["一", "one"]}', "utf-8")
    (tmp_path / "b.json").write_text('{"x": ["二", "two"]}', "utf-8")
    with pytest.raises(WordsError, match="each key once"):
        read_words(tmp_path)
    (tmp_path / "b.json").write_text('{"y": ["二"]}', "utf-8")
    with pytest.raises(WordsError, match="zh, en"):
        read_words(tmp_path)


def test_an_unknown_key_or_a_missing_value_says_so() -> None:
    with pytest.raises(WordsError, match="known key"):
        catalogue().text("zh", "no.such")
    with pytest.raises(WordsError, match="needs the value"):
        catalogue().text("zh", "member.no")


@pytest.mark.parametrize(
    ("asked", "cookie", "lang"),
    [
        (None, None, "zh"),
        ("en", None, "en"),
        (None, "en", "en"),
        ("zh", "en", "zh"),
        ("fr", "", "zh"),
    ],
)
def test_the_language_is_the_links_then_the_cookies_then_chinese(
    asked: str | None, cookie: str | None, lang: str
) -> None:
    assert choose_lang(asked, cookie) == lang
    assert lang in HTML_LANG


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_alarm_says_which_rung_of_the_network_fails_and_what_comes_and_goes(lang: str) -> None:
    def said(kind: str, what: str, device: str = "") -> str:
        fault = Fault("f-1", kind, device, what, "", "", "", 0, "")
        return catalogue().render(lang, what_text(fault))

    told = {said("network", rung) for rung in (*NETWORK_RUNGS, UNSTABLE)}
    assert len(told) == len(NETWORK_RUNGS) + 1
    assert said("network", "unheard of") not in told
    assert "radar1" in said("device", UNSTABLE, "radar1")
    assert said("device", UNSTABLE, "radar1") != said("device", "silent", "radar1")

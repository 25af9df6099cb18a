"""A refusal's details in the reader's language: words by code, then by phrase, then as they came.

`words/problems.json` gives, by code, what to say of `what`, `where`, `expected`, `got` and `do`;
`words/phrases.json` holds the English phrases refusals are made of, `{}` for what varies, and their
Chinese; `words/places.json` names fields and things, `words/organisations.json` organisations. A
detail nobody has words for stays as it is: an id, a number or a date reads alike in both languages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from protocols.terms import TERMS

WORDS_DIR: Final = Path(__file__).parent / "words"
LANGS: Final = ("zh", "en")
PARTS: Final = ("what", "where", "expected", "got", "do")
FALLBACKS: Final = {"statement_": "statement_refused", "http_": "http_other"}
"""Codes made of a prefix and a reason share their words."""
SLOT: Final = "{}"
TERM_GROUPS: Final = (
    "role",
    "order",
    "phase",
    "booking",
    "case",
    "scope",
    "fault",
    "session_kind",
    "document",
    "outcome",
    "member_kind",
)
JOINING: Final = frozenset({"or", "of", "to", "by", "as", "not"})
"""A phrase of these words alone says nothing itself: what it joins must have words too."""
PHRASE_CHARS_MAX: Final = 200
"""As much as a refusal quotes of what came in: matching stays cheap."""
_CJK: Final = re.compile(r"[\u3400-\u9fff]")
_LISTS: Final = ((" or ", " 或 "), ("; ", "；"), (", ", "、"))
_PLACE: Final = re.compile(r"([a-z_-]+)(?:\[\d+\]|\.\d+)?(?: (\S+))?", re.IGNORECASE)


@cache
def by_code() -> dict[str, dict[str, tuple[str, str]]]:
    """Code -> part -> (Chinese, English)."""
    raw = json.loads((WORDS_DIR / "problems.json").read_text("utf-8"))
    return {c: {p: (w[0], w[1]) for p, w in parts.items()} for c, parts in raw.items()}


@cache
def phrases() -> tuple[tuple[re.Pattern[str], str, bool], ...]:
    """Pattern of an English phrase, its Chinese, whether it only joins; the fewest slots first."""
    raw = json.loads((WORDS_DIR / "phrases.json").read_text("utf-8"))

    def rank(phrase: str) -> tuple[int, int]:
        return (phrase.count(SLOT), -len(phrase))

    return tuple(
        (_pattern(one), str(raw[one]), not set(re.findall(r"[a-z]+", one)) - JOINING)
        for one in sorted(raw, key=rank)
    )


def _pattern(phrase: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(re.escape(part) for part in phrase.split(SLOT)), re.DOTALL)


@cache
def places() -> dict[str, tuple[str, str]]:
    """Last word of a field's path, or a thing -> (Chinese, English)."""
    raw = json.loads((WORDS_DIR / "places.json").read_text("utf-8"))
    return {key: (pair[0], pair[1]) for key, pair in raw.items()}


@cache
def organisation_names() -> dict[str, tuple[str, str]]:
    """Id of an organisation -> (its name, our own translation)."""
    raw = json.loads((WORDS_DIR / "organisations.json").read_text("utf-8"))
    return {key: (pair[0], pair[1]) for key, pair in raw.items()}


@cache
def _organisation() -> re.Pattern[str]:
    # Not within a place, a station or a login, nor in what somebody typed.
    return re.compile(rf"(?<![\w.'-])({'|'.join(organisation_names())})(?![\w.'-])", re.ASCII)


def _with_names(lang: str, text: str) -> str:
    """Organisations by name: an id is for programs."""
    at = LANGS.index(lang)
    return _organisation().sub(lambda found: organisation_names()[found[1]][at], text)


def words_of(code: str) -> dict[str, tuple[str, str]]:
    """What is to be said of a code; empty where nobody wrote anything."""
    known = by_code()
    if code in known:
        return known[code]
    for prefix, shared in FALLBACKS.items():
        if code.startswith(prefix):
            return known[shared]
    return {}


def chinese(text: str) -> str | None:
    """An English detail in Chinese; None when there are no words for it."""
    if not text or _CJK.search(text):
        return text
    term = _term(text)
    if term is not None:
        return term
    if len(text) <= PHRASE_CHARS_MAX:
        for pattern, zh, joining in phrases():
            found = pattern.fullmatch(text)
            told = None if found is None else _filled(zh, found.groups(), strict=joining)
            if told is not None:
                return told
    # A single word is an id, a number or a date: it reads alike in both languages.
    return _listed(text) or (text if " " not in text else None)


def _filled(zh: str, slots: tuple[str, ...], *, strict: bool) -> str | None:
    parts = zh.split(SLOT)
    made = parts[0]
    for slot, part in zip(slots, parts[1:], strict=True):
        told = chinese(slot)
        if told is None and strict:
            return None
        made += (told or slot) + part
    return made


def _listed(text: str) -> str | None:
    for sign, join in _LISTS:
        if sign in text:
            told = [chinese(part) for part in text.split(sign)]
            return join.join(one or "" for one in told) if None not in told else None
    return None


def _term(text: str) -> str | None:
    key = text.strip("'\"")
    if key == "home_manager":  # the same word at home and guest venues
        key = "manager_on_duty"
    for group in TERM_GROUPS:
        term = TERMS.get(f"{group}.{key}")
        if term is not None:
            return term.zh
    plain = TERMS.get(key)
    return plain.zh if plain is not None else None


def place(lang: str, where: str) -> str:
    """`decision.second_login` or `booking 2026-1124-01, venue hubei` as a reader calls it."""
    at = LANGS.index(lang)
    named = [_named(one.strip(), at) for one in where.split(",")]
    return ("，" if lang == "zh" else ", ").join(one for one in named if one)


def _named(text: str, at: int) -> str:
    last = re.sub(r"\[\d+\]", "", text.split(" ", maxsplit=1)[0]).rsplit(".", 1)[-1]
    known = places().get(last)
    rest = text.split(" ", 1)[1] if " " in text else ""
    if known is None or not _PLACE.match(text):
        return text
    return f"{known[at]} {rest}".strip()


def details(code: str, given: Mapping[str, str], args: Mapping[str, Any]) -> dict[str, Any]:
    """The details of a refusal in both languages: `{"zh": {...}, "en": {...}}`.

    Args:
        code: the problem's code.
        given: `title_en` and the parts as the refusing code wrote them.
        args: further values the words of the code may name, for example `tries_left`.
    """
    return {lang: _in(lang, words_of(code), given, args) for lang in LANGS}


def _in(
    lang: str,
    words: Mapping[str, tuple[str, str]],
    given: Mapping[str, str],
    args: Mapping[str, Any],
) -> dict[str, str]:
    made = {}
    for part in PARTS:
        text = _part(lang, part, words, given)
        try:
            told = text.format_map({**_told(lang, given), **args})
        except (KeyError, IndexError, ValueError):
            told = _plain(lang, given[part])
        made[part] = _with_names(lang, told)
    return made


def _told(lang: str, given: Mapping[str, str]) -> dict[str, str]:
    return {part: _plain(lang, given[part]) for part in PARTS}


def _part(
    lang: str, part: str, words: Mapping[str, tuple[str, str]], given: Mapping[str, str]
) -> str:
    """A template: braces of what came in are doubled."""
    own, raw, at = words.get(part), given[part], LANGS.index(lang)
    if own is not None:
        return own[at]
    if part == "where":
        return _safe(place(lang, raw))
    if part == "do":
        told = _own_language(lang, raw)
        return _safe(told) if told is not None else words.get("else", ("", ""))[at]
    if part == "what":
        # Only where it adds to the title, and to a Chinese reader only in words.
        told = None if raw == given["title_en"] else (chinese(raw) if lang == "zh" else raw)
        return _safe(told or "")
    return _safe(_plain(lang, raw))


def _own_language(lang: str, raw: str) -> str | None:
    """`do` as the refusing code wrote it, where that can be said in this language."""
    if not raw:
        return None
    if lang == "en":
        return None if _CJK.search(raw) else raw
    return raw.split(" / ", maxsplit=1)[0] if _CJK.search(raw) else chinese(raw)


def _plain(lang: str, raw: str) -> str:
    return (chinese(raw) or raw) if lang == "zh" else raw


def _safe(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")

"""The console's words: one catalogue, Chinese first, English complete.

A catalogue entry is `"key": ["中文", "English"]`. Entries with `{name}` are filled by name; nothing
is ever joined from pieces. Screens are rendered from `Say` values, so a view is made once and
read in either language.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Final

from protocols.terms import TERMS

LANGS: Final = ("zh", "en")
HTML_LANG: Final = {"zh": "zh-CN", "en": "en"}
TERM_PREFIX: Final = "term."
WORDS_DIR: Final = Path(__file__).parent / "words"


class WordsError(ValueError):
    """The catalogue cannot be used: where, what was expected, what was found."""


@dataclass(frozen=True, slots=True)
class Say:
    """A sentence to be said in the reader's language: catalogue key and the values it takes."""

    key: str
    args: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Both:
    """Words that are data (a checklist step of a pack): given in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Named(Both):
    """A name where room is short; `full` is the whole of it, for a title or a first mention."""

    full: Both


Text = Say | Both | str


def in_full(value: object) -> object:
    """The same words with every short name spelt out."""
    if isinstance(value, Named):
        return value.full
    if isinstance(value, Say):
        return Say(value.key, {name: in_full(arg) for name, arg in value.args.items()})
    return value


def say(key: str, /, **args: object) -> Say:
    """`Say` with its values as keywords."""
    return Say(key, args)


class Catalogue:
    """Every sentence of a surface in every language."""

    def __init__(self, entries: Mapping[str, tuple[str, str]]) -> None:
        self._entries = dict(entries)

    @property
    def keys(self) -> frozenset[str]:
        """All keys, for completeness tests."""
        return frozenset(self._entries)

    def has(self, key: str) -> bool:
        """Whether a sentence exists under this key."""
        return key in self._entries

    def text(self, lang: str, key: str, args: Mapping[str, object] | None = None) -> str:
        """The sentence of `key` in `lang`, filled.

        Raises:
            WordsError: no such key, or a value it needs is missing.
        """
        entry = self._entries.get(key)
        if entry is None:
            raise WordsError(f"words: expected a known key, got {key!r}: add it to hub/web/words")
        values = {name: self.render(lang, value) for name, value in (args or {}).items()}
        try:
            return entry[LANGS.index(lang)].format_map(values)
        except KeyError as missing:
            raise WordsError(
                f"words: {key!r} needs the value {missing}, got {sorted(values)}"
            ) from missing

    def render(self, lang: str, value: object) -> str:
        """Anything a view holds as words: a sentence, a bilingual pair, or plain text."""
        if isinstance(value, Say):
            return self.text(lang, value.key, value.args)
        if isinstance(value, Both):
            return value.zh if lang == "zh" else value.en
        return "" if value is None else str(value)

    def fields(self, key: str) -> frozenset[str]:
        """The values a sentence needs, in either language."""
        texts = self._entries[key]
        return frozenset(
            name for text in texts for _, name, _, _ in Formatter().parse(text) if name
        )

    def items(self) -> Iterable[tuple[str, tuple[str, str]]]:
        """Key and its two sentences, sorted by key."""
        return sorted(self._entries.items())

    def part(self, lang: str, prefix: str) -> dict[str, str]:
        """The sentences under a prefix, unfilled: what a script of the page needs."""
        at = LANGS.index(lang)
        cut = len(prefix)
        return {k[cut:]: v[at] for k, v in self._entries.items() if k.startswith(prefix)}


def read_words(folder: Path) -> Catalogue:
    """Read every `*.json` of a folder into one catalogue.

    Raises:
        WordsError: a key appears twice, or an entry is not two sentences.
    """
    entries: dict[str, tuple[str, str]] = {}
    for path in sorted(folder.glob("*.json")):
        for key, pair in json.loads(path.read_text("utf-8"), object_pairs_hook=list):
            if key in entries:
                raise WordsError(f"{path.name} {key!r}: expected each key once, got a second one")
            if not (isinstance(pair, list) and len(pair) == len(LANGS)):
                raise WordsError(f"{path.name} {key!r}: expected [zh, en], got {pair!r}")
            entries[key] = (str(pair[0]), str(pair[1]))
    return Catalogue(entries)


def official_words() -> dict[str, tuple[str, str]]:
    """The official words under `term.`, English with a capital as a label begins."""
    return {
        f"{TERM_PREFIX}{key}": (term.zh, term.en[:1].upper() + term.en[1:])
        for key, term in TERMS.items()
    }


@cache
def catalogue() -> Catalogue:
    """The console's catalogue, read once: its own sentences and the official words."""
    own = dict(read_words(WORDS_DIR).items())
    return Catalogue(own | official_words())


def choose_lang(asked: str | None, cookie: str | None) -> str:
    """The language of an answer: what the link asks, else the cookie, else Chinese."""
    for value in (asked, cookie):
        if value in LANGS:
            return str(value)
    return LANGS[0]

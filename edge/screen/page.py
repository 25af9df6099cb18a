"""The page of the screen in one language: a frame, the words, and a script that draws the room."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from protocols.terms import TERMS

HERE: Final = Path(__file__).parent
LANGS: Final = ("zh", "en")
_HASH_CHARS: Final = 12  # enough to tell two releases of one file apart


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as a dict; a key that comes twice would silently take the other's sentence."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"words.json {key!r}: expected it once, got it twice")
        found[key] = value
    return found


@cache
def catalogue() -> dict[str, tuple[str, str]]:
    """Every sentence of the screen, `key -> (zh, en)`; official words under `term.`.

    Raises:
        ValueError: an entry is not two sentences, or comes twice.
    """
    own = json.loads((HERE / "words.json").read_text("utf-8"), object_pairs_hook=_once)
    for key, pair in own.items():
        if not (isinstance(pair, list) and len(pair) == len(LANGS)):
            raise ValueError(f"words.json {key!r}: expected [zh, en], got {pair!r}")
    terms = {f"term.{key}": (t.zh, t.en[:1].upper() + t.en[1:]) for key, t in TERMS.items()}
    return {key: (pair[0], pair[1]) for key, pair in own.items()} | terms


def words(lang: str) -> dict[str, str]:
    """The catalogue in one language, for the page's script."""
    at = LANGS.index(lang)
    return {key: pair[at] for key, pair in catalogue().items()}


@cache
def static_url(name: str) -> str:
    """Address of a static file that changes when its bytes change."""
    digest = hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:_HASH_CHARS]
    return f"/static/{name}?v={digest}"


@cache
def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        auto_reload=False,  # a page and its view are of one release, also while files are exchanged
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals["static"] = static_url
    return env


def render_page(lang: str, facts: Mapping[str, Any]) -> str:
    """The page, without data: the script fetches the room and keeps it fresh."""
    text = words(lang)
    return (
        _environment()
        .get_template("room.html")
        .render(
            lang=lang,
            html_lang="zh-CN" if lang == "zh" else "en",
            t=text,
            words=text,
            facts=facts,
            other="en" if lang == "zh" else "zh",
        )
    )

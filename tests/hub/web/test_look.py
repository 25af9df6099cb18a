"""The visual language: contrast of the tokens, colours only there, nothing from outside."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "hub" / "web" / "static"
SCREEN = ROOT / "edge" / "screen"
TOKENS = (STATIC / "tokens.css").read_text("utf-8")
THEMES = ("console", "wall", "room")
TEXT_PAIRS = (
    ("ink", "bg"),
    ("ink", "surface"),
    ("ink", "raised"),
    ("ink-2", "bg"),
    ("ink-2", "surface"),
    ("ink-3", "bg"),
    ("ink-3", "surface"),
    ("on-fill", "fill"),
    ("on-accent", "accent"),
    ("accent", "surface"),
    ("accent", "bg"),
    ("ink", "accent-tint"),
    ("on-p1", "p1"),
    ("on-p2", "p2"),
    ("on-p3", "p3"),
    ("p1-ink", "surface"),
    ("p2-ink", "surface"),
    ("p3-ink", "surface"),
    ("p1-ink", "p1-tint"),
    ("p2-ink", "p2-tint"),
    ("p3-ink", "p3-tint"),
    ("ink", "p1-tint"),
    ("on-drill", "drill"),
    ("surface", "ink"),
)
SHAPE_PAIRS = (
    ("line-2", "surface"),
    ("line-2", "raised"),
    ("fill", "surface"),
    ("p1", "surface"),
    ("p2-edge", "surface"),
    ("p3-edge", "surface"),
    ("focus", "bg"),
    ("drill", "bg"),
    ("accent", "raised"),
)
OUTSIDE = re.compile(r"(?:https?:)?//(?!www\.w3\.org/)[a-z0-9-]+\.[a-z]", re.IGNORECASE)
INLINE = re.compile(r"\sstyle=|\son[a-z]+=|<style|javascript:", re.IGNORECASE)


def palette(theme: str) -> dict[str, str]:
    """Colour name -> #rrggbb of a theme; what a theme does not say is the console's."""
    found: dict[str, str] = {}
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", TOKENS):
        if ":root" in selector or f'[data-theme="{theme}"]' in selector:
            found |= dict(re.findall(r"--([a-z0-9-]+):\s*(#[0-9a-f]{6})", body))
    return found


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def ratio(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("text", "ground"), TEXT_PAIRS)
def test_text_has_a_contrast_of_four_and_a_half(theme: str, text: str, ground: str) -> None:
    colours = palette(theme)
    assert ratio(colours[text], colours[ground]) >= 4.5, (colours[text], colours[ground])


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("shape", "ground"), SHAPE_PAIRS)
def test_shapes_and_borders_have_a_contrast_of_three(theme: str, shape: str, ground: str) -> None:
    colours = palette(theme)
    assert ratio(colours[shape], colours[ground]) >= 3.0, (colours[shape], colours[ground])


def test_colours_stand_only_in_the_tokens() -> None:
    for path in [*STATIC.glob("*.css"), *SCREEN.glob("static/*.css")]:
        if path.name != "tokens.css":
            found = re.findall(r"#[0-9a-f]{3,8}\b|rgb\(|hsl\(", path.read_text("utf-8"))
            assert [one for one in found if one != "#gap"] == [], path.name


def test_both_sides_use_the_same_tokens() -> None:
    assert (SCREEN / "static" / "tokens.css").read_text("utf-8") == TOKENS


def test_nothing_is_asked_of_another_host_and_nothing_is_inline() -> None:
    web = ROOT / "hub" / "web"
    paths = [
        *web.glob("templates/*.html"),
        *STATIC.glob("*.*"),
        *SCREEN.glob("templates/*.html"),
        *SCREEN.glob("static/*.*"),
    ]
    assert len(paths) > 20
    for path in paths:
        text = path.read_text("utf-8")
        assert not OUTSIDE.findall(text), path.name
        if path.suffix == ".html":
            assert not INLINE.findall(text), path.name


def test_the_room_screen_has_no_text_below_24_px() -> None:
    css = (SCREEN / "static" / "room.css").read_text("utf-8")
    sizes = [int(size) for size in re.findall(r"font-size:\s*(\d+)px", css)]
    assert sizes
    assert min(sizes) >= 24

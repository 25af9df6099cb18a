"""What kind of browser somebody sits at: its family and its system, nothing that tells more."""

from __future__ import annotations

from typing import Final

FAMILIES: Final = (
    ("Edg", "Edge"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chromium"),
    ("CriOS/", "Chromium"),
    ("Safari/", "Safari"),
)
"""Mark in the line a browser sends -> family. Chromium calls itself Safari too, and Edge calls
itself both: the first mark found counts."""
SYSTEMS: Final = (
    ("HarmonyOS", "HarmonyOS"),
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
"""Mark -> system. HarmonyOS calls itself Android too, and Android calls itself Linux."""


def browser_of(agent: str) -> str:
    """`Chromium/Linux` of the line a browser sends, or '' where either is not known."""
    family = next((name for mark, name in FAMILIES if mark in agent), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    return f"{family}/{system}" if family and system else ""

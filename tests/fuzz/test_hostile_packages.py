"""A fast slice of the hostile packages: refused by both verifiers, nothing written, no crash.

And what would have to be noticed is noticed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from protocols.evidence.verifier import ALTERED, SOUND
from tests.fuzz.hostile import NotRefusedError, Verifier, Watched, run
from tests.fuzz.hostile_kinds import KINDS, Package

pytestmark = pytest.mark.slow


def test_hostile_packages_are_refused_and_nothing_is_written() -> None:
    counts = run(1, range(8 * len(KINDS)))

    assert counts == dict.fromkeys(KINDS, 8)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_package_that_is_not_refused_is_noticed(tmp_path: Path, *, trusted: bool) -> None:
    with pytest.raises(NotRefusedError, match="expected one of"):
        Watched.at(tmp_path).refuse(Package.sound(), "sound: ", trusted=trusted)


def _writes(words: list[str]) -> int:
    """Into the package."""
    (Path(words[0]) / "new").write_bytes(b"")
    return ALTERED


def _writes_elsewhere(_words: list[str]) -> int:
    with Path("/dev/null").open("wb"):
        return ALTERED


def _takes_apart(words: list[str]) -> int:
    (Path(words[0]) / "bagit.txt").rename(Path(words[0]) / "bagit.old")
    return ALTERED


def _moves_a_terminal(_words: list[str]) -> int:
    sys.stdout.write("\x1b[2J")
    return ALTERED


def _calls_it_sound(_words: list[str]) -> int:
    return SOUND


def _refuses(_words: list[str]) -> int:
    return ALTERED


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ((_writes,), "only reads"),
        ((_writes_elsewhere,), "only reads"),
        ((_takes_apart,), "only reads"),
        ((_moves_a_terminal,), "moves a terminal"),
        ((_refuses, _calls_it_sound), "expected one of"),
        ((_calls_it_sound, _calls_it_sound), "expected one of"),
    ],
)
def test_a_verifier_that_does_what_it_must_not_is_noticed(
    tmp_path: Path, planted: tuple[Verifier, ...], said: str
) -> None:
    watched = Watched(tmp_path, planted, tmp_path / "trust.json")
    (tmp_path / "outside").mkdir()

    with pytest.raises(NotRefusedError, match=said):
        watched.refuse(Package.sound(), "planted: ", trusted=False)

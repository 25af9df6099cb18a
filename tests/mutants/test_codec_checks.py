"""Every check of every codec is held by a test of that codec.

A comparison is turned round or moved past its boundary, a part of an `and` or a `not` is taken
out; the codec's own tests must notice. `make proof` tries every fault, other runs one in `STEP`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.mutants.mutate import Mutant, mutants, survives

ROOT: Final = Path(__file__).resolve().parents[2]
TESTS: Final = {
    "cu16": ("test_cu16",),
    "framing": ("test_framing", "test_idcard", "test_ld2410"),
    "idcard": ("test_idcard",),
    "idcard_text": ("test_idcard_text",),
    "ld2410": ("test_ld2410",),
    "lockboard": ("test_lockboard",),
    "megatec": ("test_megatec",),
}
"""Which tests answer for which codec; the first alone where one is enough."""
STEP: Final = 1 if os.environ.get("EVALROOM_PROPERTIES") == "long" else 10
"""A fault costs a second of a core, and there are two hundred of them."""

pytestmark = pytest.mark.slow


def _source(codec: str) -> Path:
    return ROOT / "protocols" / "wire" / f"{codec}.py"


def _lives(codec: str, mutant: Mutant) -> bool:
    return survives(
        mutant,
        module=f"protocols.wire.{codec}",
        path=_source(codec),
        tests=[ROOT / "tests" / "protocols" / "wire" / f"{name}.py" for name in TESTS[codec]],
    )


def test_every_codec_is_in_the_list() -> None:
    written = {path.stem for path in (ROOT / "protocols" / "wire").glob("*.py")}

    assert written - {"__init__"} == set(TESTS)


@pytest.mark.parametrize("codec", TESTS)
def test_no_check_of_a_codec_can_be_wrong_unnoticed(codec: str) -> None:
    unharmed = Mutant(0, "", "", _source(codec).read_text(encoding="utf-8"))
    assert _lives(codec, unharmed), "the tests must pass where nothing was planted"

    planted = list(mutants(_source(codec)))[::STEP]

    assert planted
    sys.stdout.write(f"n = {len(planted)}\n")
    assert [str(one) for one in planted if _lives(codec, one)] == []

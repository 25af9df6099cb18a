"""G8 over a whole day: a member's name and number stand in the clear nowhere.

Looked through is every file the day left (databases with their logs, journals, mirror, the broker's
store, logs, configuration, packages, video) and all that went over the broker. The PDF of the
minutes is not taken apart: its words are those of the JSON and the ledger beside it.
"""

from __future__ import annotations

import base64
import io
import json
import random
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from hub.demo.cli import HOME, paired_guests
from hub.demo.people import Member, committee
from tests.system.conftest import GUESTS, LivedDay
from tests.system.day_runner import SEED

pytestmark = [pytest.mark.system, pytest.mark.slow]

TEXTS = ("utf-8", "utf-16-le", "utf-16-be", "gb18030")  # the second is how an ID card has it


def _members() -> list[Member]:
    guests = paired_guests(SEED, GUESTS)
    return committee(random.Random(SEED), HOME, guests)  # noqa: S311 - as the day draws them


def forms(word: str) -> dict[str, bytes]:
    """What somebody would find who looks for this word, by how it is written down."""
    found = {code: word.encode(code) for code in TEXTS}
    found["json"] = json.dumps(word)[1:-1].encode("ascii")
    found["hex"] = word.encode("utf-8").hex().encode("ascii")
    # Inside a longer text base64 begins at one of three places; the ends belong to neighbours.
    for shift in range(3):
        raw = base64.b64encode(b"\0" * shift + word.encode("utf-8"))
        found[f"base64+{shift}"] = raw[(0, 2, 3)[shift] : len(raw) - 4]
    return found


def streams(raw: bytes) -> Iterator[bytes]:
    """A file, and what is packed into it."""
    yield raw
    if raw.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            for name in packed.namelist():
                yield packed.read(name)


def findings(files: Iterable[Path], words: Iterable[str]) -> list[str]:
    """File, word and form of each that was found."""
    wanted = [(word, form, raw) for word in words for form, raw in forms(word).items()]
    return [
        f"{path}: {word} ({form})"
        for path in files
        for stream in streams(path.read_bytes())
        for word, form, raw in wanted
        if raw in stream
    ]


@pytest.mark.parametrize("form", forms(""))
@pytest.mark.parametrize("word", ["韩海燕", "422301193407099986"])
def test_what_is_written_down_is_found(word: str, form: str, tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "ledger.xlsx"
    if form.startswith("base64"):
        raw = base64.b64encode(b"x" * int(form[-1]) + word.encode() + b"..")
    else:
        raw = b'{"name":"' + forms(word)[form] + b'"}'
    plain.write_bytes(raw)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/sharedStrings.xml", raw)
    found = findings([plain, packed], [word])
    assert f"{plain}: {word} ({form})" in found
    assert f"{packed}: {word} ({form})" in found
    assert findings([plain, packed], ["赵文博", "432301193901279992"]) == []


def test_names_and_numbers_of_a_day_are_in_no_file_and_no_message(lived_day: LivedDay) -> None:
    people = _members()
    files = [path for path in lived_day.folder.parent.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files}
    assert {".sqlite", ".jsonl", ".xlsx", ".pdf", ".mp4", ".log", ".blk"} <= kinds
    assert lived_day.capture.stat().st_size > 100_000
    shown = [path.name for path in files if b"x3" in path.read_bytes()]
    assert {"hub.sqlite", "journal.sqlite", lived_day.capture.name} <= set(shown)  # as tokens
    words = [word for one in people for word in (one.name, one.number)]
    assert findings(files, words) == []

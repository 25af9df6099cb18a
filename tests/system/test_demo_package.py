"""The package of a real day: altered, incomplete, unproven, signed by a stranger, unreadable."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub import crypto
from hub.app import build
from hub.cli.verify import verify_folder
from hub.config import load
from protocols.evidence.verifier import PAYLOAD, SIGNATURE, TAGS
from tests.system.conftest import LivedDay
from tests.system.day_package import Package, first_named, flipped, kind_of
from tests.system.day_runner import SEED, run

pytestmark = [pytest.mark.system, pytest.mark.slow]

ALTERED, INCOMPLETE, UNPROVEN, USAGE = 2, 3, 4, 64


@pytest.fixture
def package(lived_day: LivedDay, tmp_path: Path) -> Package:
    return Package(lived_day.package, tmp_path / "box" / "package")


@pytest.fixture(scope="session")
def venue_seed(lived_day: LivedDay) -> bytes:
    """The guest venue's own key, opened by its manager's password."""
    data = lived_day.folder / "hub"
    header = json.loads((lived_day.package / SIGNATURE).read_bytes().split(b"\n")[0])
    rows = json.loads((data / "demo-accounts.json").read_text("utf-8"))
    manager = next(row for row in rows if row["login"] == f"{header['org']}.home_manager")
    hub = build(load(data), services=False)
    try:
        return hub.keys.open_venue_key(header["org"], manager["password"])
    finally:
        hub.close()


def _own(package: Package, *words: object) -> subprocess.CompletedProcess[str]:
    """The package's own program with a bare Python."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(package.root / "verify.py"), *map(str, words)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def _both(package: Package, trust: Path | None) -> tuple[int, str]:
    """Verdict and named item of `evalroom verify`; `verify.py` must say the same."""
    words: list[object] = [] if trust is None else ["--trust", trust]
    ours = run("verify", package.root, *words)
    own = _own(package, package.root, *words)
    assert (own.returncode, own.stdout) == (ours.returncode, ours.stdout), own.stderr
    return ours.returncode, first_named(ours.stdout)


def test_a_flipped_byte_in_any_file_is_named(
    lived_day: LivedDay, package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(SEED)  # noqa: S311 - chooses, no secret
    names = package.names()
    assert len({kind_of(name) for name in names}) >= 10
    for name in names:
        path = package.root / name
        size = path.stat().st_size
        assert size, f"{name} is empty: nothing in it could be altered"
        with flipped(path, rng.randrange(size), rng.randrange(8)):
            code = verify_folder(package.root, trust=lived_day.trust, lang="en")
        report = capsys.readouterr().out
        assert code == ALTERED, (name, report[:500])
        assert first_named(report) == name, report[:500]


@pytest.mark.parametrize("name", [SIGNATURE, TAGS])
def test_a_flipped_byte_anywhere_in_the_signed_part_is_named(
    lived_day: LivedDay, package: Package, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(SEED)  # noqa: S311 - chooses, no secret
    path = package.root / name
    for position in range(path.stat().st_size):
        with flipped(path, position, rng.randrange(8)):
            code = verify_folder(package.root, trust=lived_day.trust, lang="en")
        report = capsys.readouterr().out
        assert (code, first_named(report)) == (ALTERED, name), (position, report[:500])


def test_both_programs_name_a_flipped_byte_of_each_kind(
    lived_day: LivedDay, package: Package
) -> None:
    rng = random.Random(SEED + 1)  # noqa: S311 - chooses, no secret
    kinds = {kind_of(name): name for name in package.names()}
    kinds.pop("verify.py")  # the program that is run here
    wanted = [name for kind, name in sorted(kinds.items()) if kind.startswith(("av", "streams"))]
    wanted += [PAYLOAD, "data/record/witness.json"]
    for name in wanted:
        path = package.root / name
        with flipped(path, rng.randrange(path.stat().st_size), rng.randrange(8)):
            assert _both(package, lived_day.trust) == (ALTERED, name)


def test_a_flipped_byte_outranks_a_missing_file_and_a_missing_trust_file(package: Package) -> None:
    package.remove("data/record/appraisal.json")
    name = package.segment()
    with flipped(package.root / name, 0, 0):
        assert _both(package, None) == (ALTERED, name)


def _segment(package: Package) -> str:
    return package.segment()


def _witness(_package: Package) -> str:
    return "data/record/witness.json"


def _appraisal(_package: Package) -> str:
    return "data/record/appraisal.json"


PARTS = [_segment, _witness, _appraisal]


@pytest.mark.parametrize("part", PARTS)
def test_a_removed_part_is_incomplete_and_named(
    lived_day: LivedDay, package: Package, part: Callable[[Package], str]
) -> None:
    name = part(package)
    package.remove(name)
    assert _both(package, lived_day.trust) == (INCOMPLETE, name)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_removed_with_its_lines_is_altered(
    lived_day: LivedDay, package: Package, part: Callable[[Package], str]
) -> None:
    name = part(package)
    package.remove(name)
    package.unlist(name)
    code, named = _both(package, lived_day.trust)
    assert (code, named) == (ALTERED, PAYLOAD)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_the_venue_itself_left_out_is_incomplete(
    lived_day: LivedDay, package: Package, venue_seed: bytes, part: Callable[[Package], str]
) -> None:
    name = part(package)
    package.remove(name)
    package.list_again()
    package.sign(venue_seed)
    code, named = _both(package, lived_day.trust)
    assert code == INCOMPLETE
    assert Path(named).name.startswith(Path(name).stem), named


def test_a_missing_signature_is_incomplete(lived_day: LivedDay, package: Package) -> None:
    package.remove(SIGNATURE)
    assert _both(package, lived_day.trust) == (INCOMPLETE, SIGNATURE)


def test_without_a_trust_file_the_origin_is_not_proven(package: Package) -> None:
    code, _ = _both(package, None)
    assert code == UNPROVEN


def test_listed_again_and_signed_again_by_the_venue_is_sound(
    lived_day: LivedDay, package: Package, venue_seed: bytes
) -> None:
    """Without this the forgeries below could fail for a clumsy forger."""
    package.list_again()
    package.sign(venue_seed)
    assert _both(package, lived_day.trust) == (0, "")


def _forged(package: Package, seed: bytes, trust: Path) -> tuple[int, str]:
    package.list_again()
    package.sign(seed)
    return _both(package, trust)


def _streams(package: Package, word: str) -> list[str]:
    found = (package.root / "data" / "streams").glob(f"{word}-*/*")
    return [one.relative_to(package.root).as_posix() for one in found]


@pytest.mark.parametrize(
    ("kind", "recorder"),
    [
        ("locker.opening", "c"),
        ("card.unknown", "c"),
        ("power.state", "c"),
        ("order.issued", "h"),
        ("case.decided", "h"),
    ],
)
def test_rows_of_the_session_a_venue_hid_are_missing(
    lived_day: LivedDay, package: Package, venue_seed: bytes, kind: str, recorder: str
) -> None:
    def unwanted(event: dict[str, Any]) -> bool:
        return event["type"] == kind and event["ctl"].startswith(recorder)

    assert package.hide(unwanted)
    code, named = _forged(package, venue_seed, lived_day.trust)
    assert code == INCOMPLETE
    assert named in _streams(package, recorder)


def test_segments_hidden_with_their_files_are_missing(
    lived_day: LivedDay, package: Package, venue_seed: bytes
) -> None:
    hidden: list[str] = []

    def unwanted(event: dict[str, Any]) -> bool:
        if event["type"] != "media.segment":
            return False
        hidden.append(event["data"]["sha256"])
        return True

    assert package.hide(unwanted, most=30) == 30
    for digest in hidden:
        package.remove(next(name for name in package.names() if digest in name))
    code, named = _forged(package, venue_seed, lived_day.trust)
    assert code == INCOMPLETE
    # The hole is named where it lies in the evaluation, the missing rows wherever they lie.
    assert named.startswith("data/av/") or named in _streams(package, "c")


@pytest.mark.parametrize("kind", ["session.sealed", "record.closed"])
def test_a_hidden_count_is_missing(
    lived_day: LivedDay, package: Package, venue_seed: bytes, kind: str
) -> None:
    # The hub counts for each package; those made before this one stand in it too.
    assert package.hide(lambda event: event["type"] == kind) >= 1
    code, named = _forged(package, venue_seed, lived_day.trust)
    assert code == INCOMPLETE
    assert named.startswith("data/streams/")


def test_a_row_behind_the_count_may_be_hidden(
    lived_day: LivedDay, package: Package, venue_seed: bytes
) -> None:
    """As a row of another session may be: it is not the session's any more."""
    ends = {
        event["ctl"]: event["seq"]
        for event in package.events()
        if event["type"] == "session.sealed"
    }

    def later(event: dict[str, Any]) -> bool:
        return (
            event["seq"] > ends.get(event["ctl"], event["seq"])
            and event["session"] == ""
            and event["type"] != "media.segment"
        )

    package.hide(later)
    assert _forged(package, venue_seed, lived_day.trust) == (0, "")


def test_a_strangers_signature_is_altered(lived_day: LivedDay, package: Package) -> None:
    package.sign(crypto.new_seed())
    assert _both(package, lived_day.trust) == (ALTERED, SIGNATURE)


def test_a_package_made_afresh_with_other_keys_is_altered(
    lived_day: LivedDay, package: Package
) -> None:
    """The forger changes a record and the keys it names, and signs it all."""
    seed = crypto.new_seed()
    header = json.loads((package.root / SIGNATURE).read_bytes().split(b"\n")[0])
    claimed = package.root / "data" / "keys" / "trust.json"
    public = crypto.public_of(seed).hex()
    text = claimed.read_text("utf-8").replace(header["pub"], public)
    claimed.write_text(text, "utf-8")
    package.list_again()
    package.sign(seed)
    assert _both(package, lived_day.trust) == (ALTERED, SIGNATURE)


@pytest.mark.parametrize("manifest", [PAYLOAD, TAGS])
def test_a_name_that_leads_out_is_refused_and_nothing_is_written(
    lived_day: LivedDay, package: Package, venue_seed: bytes, manifest: str
) -> None:
    outside = package.root.parent
    (outside / "loot.txt").write_text("untouched", "utf-8")
    prefix = "data/../../" if manifest == PAYLOAD else "../"
    path = package.root / manifest
    path.write_text(path.read_text("utf-8") + f"{'0' * 64}  {prefix}loot.txt\n", "utf-8")
    if manifest == PAYLOAD:
        lines = (package.root / TAGS).read_text("utf-8").splitlines()
        fresh = package._hash(PAYLOAD)
        lines = [f"{fresh}  {PAYLOAD}" if one.endswith(f"  {PAYLOAD}") else one for one in lines]
        (package.root / TAGS).write_text("\n".join(lines) + "\n", "utf-8")
    package.sign(venue_seed)
    before = sorted(outside.rglob("*"))
    assert _both(package, lived_day.trust) == (ALTERED, manifest)
    assert sorted(outside.rglob("*")) == before
    assert (outside / "loot.txt").read_text("utf-8") == "untouched"


def test_a_link_in_a_package_is_refused(lived_day: LivedDay, package: Package) -> None:
    name = "data/record/witness.json"
    path = package.root / name
    path.rename(package.root.parent / "witness.json")
    path.symlink_to(package.root.parent / "witness.json")
    assert _both(package, lived_day.trust) == (ALTERED, name)


def test_paths_that_cannot_be_read_are_wrong_use(
    lived_day: LivedDay, package: Package, tmp_path: Path
) -> None:
    broken = tmp_path / "trust.json"
    broken.write_text("{", "utf-8")
    calls: list[list[object]] = [
        [tmp_path / "nowhere"],
        [lived_day.trust],
        [package.root, "--trust", tmp_path / "nowhere"],
        [package.root, "--trust", broken],
        [package.root, "--unknown"],
    ]
    for words in calls:
        for done in (run("verify", *words), _own(package, *words)):
            assert done.returncode == USAGE, (words, done.stdout, done.stderr)
            assert done.stderr
            assert "Traceback" not in done.stderr

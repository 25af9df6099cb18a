"""Writing a package: texts, selection, the stand-alone program run for real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bagit
import pytest

from protocols.evidence import package as make
from protocols.evidence import verifier
from protocols.evidence.package import RowInfo, SealSpan, Selection, Window, select_streams
from protocols.messages.errors import LocalError
from tests.protocols.evidence.sample_package import CTL, HUB, SESSION, bag, payload
from tests.protocols.messages.wire_keys import GUEST, trust_file

A, B = "a" * 32, "b" * 32
FOLDER = Path(verifier.__file__).parent
SOURCE = (FOLDER / "verifier.py").read_text(encoding="utf-8")
TAIL = (FOLDER / "verify_tail.txt").read_text(encoding="utf-8")


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def good() -> dict[str, bytes]:
    return bag(payload())


@pytest.fixture
def folder(tmp_path, good):
    program = make.standalone_source(SOURCE, TAIL)
    (tmp_path / "verify.py").write_text(program, encoding="utf-8")
    (tmp_path / "trust.json").write_bytes(trust_file().encode())
    write(tmp_path / "package", good)
    return tmp_path


def run(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "verify.py"), *words],
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_any_bagit_tool_accepts_the_bag(tmp_path, good):
    assert bagit.Bag(str(write(tmp_path, good))).is_valid()


def test_rows_that_follow_one_another_in_stream_and_log_are_one_line():
    rows = {4: ("c-1", "e", 1), 5: ("c-1", "e", 2), 7: ("c-1", "e", 3), 8: ("c-2", "e", 4)}
    assert make.log_places(rows) == b"c-1 e 1 2 4\nc-1 e 3 1 7\nc-2 e 4 1 8\n"


def test_the_program_alone_finds_it_sound(folder):
    code, said = run(folder, "package", "--trust", "trust.json", "--lang", "en")

    assert code == 0
    assert said.startswith("SOUND\n")
    assert run(folder, "package", "--trust", "trust.json")[1].startswith("完好\n")


def test_without_a_trust_file_the_origin_is_not_proven(folder):
    assert run(folder, "package", "--lang", "en")[0] == 4


def test_a_package_checks_itself(folder, good):
    program = (folder / "verify.py").read_bytes()
    inside = folder / "package" / "verify.py"
    inside.write_bytes(program)
    code, said = run(inside.parent, "--lang", "en")

    assert code == 2
    assert "verify.py" in said
    files = {k: v for k, v in good.items() if k.startswith("data/")}
    write(folder / "package", bag(files))
    assert run(folder, "package", "--trust", "trust.json")[0] == 0


def test_an_altered_byte_and_a_missing_file(folder):
    witness = folder / "package/data/record/witness.json"
    content = witness.read_bytes()
    witness.unlink()
    code, said = run(folder, "package", "--trust", "trust.json", "--lang", "en")
    assert (code, said.splitlines()[0]) == (3, "INCOMPLETE: data/record/witness.json")
    witness.write_bytes(content.replace(b"s-", b"t-"))
    code, said = run(folder, "package", "--trust", "trust.json", "--lang", "en")
    assert (code, said.splitlines()[0]) == (2, "ALTERED: data/record/witness.json")


def test_links_are_never_followed(folder):
    (folder / "package/data/extra").symlink_to(folder / "trust.json")

    code, said = run(folder, "package", "--trust", "trust.json", "--lang", "en")

    assert code == 2
    assert "data/extra: is a link" in said


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere"],
        ["package", "--lang", "fr"],
        ["package", "--what"],
        ["package", "package"],
        ["package", "--trust"],
        ["package", "--trust", "nowhere.json"],
        ["package", "--trust", "verify.py"],
    ],
)
def test_wrong_use_is_64(folder, words):
    assert run(folder, *words)[0] == 64


def test_help_has_an_example(folder):
    code, said = run(folder, "--help")

    assert code == 0
    assert "Example: " in said


def test_sources_that_do_not_fit_together_are_our_bug():
    with pytest.raises(LocalError, match="compile"):
        make.standalone_source(SOURCE, "def broken(")


def test_bag_info_and_sides_are_checked():
    info = make.file_info(b"x")

    with pytest.raises(LocalError, match="line feed"):
        make.bag_files({}, info={"Contact": "a\nb"}, tags={})
    with pytest.raises(LocalError, match="wrong side"):
        make.bag_files({"verify.py": info}, info={}, tags={})
    with pytest.raises(LocalError, match="wrong side"):
        make.bag_files({}, info={}, tags={"data/x": info})


def test_sm3_is_written_only_when_every_file_has_it():
    some = {"data/a": make.file_info(b"a", sm3="0" * 64), "data/b": make.file_info(b"b")}

    assert "manifest-sm3.txt" not in make.bag_files(some, info={}, tags={})
    assert "manifest-sm3.txt" in make.bag_files({"data/a": some["data/a"]}, info={}, tags={})


@pytest.mark.parametrize("hashes", [{0: "a" * 64}, {1: "A" * 64}])
def test_a_hash_list_holds_hashes(hashes):
    with pytest.raises(LocalError):
        make.hash_list(hashes)


def rows_of(table):
    def rows(ctl, epoch, first, last):
        return [row for row in table[ctl, epoch] if first <= row.seq <= last]

    return rows


def test_selection_follows_the_rule():
    """Seals 1..4, 5..8, 9..12; the window is 6..7: the second seal goes in whole."""
    table = {
        (CTL, A): [
            RowInfo(5, "power.state", ""),
            RowInfo(6, "power.state", ""),
            RowInfo(7, "member.late", "s-other"),
            RowInfo(8, "member.left", SESSION),
        ],
        (HUB, B): [
            RowInfo(1, "epoch.opened", ""),
            RowInfo(2, "alarm.acked", ""),
            RowInfo(3, "order.issued", SESSION),
        ],
    }
    seals = [
        SealSpan(CTL, A, 9, 12, key=3),
        SealSpan(CTL, A, 5, 8, key=2),
        SealSpan(CTL, A, 1, 4, key=1),
        SealSpan(CTL, A, 7, 8, key=5),
        SealSpan(HUB, B, 1, 3, key=4),
    ]
    windows = [Window(CTL, A, 6, 7), Window(HUB, B, 1, 3)]

    found = select_streams(
        session=SESSION,
        places=frozenset({CTL}),
        windows=windows,
        seals=seals,
        rows=rows_of(table),
    )

    assert found == [
        Selection(CTL, A, seals=(2, 5), hashes=(5, 6, 7, 8), shown=(6, 8)),
        Selection(HUB, B, seals=(4,), hashes=(1, 2, 3), shown=(1, 3)),
    ]


def test_the_signature_names_the_organisation_and_the_session():
    name, raw = make.sign_package(
        org="changsha",
        session=SESSION,
        tag_manifest=b"x",
        public=GUEST.pub,
        sign=GUEST.private.sign,
    )

    assert name == "tagmanifest-sha256.txt.sig"
    assert raw.startswith(b'{"ctx":"er1/package","suite":"INTL","org":"changsha"')


def test_the_verifier_stands_alone():
    """It imports the standard library only, and nothing that reads, waits or asks a network."""
    imported = {
        line.split()[1].split(".")[0]
        for line in SOURCE.splitlines()
        if line.startswith(("import ", "from "))
    }

    assert imported <= set(sys.stdlib_module_names)
    assert not imported & {"os", "io", "time", "socket", "pathlib", "random", "subprocess"}


def test_a_number_at_which_a_seal_has_something_else_is_not_brought_in_by_it():
    """Its own seal may lie outside the window: listed, it would look unsealed."""
    seals = [SealSpan(CTL, A, 3, 5, key=1, others=frozenset({3}))]
    (one,) = select_streams(
        session=SESSION,
        places=frozenset({CTL}),
        windows=[Window(CTL, A, 5, 5)],
        seals=seals,
        rows=lambda _ctl, _epoch, first, last: [
            RowInfo(seq, "seat.state", "") for seq in range(first, last + 1)
        ],
    )
    assert (one.hashes, one.shown) == ((4, 5), (5,))

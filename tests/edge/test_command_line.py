"""`evalroom edge` and `evalroom sim` as typed: own example, all options said, plain refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge import __main__ as command
from edge.__main__ import COMMANDS, main
from edge.simulators.cli import BOARDS, sim_parser


@pytest.mark.parametrize("word", sorted(COMMANDS))
def test_help_shows_its_own_example_and_what_an_exit_means(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["edge", word, "--help"]) == 0
    said = capsys.readouterr().out
    examples = [one.strip() for one in said.splitlines() if one.startswith("  evalroom edge")]
    assert examples == [COMMANDS[word][1]]
    assert "exit codes:" in said
    assert "the room's TOML file" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["edge"], ("evalroom edge: unknown command", "got: none")),
        (["edge", "fly"], ("expected: one of run, check, selftest", "got: fly")),
        (["edge", "run"], ("evalroom edge run: the words do not fit", "required: config")),
        (["edge", "run", "a", "b"], ("expected: evalroom edge run [-h] config", "arguments: b")),
        (["sim", "toaster"], ("evalroom sim: unknown kind", "got: toaster")),
        (["sim", "link", "--route", "x"], ("expected PORT:HOST:PORT", "evalroom sim link --help")),
        (["sim", "system", "--listen", "x"], ("--listen", "do: see `evalroom sim system --help`")),
    ],
)
def test_wrong_words_are_named_with_what_to_do(
    words: list[str], says: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 64
    said = capsys.readouterr().err
    for part in (*says, "expected: ", "got: ", "do: see `evalroom "):
        assert part in said


def test_the_overview_names_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    for words, names in ((["edge", "-h"], COMMANDS), (["sim", "-h"], [*BOARDS, "link", "system"])):
        assert main(words) == 0
        said = capsys.readouterr().out
        assert all(f"  {name} " in said for name in names)


@pytest.mark.parametrize("kind", sorted(BOARDS))
def test_every_option_of_a_board_says_what_it_is(kind: str) -> None:
    parser = sim_parser(kind)
    assert all(action.help for action in parser._actions)
    said = parser.format_help()
    assert [one for one in BOARDS if f"evalroom sim {one} --pty" in said] == [kind]


def test_what_nobody_foresaw_has_an_exit_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(_path: Path) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(command, "read_room_file", broken)
    assert main(["edge", "check", str(tmp_path / "room.toml")]) == 70
    assert "ZeroDivisionError: ours" in capsys.readouterr().err

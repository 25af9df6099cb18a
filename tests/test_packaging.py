"""The distribution: its names, its extras, its lock file, its commands."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import evalroom
from tests.source import ROOT, nodes

OURS = ("edge", "hub", "protocols")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCK = (ROOT / "deploy" / "requirements.txt").read_text(encoding="utf-8")
# Import name -> distribution, where they differ.
DISTRIBUTION = {
    "argon2": "argon2-cffi",
    "chinese_calendar": "chinesecalendar",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "multipart": "python-multipart",
    "nacl": "pynacl",
    "paho": "paho-mqtt",
    "serial": "pyserial",
    "sqlite_utils": "sqlite-utils",
    "starlette": "fastapi",
    "xdist": "pytest-xdist",
    "yaml": "pyyaml",
}


def declared(extra: str) -> set[str]:
    return {re.split(r"[<>=\[; ]", line, maxsplit=1)[0].lower() for line in EXTRAS[extra]}


def declared_beside(side: str) -> set[str]:
    """Extras of a side that not everybody installs."""
    return declared("oidc") if side == "hub" else set()


def imported(folder: str) -> dict[str, str]:
    """Third-party names imported under a folder, each with one file that imports it."""
    found: dict[str, str] = {}
    for path, node in nodes(f"{folder}/"):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            root = name.split(".")[0]
            if root not in sys.stdlib_module_names and root not in (*OURS, "evalroom"):
                found[root] = path
    return found


@pytest.mark.parametrize("side", ["edge", "hub"])
def test_what_a_side_imports_is_in_its_extra(side: str) -> None:
    missing = {
        name: where
        for name, where in imported(side).items()
        if DISTRIBUTION.get(name, name).lower() not in declared(side) | declared_beside(side)
    }
    assert missing == {}


def test_the_rules_need_nothing_but_python() -> None:
    assert imported("protocols") == {}


def test_what_the_tests_import_is_installed_by_the_lock_file() -> None:
    everything = declared("edge") | declared("hub") | declared("oidc") | declared("dev")
    helpers = {"tests"} | {path.stem for path in (ROOT / "tests").rglob("*.py")}
    helpers |= {path.name for path in (ROOT / "tests").rglob("*") if path.is_dir()}
    missing = {
        name: where
        for name, where in imported("tests").items()
        if name not in helpers and DISTRIBUTION.get(name, name).lower() not in everything
    }
    assert missing == {}


def test_every_dependency_is_pinned_by_hash_and_none_says_where_it_comes_from() -> None:
    pinned = re.findall(r"^([a-z0-9-]+)(?:\[\S+\])?==\S+(?: ; .+)? \\$", LOCK, re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9-]+(?:\[\S+\])?==)", LOCK, flags=re.MULTILINE)[1:]

    assert len(pinned) == len(blocks)
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in LOCK
    wanted = {re.sub(r"[_.]", "-", name) for extra in EXTRAS for name in declared(extra)}
    assert wanted <= set(pinned)


def test_an_extra_that_is_needed_is_pinned_with_its_name() -> None:
    """Debian 12's pip takes `name[extra]` for unpinned where only `name` is pinned."""
    names = re.findall(r"^([a-z0-9-]+)(?:\[\S+\])?==", LOCK, re.MULTILINE)
    installed = {one.name.lower(): one for one in importlib.metadata.distributions()}
    needed = set()
    for name in names:
        for line in (installed[name].requires or []) if name in installed else []:
            asked = re.match(r"([A-Za-z0-9_.-]+)\[([a-z0-9,_-]+)\]", line)
            if asked and "extra ==" not in line and asked[1].lower() in names:
                needed.add(f"{asked[1].lower()}[{asked[2]}]==")

    assert needed
    assert [one for one in needed if f"\n{one}" not in f"\n{LOCK}"] == []


def test_the_three_package_names_belong_to_us_alone() -> None:
    owners = importlib.metadata.packages_distributions()

    for name in OURS:
        assert set(owners.get(name, ["evalroom"])) == {"evalroom"}, name


def test_every_dependency_says_in_decisions_why_it_is_there() -> None:
    decisions = (ROOT / "DECISIONS.md").read_text(encoding="utf-8").lower()
    everything = declared("edge") | declared("hub") | declared("oidc") | declared("dev")

    assert sorted(name for name in everything if f"`{name}`" not in decisions) == []


DOCUMENTS = (
    "README.md",
    "README.zh-CN.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/compliance/en303645.md",
    "docs/compliance/dengbao-3.md",
    "deploy/README.md",
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_a_document_tells_to_type_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    words = {command.word for command in evalroom.COMMANDS}

    assert set(re.findall(r"(?:^|`|sudo )make ([a-z-]+)", text, re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:`|bin/)evalroom ([a-z]+)", text)) <= words


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_a_document_points_at_is_there(name: str) -> None:
    document = ROOT / name
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_readme_begins_with_the_two_commands() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.findall(r"^make ([a-z]+)", text, re.MULTILINE) == ["demo", "test"]


def test_the_table_of_devices_says_what_was_not_tested() -> None:
    """Every kind of board that ships as data has its row, and no real one is called tested."""
    text = (ROOT / "DECISIONS.md").read_text(encoding="utf-8")
    table = text[text.index("兼容表") : text.index("## Dependencies")]
    kinds = {"idcard": "SAM_V", "8a80": "8A/80", "cu16": "CU16", "ld2410": "LD2410"}
    kinds |= {"megatec": "Megatec", "gpio": "GPIO"}
    boards = (ROOT / "firmware-config" / "boards").glob("*.toml")

    for path in boards:
        word = kinds[tomllib.loads(path.read_text(encoding="utf-8"))["kind"]]
        row = next(line for line in table.splitlines() if word in line and line.startswith("|"))
        assert row.rstrip().endswith("| not tested 未测 |"), row


@pytest.mark.slow
def test_the_wheel_carries_code_and_data_and_the_command(tmp_path: Path) -> None:
    build = "from hatchling.build import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    made = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    names = set(zipfile.ZipFile(tmp_path / made.stdout.split()[-1]).namelist())

    assert "evalroom.py" in names
    data = {
        path.relative_to(ROOT).as_posix()
        for side in OURS
        for path in (ROOT / side).rglob("*")
        if path.suffix in {".html", ".css", ".js", ".yaml", ".json", ".txt", ".sql", ".mako"}
    }
    assert data <= names
    assert not [name for name in names if name.startswith(("tests/", "deploy/"))]


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evalroom", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command_with_an_example() -> None:
    said = command("--help")

    assert said.returncode == 0
    for one in evalroom.COMMANDS:
        assert f"example: evalroom {one.word} " in said.stdout


def test_an_unknown_command_is_refused_with_what_to_do() -> None:
    said = command("verfy")

    assert said.returncode == 64
    for part in ("unknown command", "expected: one of demo", "got: verfy", "do: see"):
        assert part in said.stderr


def test_a_missing_extra_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    missing = evalroom.Command("hub", "no_such_module_here", "hub", "", "")

    assert evalroom.run(missing, ["hub"]) == 69
    assert "pip install 'evalroom[hub]'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("word", [one.word for one in evalroom.COMMANDS])
def test_every_command_has_help_with_an_example(word: str) -> None:
    said = command(word, "--help")

    assert said.returncode == 0, said.stderr
    assert f"evalroom {word}" in said.stdout

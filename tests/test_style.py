"""The rules of CONTRIBUTING.md that a clerk could check, checked."""

from __future__ import annotations

import ast
import re

import pytest

from tests.source import ROOT, dotted, nodes, of, tracked

FUNCTION_LINES_MAX = 70
PURE = ("protocols/", "edge/room.py", "edge/room_rules/")
# Travels alone inside every package, so that it is one file however long (its docstring says why).
ALONE = {"protocols/evidence/verifier.py"}
TEXT = {".py", ".md", ".html", ".css", ".js", ".toml", ".yaml", ".yml", ".json", ".txt", ".conf"}


def test_no_function_is_longer_than_a_screen() -> None:
    found = [
        f"{name}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for name, node in nodes()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert found == []


def test_the_rules_never_ask_what_time_it_is() -> None:
    found = [
        f"{name}:{node.lineno} .{node.attr}"
        for name, node in nodes(*PURE)
        if isinstance(node, ast.Attribute) and node.attr in {"now", "today", "utcnow"}
    ]
    assert found == []


def test_the_rules_open_nothing_and_say_nothing() -> None:
    """What needs no import: the import contracts see the rest."""
    found = [
        f"{name}:{node.lineno} {node.func.id}()"
        for name, node in nodes(*PURE)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"open", "print", "input", "breakpoint", "__import__"}
    ]
    assert found == []


def test_no_test_sleeps() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, node in nodes("tests/")
        if isinstance(node, ast.Call)
        and dotted(node.func) in {"time.sleep", "asyncio.sleep", "sleep"}
    ]
    assert found == []


def is_forbidden(node: ast.AST) -> str:
    """The name of what a node does that nobody here does; empty for everything else."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [alias.name for alias in node.names]
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        roots = {name.split(".")[0] for name in names}
        return next(iter(roots & {"pickle", "cPickle", "dill", "shelve", "marshal"}), "")
    if isinstance(node, ast.Call):
        if (name := dotted(node.func)) in {"yaml.load", "yaml.unsafe_load", "eval", "exec"}:
            return name
        if any(
            word.arg == "shell"
            and not (isinstance(word.value, ast.Constant) and not word.value.value)
            for word in node.keywords
        ):
            return "shell=True"
    return ""


def test_nothing_loads_code_from_data_or_starts_a_shell() -> None:
    found = [
        f"{name}:{getattr(node, 'lineno', 0)} {what}"
        for name, node in nodes()
        if (what := is_forbidden(node))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import pickle", "pickle"),
        ("from pickle import loads", "pickle"),
        ("yaml.load(x)", "yaml.load"),
        ("subprocess.run(x, shell=True)", "shell=True"),
        ("subprocess.run(x, shell=False)", ""),
        ("yaml.safe_load(x)", ""),
    ],
)
def test_the_test_above_sees_what_it_should(text: str, what: str) -> None:
    assert next(filter(None, map(is_forbidden, of(text))), "") == what


def test_no_dependency_draws_its_secrets_from_an_ordinary_generator() -> None:
    """A package for the SM algorithms that draws signature nonces from `random` is refused."""
    refused = re.compile(r"\bgm" + r"ssl\b|\bmin" + r"io\b", re.IGNORECASE)
    found = [
        path.relative_to(ROOT).as_posix()
        for path in tracked(*TEXT)
        if refused.search(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def test_files_stay_readable() -> None:
    """At most 500 lines of code in a file, so that a newcomer can hold it in mind."""
    found = [
        f"{path.relative_to(ROOT)} has {count} lines"
        for path in tracked(".py")
        if path.relative_to(ROOT).as_posix() not in ALONE
        and (count := len(path.read_text(encoding="utf-8").splitlines())) > 500
    ]
    assert found == []


def test_no_page_of_the_hub_asks_another_machine_for_anything() -> None:
    address = re.compile(r"""(?:src|href|url\()\s*=?\s*["']?https?://""", re.IGNORECASE)
    found = [
        path.relative_to(ROOT).as_posix()
        for path in tracked(".html", ".css", ".js")
        if path.relative_to(ROOT).parts[0] in {"hub", "edge"}
        and address.search(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []

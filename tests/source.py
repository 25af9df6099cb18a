"""The project's own files, for tests that read code: each taken apart once in a process."""

from __future__ import annotations

import ast
import gc
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LOOKED_AT: Final = (
    ast.Attribute,
    ast.Call,
    ast.Dict,
    ast.FunctionDef | ast.AsyncFunctionDef,
    ast.Import | ast.ImportFrom,
)


@cache
def listed() -> tuple[Path, ...]:
    """Files of the project: those git knows, else (no git) those of the tree."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        names = subprocess.run(
            [git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        return tuple(path for name in names if name and (path := ROOT / name).is_file())
    tops = ("edge", "hub", "protocols", "tests", "deploy", "docs", "firmware-config")
    return tuple(path for top in tops for path in (ROOT / top).rglob("*") if path.is_file())


def tracked(*suffixes: str) -> list[Path]:
    """The project's files with one of these suffixes."""
    return [path for path in listed() if path.suffix in suffixes]


def inside(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of a tree that some test looks at; as `ast.walk`, in half its time."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, LOOKED_AT):
            yield node
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting.extend(one for one in value if isinstance(one, ast.AST))


@cache
def parsed() -> tuple[tuple[str, tuple[ast.AST, ...]], ...]:
    """(path from the project's root, what is looked at in it) of every Python file."""
    # A million nodes that stay: looking through them for rubbish again and again takes three
    # quarters of the time.
    gc.disable()
    try:
        found = tuple(
            (
                path.relative_to(ROOT).as_posix(),
                tuple(inside(ast.parse(path.read_text(encoding="utf-8")))),
            )
            for path in tracked(".py")
        )
        gc.freeze()
    finally:
        gc.enable()
    return found


def nodes(*under: str) -> Iterator[tuple[str, ast.AST]]:
    """(path, node) of every file whose path begins so; without arguments of all."""
    for name, found in parsed():
        if not under or name.startswith(under):
            yield from ((name, node) for node in found)


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute; what a call or an index gives is `?`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def of(text: str) -> Iterable[ast.AST]:
    """The same nodes of a text, for the tests of such tests."""
    return inside(ast.parse(text))

"""Small faults planted in the checks of a module, one at a time, and whether its tests notice.

A check is a comparison, a part of an `and`/`or`, or a `not`. Each is turned round, moved past its
boundary, or taken out. A mutant runs in a forked child, which loads the changed source under the
module's own name and lets pytest run the module's tests; exit 0 there means that nobody noticed.
"""

from __future__ import annotations

import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

import pytest

TURNED: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.GtE, ast.LtE),
    ast.LtE: (ast.Gt, ast.Lt),
    ast.Gt: (ast.LtE, ast.GtE),
    ast.GtE: (ast.Lt, ast.Gt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
"""What a comparison becomes: its opposite and, where it has a boundary, the one beside it."""
OURS: Final = frozenset({"edge", "hub", "protocols", "tests"})
"""What is loaded afresh for each fault."""
HANG_CPU_S: Final = 20
"""A mutant whose tests never end is noticed: no codec's tests take a quarter of this."""
STARTUP: Final = """import importlib.util
import sys
from importlib.machinery import SourceFileLoader

NAME, PATH, CHANGED = {place!r}


class Loader(SourceFileLoader):
    def get_code(self, name):
        with open(CHANGED, "rb") as text:
            return compile(text.read(), PATH, "exec")


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == NAME:
            return importlib.util.spec_from_file_location(name, PATH, loader=Loader(name, PATH))


sys.meta_path.insert(0, Finder)
"""
"""Run by each Python that the tests start, as its `sitecustomize`."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted fault: where, what stood there, what stands there now, and the whole source."""

    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.before}  ->  {self.after}"


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file, a check at a time."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for number, node in enumerate(ast.walk(tree)):
        for changed in _changed(node):
            whole = copy.deepcopy(tree)
            _Put(number, changed).into(whole)
            yield Mutant(
                line=getattr(node, "lineno", 0),
                before=ast.unparse(node),
                after=ast.unparse(changed),
                source=ast.unparse(whole),
            )


def _changed(node: ast.AST) -> Iterator[ast.expr]:
    """What may stand in the place of a check."""
    if isinstance(node, ast.Compare):
        for place, was in enumerate(node.ops):
            for now in TURNED[type(was)]:
                other = copy.deepcopy(node)
                other.ops[place] = now()
                yield other
    elif isinstance(node, ast.BoolOp):
        for place in range(len(node.values)):
            rest = [one for i, one in enumerate(node.values) if i != place]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(op=node.op, values=rest)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand


class _Put(ast.NodeTransformer):
    """Puts a node in the place of the one with this number, counted as `ast.walk` counts."""

    def __init__(self, number: int, changed: ast.expr) -> None:
        self._number = number
        self._changed = changed
        self._target: ast.AST | None = None

    def into(self, tree: ast.Module) -> None:
        self._target = next(one for i, one in enumerate(ast.walk(tree)) if i == self._number)
        self.visit(tree)

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._target:
            return self._changed
        self.generic_visit(node)
        return node


def survives(
    mutant: Mutant, *, module: str, path: Path, tests: Sequence[Path], program: bool = False
) -> bool:
    """True when the module's tests pass although the fault is in it.

    `program`: what is started by its `__file__` gets the changed text there, in a folder aside; a
    process of `python -m` loads it under the module's own name.
    """
    if program:
        with tempfile.TemporaryDirectory() as aside:
            changed = Path(aside) / path.name
            changed.write_text(mutant.source, encoding="utf-8")
            changed.parent.chmod(0o755)  # what is shut in reads its own program too
            startup = STARTUP.format(place=(module, str(path), str(changed)))
            changed.with_name("sitecustomize.py").write_text(startup, encoding="utf-8")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PYTHONPATH", aside, prepend=os.pathsep)
                return survives(mutant, module=module, path=changed, tests=tests)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = _run(mutant, module=module, path=path, tests=tests)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def _run(mutant: Mutant, *, module: str, path: Path, tests: Sequence[Path]) -> int:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (HANG_CPU_S, HANG_CPU_S))
    os.environ["EVALROOM_PROPERTIES"] = "whole"
    for name in [one for one in sys.modules if one.split(".")[0] in OURS]:
        del sys.modules[name]
    sys.meta_path.insert(0, Planted(module, path, mutant.source))
    # The parent has loaded Hypothesis already, which pytest warns about.
    words = ["-q", "-x", "-o", "filterwarnings=default", "-p", "no:cacheprovider"]
    return int(pytest.main([*words, *map(str, tests)]))


class _Changed(importlib.machinery.SourceFileLoader):
    """Loads a file's module from another source text."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        super().__init__(module, str(path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        code: CodeType = compile(self._source, self.path, "exec")
        return code


class Planted(importlib.abc.MetaPathFinder):
    """Gives out the changed source where the module is asked for."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self._loader = _Changed(module, path, source)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of the one module that is changed; None for every other."""
        del path, target
        if fullname != self._loader.name:
            return None
        return importlib.util.spec_from_file_location(
            fullname, self._loader.path, loader=self._loader
        )

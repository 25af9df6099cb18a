"""Whatever the rooms and the hub write into the record has its label in both languages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

import pytest

from protocols.policy.room_folds import FOLDS
from protocols.terms_events import EVENT_LABELS
from tests.source import dotted, of, parsed

SILENT = ("hub/web/", "edge/simulators/")
TYPE = re.compile(r"[a-z]+(?:[._][a-z]+)*\Z")
# What puts an event into a record, by the last name of what is called.
WRITERS = {"Draft", "Own", "_drop", "_fact", "_note", "emit", "emit_data", "pass_on"}
# Types put together at run time: the code's own text -> what it can become.
COMPOSED = {
    "f'member.{why}'": ("member.removed", "member.replaced", "member.withdrawn"),
    "f'booking.{state}'": ("booking.accepted", "booking.declined"),
    "f'case.{action}ed'": ("case.sealed", "case.unsealed"),
}


def is_writer(call: ast.Call) -> bool:
    name = dotted(call.func)
    return name.rpartition(".")[2] in WRITERS or name.endswith("facts.append")


def type_argument(call: ast.Call) -> ast.expr | None:
    """What a writer is given as the event's type: `type=`, else its first text."""
    named = [word.value for word in call.keywords if word.arg == "type"]
    texts = (ast.Constant, ast.JoinedStr, ast.IfExp)
    given = [arg for arg in call.args[:2] if isinstance(arg, texts)]
    return next(iter([*named, *given]), None)


def texts(node: ast.expr) -> Iterator[str]:
    """The event types an expression can give; a composed one must be in the table above."""
    if isinstance(node, ast.JoinedStr):
        yield from COMPOSED[ast.unparse(node)]
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def written(looked_at: Iterable[ast.AST]) -> set[str]:
    """Event types a file writes: arguments of writers."""
    found: set[str] = set()
    for node in looked_at:
        if isinstance(node, ast.Call) and is_writer(node):
            argument = type_argument(node)
            found |= set() if argument is None else set(texts(argument))
        if isinstance(node, ast.Dict):
            pairs = {
                key.value: value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            }
            if {"type", "data"} <= pairs.keys():
                found |= set(texts(pairs["type"]))
    return {text for text in found if TYPE.match(text)}


def every_type_written() -> set[str]:
    found = set(FOLDS)
    for name, looked_at in parsed():
        if name.startswith(("edge/", "hub/")) and not name.startswith(SILENT):
            found |= written(looked_at)
    return found


def test_every_event_that_is_written_has_its_label_in_both_languages() -> None:
    types = every_type_written()

    assert len(types) > 80
    assert sorted(types - EVENT_LABELS.keys()) == []
    assert [name for name, (zh, en) in EVENT_LABELS.items() if not zh.strip() or zh == en] == []


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ('work.emit("power.state", "", on=True)', {"power.state"}),
        ('self._parts.facts.append(conn, type="case.note", data={})', {"case.note"}),
        ('Turn("system", {"type": "clock.fix", "session": "", "data": {}})', {"clock.fix"}),
        (
            'work.emit("fault.raised" if bad else "fault.cleared")',
            {"fault.raised", "fault.cleared"},
        ),
        ('emit_data(f"member.{why}", one, data)', set(COMPOSED["f'member.{why}'"])),
        ('say("not an event")', set()),
        ("names.append(one)", set()),
    ],
)
def test_the_search_above_sees_what_it_should(text: str, types: set[str]) -> None:
    assert written(of(text)) == types

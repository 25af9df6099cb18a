"""Faults that the simulation must notice, planted in the source as text and loaded in its place.

A mutant runs in a forked child, which loads the changed files under the product's own names. Exit 0
means that nobody noticed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants.mutate import Planted

ROOT: Final = Path(__file__).resolve().parents[2]
OURS: Final = frozenset({"edge", "hub", "protocols", "tests"})


@dataclass(frozen=True)
class Change:
    """In one file, a text that stands there once becomes another."""

    file: str
    before: str
    after: str

    def source(self, source: str) -> str:
        assert source.count(self.before) == 1, f"{self.file} has changed: {self.before}"
        return source.replace(self.before, self.after)


@dataclass(frozen=True)
class Fault:
    """A planted fault, the faults of the world it shows under, and seeds, the best one first."""

    name: str
    changes: tuple[Change, ...]
    under: tuple[str, ...]
    seeds: tuple[int, ...] = (1, 2, 3, 4)


FAULTS: Final = (
    Fault(
        "the cursor moves when the broker takes a batch",
        (
            Change(
                "edge/uplink.py",
                "            entropy=chance,\n        )\n        return True\n\n    def _pass_hole",
                "            entropy=chance,\n        )\n"
                "        self._set_cursor(plan.epoch, rows[-1].seq)\n"
                "        return True\n\n    def _pass_hole",
            ),
        ),
        (),
    ),
    Fault(
        "the hub acknowledges before its commit",
        (
            Change(
                "hub/recording/ingest.py",
                "        outcome = self._recorded_batch(ctl, payload)\n        if outcome.refused:",
                "        with self._store.write() as conn:\n"
                "            outcome = self._recorded_batch(ctl, payload)\n"
                "            for ack in self._acks_after(conn, ctl, outcome):\n"
                "                self._send(ack)\n"
                "        if outcome.refused:",
            ),
        ),
        (),
    ),
    Fault(
        "a row that came twice is recorded twice",
        (
            Change(
                "protocols/messages/recording.py",
                "            return AlreadyRecorded(envelope.seq)",
                "            return Record(envelope.seq, digest, line, head=head)",
            ),
            Change(
                "hub/store/tables_core.py",
                '    UniqueConstraint("ctl", "epoch", "seq", name="events_once"),\n',
                "",
            ),
        ),
        ("twice",),
    ),
    Fault(
        "rows are told apart without their epoch",
        (
            Change(
                "hub/recording/streams.py",
                "    row = _HEAD.first(conn, of_ctl=ctl, of_epoch=epoch)\n",
                "    row = (newest_epochs(conn, ctl) or [None])[-1]\n",
            ),
        ),
        ("room_crash",),
    ),
    Fault(
        "a hole in a stream is taken",
        (
            Change(
                "protocols/messages/recording.py",
                "    if envelope.seq > head.head + 1:\n",
                "    if False:\n",
            ),
            Change(
                "protocols/messages/recording.py",
                "    if head.head and not head.after_gap and envelope.prev != head.head_hash:",
                "    if False:",
            ),
        ),
        ("drop", "reorder"),
    ),
    Fault(
        "a will counts against a room that lives",
        (
            Change(
                "hub/recording/ingest.py",
                "            self._fleet.ping(ctl)\n            return\n        if not self._known",
                "            self._rooms._change(ctl, lambda one: replace(one, reachable=False))\n"
                "            return\n        if not self._known",
            ),
        ),
        ("late_will", "room_cut_off", "half_open"),
    ),
    Fault(
        "an acknowledgement's hash is not compared",
        (
            Change(
                "protocols/messages/cursor.py",
                "    if ack.upto and not hole and known is not None and known != ack.hash:",
                "    if False:",
            ),
        ),
        ("false_ack", "drop", "room_cut_off"),
        (12, *range(1, 12)),
    ),
    Fault(
        "any run of the hub may ask a room to rewind",
        (
            Change(
                "protocols/messages/cursor.py",
                '    fresh = same_run or (state.ask != "" and ack.re == state.ask)',
                "    fresh = True",
            ),
        ),
        ("stale", "reorder", "hub_crash"),
        (5, *range(6, 16)),
    ),
    Fault(
        "a room's journal is not synced at each commit",
        (
            Change(
                "edge/journal_file.py",
                'port.execute("PRAGMA synchronous = FULL")',
                'port.execute("PRAGMA synchronous = NORMAL")',
            ),
            Change("edge/journal_file.py", '!= ("wal", 2)', '!= ("wal", 1)'),
        ),
        ("room_crash",),
    ),
    Fault(
        "the hub's database is not synced at each commit",
        (Change("hub/store/engine.py", '"synchronous=FULL"', '"synchronous=NORMAL"'),),
        ("hub_crash",),
        (2, 1, 3, 4),
    ),
    Fault(
        "an acknowledgement deletes",
        (
            Change(
                "edge/journal.py",
                '"UPDATE epoch SET acked = ? WHERE epoch = ?", (upto, epoch))\n',
                '"UPDATE epoch SET acked = ? WHERE epoch = ?", (upto, epoch))\n'
                "            self.port.execute(\n"
                '                "DELETE FROM event WHERE seq <= ? AND n = (SELECT n FROM epoch"\n'
                '                " WHERE epoch = ?)", (upto, epoch))\n',
            ),
        ),
        (),
    ),
)


def noticed(fault: Fault, seeds: Sequence[int]) -> bool:
    """Whether one of these histories ends badly with the fault in it."""
    child = os.fork()
    if child == 0:
        code = 0
        try:
            code = _run(fault, seeds)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status), "the child ends by itself"
    return os.WEXITSTATUS(status) == 1


def _run(fault: Fault, seeds: Sequence[int]) -> int:
    for name in [one for one in sys.modules if one.split(".")[0] in OURS]:
        del sys.modules[name]
    sources: dict[str, str] = {}
    for change in fault.changes:
        text = sources.get(change.file) or (ROOT / change.file).read_text(encoding="utf-8")
        sources[change.file] = change.source(text)
    for file, source in sources.items():
        module = file.removesuffix(".py").replace("/", ".")
        sys.meta_path.insert(0, Planted(module, ROOT / file, source))
    sys.unraisablehook = lambda _: None
    from tests.simulation.history import folder, play  # noqa: PLC0415
    from tests.simulation.ledger import Violation  # noqa: PLC0415 - with the fault in it

    home = folder()
    try:
        for seed in seeds:
            try:
                play(seed, home, only=fault.under)
            except Violation:
                return 1
        return 0
    finally:
        shutil.rmtree(home, ignore_errors=True)

"""Sending and recording together: whatever happens in between, the hub ends with every row."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.messages.acks import Ack, Batch
from protocols.messages.cursor import CursorState, next_batch, on_ack, on_sent
from protocols.messages.event import GENESIS, event_hash
from protocols.messages.recording import ack_point, judge_batch
from tests.protocols.messages.wire_keys import CTL, EPOCH, chain

ASK = "c" * 32


@dataclass(frozen=True)
class Head:
    epoch: str
    last: int


class Hub:
    """Records as the hub does; may lose its newest rows (restored from a backup)."""

    def __init__(self):
        self.rows, self.head, self.generation, self.n = {}, None, 1, 0

    def recorded(self, seq):
        return event_hash(self.rows[seq]) if seq in self.rows else None

    def ack(self, last, *, resend=False, re=ASK):
        self.n += 1
        upto, digest, rewind = (0, GENESIS, resend)
        if self.head is not None:
            upto, digest, rewind = ack_point(self.head, batch_last=last, recorded=self.recorded)
        run = f"{self.generation:032x}"
        return Ack(CTL, self.generation, run, self.n, EPOCH, upto, digest, rewind or resend, 4, re)

    def take(self, lines, first):
        batch = Batch(CTL, EPOCH, first, len(lines), tuple(lines))
        verdict = judge_batch(self.head, batch, self.recorded)
        self.head = verdict.head
        self.rows.update({one.seq: one.line for one in verdict.records})
        return self.ack(batch.last, resend=verdict.resend)

    def restore(self, upto):
        self.rows = {seq: line for seq, line in self.rows.items() if seq <= upto}
        self.generation, self.n = self.generation + 1, 0
        if self.head is not None:
            upto = min(upto, self.head.head)
            self.head = replace(self.head, head=upto, head_hash=self.recorded(upto) or GENESIS)


LINES = chain(60)


def journal_hash(_epoch, seq):
    return event_hash(LINES[seq - 1]) if seq else GENESIS


FAULTS = ["batch", "ack", "both", "twice", "restore", "wait"]


@settings(max_examples=60)
@given(st.lists(st.sampled_from(FAULTS), max_size=25))
def test_whatever_is_lost_repeated_or_restored_the_hub_ends_with_every_row(faults):
    hub, state, now = Hub(), CursorState(CTL, ask=ASK), 0
    heads = (Head(EPOCH, 60),)

    def turn(fault):
        nonlocal state, now
        state, plan = next_batch(state, heads, now)
        if fault == "restore":
            hub.restore(7)
            answers = [hub.ack(None, resend=True)]
        elif plan is None or fault == "wait":
            now += 61_000
            answers = [hub.ack(None)]
        else:
            last = min(plan.first + 6, 60)
            state = on_sent(state, epoch=EPOCH, last=last, now_ms=now, entropy=7)
            lines = LINES[plan.first - 1 : last]
            sent = 0 if fault == "batch" else 2 if fault == "twice" else 1
            answers = [hub.take(lines, plan.first) for _ in range(sent)]
        for answer in answers if fault != "ack" else []:
            state, _ = on_ack(state, answer, journal_hash, heads)

    for fault in faults:
        turn(fault)
    for _ in range(60):
        turn("none")

    assert [hub.rows[seq] for seq in range(1, 61)] == LINES
    assert state.epochs[EPOCH].acked == 60

"""Recording at the hub (WIRE §5): exactly once, in order, every loss with a name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.messages import recording
from protocols.messages.errors import RemoteError
from protocols.messages.event import GENESIS, encode_event, event_hash
from protocols.messages.recording import (
    AlreadyRecorded,
    Batch,
    Branch,
    Fork,
    Gap,
    GapVerdict,
    Lineage,
    Opened,
    Quarantine,
    Record,
    Resend,
    StreamHead,
    StreamState,
    ack_point,
    declare_gap,
    judge_batch,
    judge_opened,
    judge_quarantine,
    read_gap,
    read_opened,
)
from protocols.messages.topics import EVENT_BYTES_MAX
from tests.protocols.messages.wire_keys import CTL, EPOCH, chain, event

OTHER = "f" * 32


class Store:
    """Rows and heads as a hub keeps them."""

    def __init__(self):
        self.rows: dict[int, bytes] = {}
        self.head: StreamHead | None = None

    def recorded(self, seq):
        line = self.rows.get(seq)
        return None if line is None else event_hash(line)

    def take(self, lines, first):
        batch = Batch(CTL, EPOCH, first, len(lines), tuple(lines))
        verdict = judge_batch(self.head, batch, self.recorded)
        for record in verdict.records:
            assert record.seq not in self.rows
            self.rows[record.seq] = record.line
        self.head = verdict.head
        return verdict


@pytest.fixture
def store():
    return Store()


def kinds(verdict):
    return [type(one) for one in verdict.verdicts]


def test_rows_are_recorded_once_and_in_order(store):
    lines = chain(5)

    assert kinds(store.take(lines[:3], 1)) == [Record] * 3
    assert kinds(store.take(lines[1:], 2)) == [AlreadyRecorded] * 2 + [Record] * 2
    assert (store.head.head, store.head.head_hash) == (5, event_hash(lines[4]))
    assert list(store.rows.values()) == lines


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(1, 5)), max_size=30))
def test_any_order_of_batches_ends_in_the_same_record(cuts):
    """Batches may come twice, late, never: what is recorded is always a prefix of the journal."""
    store, lines = Store(), chain(12)

    for start, count in cuts:
        verdict = store.take(lines[start : start + count], start + 1)
        assert verdict.resend == (start > len(store.rows))
        assert list(store.rows.values()) == lines[: len(store.rows)]
    store.take(lines, 1)

    assert list(store.rows.values()) == lines


def test_a_hole_asks_for_a_resend(store):
    lines = chain(5)
    store.take(lines[:1], 1)
    verdict = store.take(lines[2:], 3)

    assert verdict.verdicts == (Resend(expected=2, got=3),)
    assert verdict.resend
    assert store.head.head == 1


def test_a_row_that_leaves_others_out_is_asked_for_again_whatever_it_follows(store):
    lines = chain(2)
    store.take(lines, 1)
    verdict = store.take([encode_event(event(5, event_hash(lines[1])))], 5)

    assert verdict.verdicts == (Resend(expected=3, got=5),)
    assert store.head.head == 2


def test_another_version_of_a_row_is_kept_beside_and_stops_nothing(store):
    lines = chain(3)
    store.take(lines[:2], 1)
    other = encode_event(event(2, event_hash(lines[0]), data={"mains": "off"}))
    verdict = store.take([other, lines[2]], 2)

    fork = verdict.verdicts[0]
    assert fork == Fork(2, event_hash(lines[1]), event_hash(other), "row", other)
    assert kinds(verdict) == [Fork, Record]
    assert store.rows[2] == lines[1]


def test_a_row_on_another_predecessor_is_a_fork_of_the_tip(store):
    lines = chain(2)
    store.take(lines, 1)
    strange = encode_event(event(3, "a" * 64))
    verdict = store.take([strange, *chain(1, first=4, prev=event_hash(strange))], 3)

    assert verdict.verdicts == (Fork(2, event_hash(lines[1]), "a" * 64, "prev", strange),)
    assert store.head.head == 2


ODD_LINES = {
    "as written": lambda line: line,
    "of another version": lambda line: line.replace(b'{"v":1', b'{"v":2', 1),
    "on another row": lambda line: line.replace(b'"prev":"', b'"prev":"0', 1)[:-1] + b"}",
    "on nothing": lambda line: encode_event(event(json.loads(line)["seq"], GENESIS)),
    "of another epoch": lambda line: line.replace(EPOCH.encode(), OTHER.encode()),
    "of another place": lambda line: line.replace(b'"seq":', b'"seq":1', 1),
    "no event": lambda _: b"{}",
    "too long": lambda line: line + b" " * EVENT_BYTES_MAX,
    "of the longest": lambda line: line + b" " * (EVENT_BYTES_MAX - len(line)),
}


@given(
    st.lists(st.sampled_from(sorted(ODD_LINES)), min_size=1, max_size=6),
    st.integers(1, 4),
    st.sampled_from((0, 0, 0, 1)),
)
def test_lines_that_just_follow_are_judged_as_all_others(kinds_of, known, twice):
    """A gap that waits far ahead has each line taken apart; without one most are only compared."""
    lines = chain(known + len(kinds_of))
    first = known - twice
    later = lines[first:known] + [
        ODD_LINES[kind](line) for kind, line in zip(kinds_of, lines[known:], strict=True)
    ]
    plain, waiting = Store(), Store()
    for store in (plain, waiting):
        store.take(lines[:known], 1)
    gap = Gap(EPOCH, 1_000_000, 1_000_001, "lost")
    waiting.head = declare_gap(waiting.head, gap).head

    assert plain.take(later, first + 1).verdicts == waiting.take(later, first + 1).verdicts
    assert replace(plain.head, pending=(gap,)) == waiting.head


@pytest.mark.parametrize(
    "line",
    [
        b"not an event",
        encode_event(event(1, ctl="c-ffffffffffff")),
        encode_event(event(1, epoch=OTHER)),
        encode_event(event(2)),
        encode_event(event(1)) + b" " * 16384,
    ],
)
def test_what_is_not_as_its_batch_says_is_quarantined(store, line):
    verdict = store.take([line, b"more"], 1)

    assert kinds(verdict) == [Quarantine]
    assert verdict.verdicts[0].line == line
    assert not verdict.resend


def test_what_nobody_can_read_is_recorded(store):
    line = encode_event(event(1)).replace(b'"type":"power.state"', b'"type":\xff?')

    assert kinds(store.take([line], 1)) == [Record]


def test_a_gap_moves_the_named_stream_and_the_next_row_has_no_prev_to_check(store):
    lines = chain(6)
    store.take(lines[:2], 1)
    verdict = declare_gap(store.head, Gap(EPOCH, 3, 4, "rotten"))
    store.head = verdict.head

    assert verdict.lost == (3, 4)
    assert (store.head.head, store.head.head_hash, store.head.after_gap) == (4, GENESIS, True)
    assert kinds(store.take(lines[4:], 5)) == [Record, Record]
    assert not store.head.after_gap
    assert declare_gap(store.head, Gap(EPOCH, 3, 4, "rotten")).lost is None


def test_a_gap_over_rows_already_here_loses_only_the_rest(store):
    store.take(chain(3), 1)

    assert declare_gap(store.head, Gap(EPOCH, 2, 5, "rotten")).lost == (4, 5)


def test_a_gap_that_ends_at_the_head_loses_nothing(store):
    store.take(chain(3), 1)

    assert declare_gap(store.head, Gap(EPOCH, 2, 3, "rotten")) == GapVerdict(store.head, None)


def test_a_gap_waits_for_the_rows_in_front_of_it(store):
    lines = chain(6)
    store.take(lines[:1], 1)
    gap = Gap(EPOCH, 4, 5, "pruned")
    verdict = declare_gap(store.head, gap)
    again = declare_gap(verdict.head, gap)
    store.head = again.head

    assert verdict.lost is None
    assert verdict.pending
    assert again == replace(verdict, head=again.head)
    assert kinds(store.take(lines[1:3], 2)) == [Record, Record]
    assert (store.head.head, store.head.pending) == (5, ())
    assert kinds(store.take(lines[5:], 6)) == [Record]


def test_waiting_gaps_behind_each_other_come_true_together(store):
    head = StreamHead(CTL, EPOCH)
    for first, last in ((3, 4), (5, 7), (3, 3)):
        head = declare_gap(head, Gap(EPOCH, first, last, "rotten")).head
    store.head = head
    store.take(chain(2), 1)

    assert (store.head.head, store.head.pending) == (7, ())


def test_a_waiting_gap_the_head_has_passed_is_dropped():
    """Two waiting gaps; closing the first jumps over the second."""
    head = declare_gap(StreamHead(CTL, EPOCH), Gap(EPOCH, 4, 5, "a")).head
    verdict = declare_gap(head, Gap(EPOCH, 1, 6, "b"))

    assert (verdict.head.head, verdict.head.pending, verdict.lost) == (6, (), (1, 6))


def test_only_so_many_gaps_wait():
    pending = tuple(Gap(EPOCH, n, n, "x") for n in range(10, 10 + recording.PENDING_GAPS_MAX))
    head = StreamHead(CTL, EPOCH, pending=pending)
    verdict = declare_gap(head, Gap(EPOCH, 5, 6, "x"))

    assert verdict.refused
    assert verdict.head is head


def test_rows_of_a_waiting_gap_that_come_with_those_in_front_are_kept_beside(store):
    lines = chain(5)
    store.take(lines[:1], 1)
    store.head = declare_gap(store.head, Gap(EPOCH, 3, 4, "lost")).head

    assert kinds(store.take(lines[1:], 2)) == [Record, Fork, Fork, Record]
    assert sorted(store.rows) == [1, 2, 5]


def test_a_row_declared_lost_that_turns_up_is_kept_beside(store):
    lines = chain(3)
    store.head = declare_gap(StreamHead(CTL, EPOCH), Gap(EPOCH, 1, 2, "lost")).head
    verdict = store.take(lines[1:], 2)

    assert verdict.verdicts[0] == Fork(2, "", event_hash(lines[1]), "gap", lines[1])
    assert kinds(verdict) == [Fork, Record]


PRED = StreamHead(CTL, OTHER, head=9, head_hash="9" * 64)
AFTER = Opened(OTHER, 9, "9" * 64, "start")


@pytest.mark.parametrize(
    ("opened", "pred", "at", "branch", "expected"),
    [
        (Opened("", 0, GENESIS, "start"), None, None, Branch(), Lineage.FIRST),
        (Opened("", 0, GENESIS, "start"), None, None, Branch(unclear=True), Lineage.WAITS),
        (Opened("", 0, GENESIS, "start"), None, None, Branch(others=True), Lineage.ROLLBACK),
        (Opened("", 0, GENESIS, "salvage"), None, None, Branch(others=True), Lineage.TAIL_LOST),
        (AFTER, PRED, "9" * 64, Branch(), Lineage.CONTINUES),
        (AFTER, PRED, "8" * 64, Branch(), Lineage.FORK),
        (AFTER, None, None, Branch(), Lineage.WAITS),
        (AFTER, replace(PRED, head=8), None, Branch(), Lineage.WAITS),
        (AFTER, replace(PRED, head=10), "9" * 64, Branch(), Lineage.ROLLBACK),
        (replace(AFTER, cause="salvage"), replace(PRED, head=10), None, Branch(),
         Lineage.TAIL_LOST),
        (AFTER, replace(PRED, head=10), "9" * 64, Branch(other_alive=True), Lineage.CLONE),
        (AFTER, PRED, "9" * 64, Branch(sibling=True), Lineage.ROLLBACK),
        (AFTER, PRED, "9" * 64, Branch(sibling=True, other_alive=True), Lineage.CLONE),
        (AFTER, PRED, "9" * 64, Branch(other_alive=True), Lineage.CONTINUES),
        (AFTER, PRED, "9" * 64, Branch(other_alive=True, pred_ponged=True), Lineage.CLONE),
        (Opened("", 0, GENESIS, "start"), None, None, Branch(others=True, other_alive=True),
         Lineage.CLONE),
    ],
)  # fmt: skip
def test_how_an_epoch_relates_to_its_predecessor(opened, pred, at, branch, expected):
    assert judge_opened(opened, pred, at, branch) is expected


def test_each_lineage_has_a_state():
    assert {one: one.state for one in Lineage} == {
        Lineage.FIRST: StreamState.OPEN,
        Lineage.CONTINUES: StreamState.OPEN,
        Lineage.WAITS: StreamState.WAITING,
        Lineage.TAIL_LOST: StreamState.TAIL_LOST,
        Lineage.ROLLBACK: StreamState.ROLLBACK,
        Lineage.CLONE: StreamState.CLONE,
        Lineage.FORK: StreamState.FORK,
    }


def opening(**changes):
    data = {"pred_epoch": OTHER, "pred_seq": 9, "pred_hash": "9" * 64, "cause": "start"}
    return event(1, "9" * 64, type="epoch.opened", data={**data, **changes})


def test_epoch_opened_is_read():
    first = event(
        type="epoch.opened",
        data={"pred_epoch": "", "pred_seq": 0, "pred_hash": GENESIS, "cause": "start"},
    )

    assert read_opened(opening()) == AFTER
    assert read_opened(first).pred_epoch == ""


@pytest.mark.parametrize(
    "bad",
    [
        event(),
        replace(opening(), type="power.state"),
        opening(pred_epoch="x"),
        opening(pred_seq=-1),
        opening(pred_hash="8" * 64),
        opening(cause=""),
        replace(opening(), seq=2),
    ],
)
def test_epoch_opened_must_name_what_it_follows(bad):
    with pytest.raises(RemoteError):
        read_opened(bad)


def declared(**changes):
    data = {"epoch": OTHER, "from": 3, "to": 4, "cause": "rotten"}
    return event(2, "9" * 64, type="record.gap", data={**data, **changes})


def test_record_gap_is_read():
    assert read_gap(declared()) == Gap(OTHER, 3, 4, "rotten")


@pytest.mark.parametrize(
    "bad",
    [
        event(),
        replace(declared(), type="power.state"),
        declared(epoch=EPOCH),
        declared(to=2),
        declared(**{"from": 0}),
    ],
)
def test_record_gap_names_another_epoch_and_a_range(bad):
    with pytest.raises(RemoteError):
        read_gap(bad)


def test_acks_stand_at_the_batch_or_at_the_head(store):
    lines = chain(5)
    store.take(lines, 1)

    def point(**more):
        return ack_point(store.head, recorded=store.recorded, **more)

    assert point(batch_last=3) == (3, event_hash(lines[2]), False)
    assert point(batch_last=9) == (5, event_hash(lines[4]), False)
    assert point(batch_last=None) == (5, event_hash(lines[4]), True)
    assert point(batch_last=None, room_acked=5) == (5, event_hash(lines[4]), False)
    assert point(batch_last=None, room_acked=6)[2] is True


def test_an_ack_inside_a_gap_has_no_hash():
    head = StreamHead(CTL, EPOCH, head=9, head_hash=GENESIS)

    assert ack_point(head, batch_last=4, recorded=lambda _: None) == (4, GENESIS, False)


def test_the_quarantine_is_bounded():
    limit = recording.QUARANTINE_BYTES_MAX

    assert judge_quarantine(used_bytes=limit - 10, size=10)
    assert not judge_quarantine(used_bytes=limit - 9, size=10)

"""Sending at the room (WIRE §6): positions, acks, rewinds, patience."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from protocols.messages.acks import Ack
from protocols.messages.cursor import (
    ENTROPY_RANGE,
    AckBad,
    Advanced,
    CursorState,
    EpochCursor,
    Ignored,
    JournalRolledBack,
    Rewound,
    SendPlan,
    next_batch,
    on_ack,
    on_ask,
    on_bad_ack,
    on_disconnect,
    on_hole,
    on_sent,
    resend_ms,
)
from protocols.messages.event import GENESIS, event_hash
from tests.protocols.messages.wire_keys import CTL, EPOCH

OLD = "d" * 32
RUN, RUN2 = "a" * 32, "b" * 32
ASK = "c" * 32


@dataclass(frozen=True)
class Head:
    epoch: str
    last: int


HEADS = (Head(OLD, 50), Head(EPOCH, 100))


def row_hash(epoch, seq):
    """A journal that knows rows 1..last of both epochs but cannot read row 13."""
    if seq == 0:
        return GENESIS
    return None if seq == 13 else event_hash(f"{epoch}{seq}".encode())


def ack(upto, *, epoch=EPOCH, run=RUN, n=1, generation=1, re=ASK, **more):
    digest = more.pop("hash", None) or row_hash(epoch, upto) or GENESIS
    return Ack(
        ctl=more.pop("ctl", CTL),
        generation=generation,
        run=run,
        n=n,
        epoch=epoch,
        upto=upto,
        hash=digest,
        re=re,
        **more,
    )


def take(state, one, heads=HEADS, **more):
    return on_ack(state, one, row_hash, heads, **more)


@pytest.fixture
def state():
    """A room in touch with run RUN, position 40 of 100 in the newest epoch."""
    start = CursorState(CTL, ask=ASK, epochs={OLD: EpochCursor(50), EPOCH: EpochCursor()})
    state, _ = take(start, ack(40))
    assert (state.generation, state.run, state.n) == (1, RUN, 1)
    return state


def test_an_ack_moves_the_position(state):
    state, out = take(state, ack(60, n=2))

    assert out == (Advanced(EPOCH, 60),)
    assert state.epochs[EPOCH].acked == 60


def test_the_same_or_an_older_ack_of_the_run_changes_nothing(state):
    for n in (0, 1):
        assert take(state, ack(60, n=n)) == (state, (Ignored("old"),))


def test_a_lower_generation_is_ignored(state):
    assert take(state, ack(60, n=9, generation=0)) == (state, (Ignored("generation"),))


def test_an_ack_of_an_old_batch_moves_nothing_back(state):
    after, out = take(state, ack(20, n=2))

    assert out == (Ignored("behind"),)
    assert after.epochs == state.epochs


def test_a_newer_ack_of_this_run_that_asks_again_rewinds(state):
    after, out = take(state, ack(20, n=2, resend=True))

    assert out == (Rewound(EPOCH, acked=40, upto=20, generation=1),)
    assert after.epochs[EPOCH].sent == 20


def test_a_new_run_that_echoes_the_latest_ask_rewinds(state):
    after, out = take(state, ack(20, run=RUN2, generation=2))

    assert out == (Rewound(EPOCH, acked=40, upto=20, generation=2),)
    assert (after.generation, after.run, after.n) == (2, RUN2, 1)


@pytest.mark.parametrize("re", ["", "d" * 32])
def test_a_new_run_that_does_not_echo_it_rewinds_nothing(state, re):
    """A replayed or late ack may move forward what matches, never back, and never brakes."""
    after, out = take(state, ack(20, run=RUN2, re=re, resend=True, credit=0))

    assert out == (Ignored("stale"),)
    assert (after.run, after.credit, after.epochs) == (RUN, 4, state.epochs)
    assert take(state, ack(60, run=RUN2, re=re))[1] == (Advanced(EPOCH, 60),)
    assert take(state, ack(40, run=RUN2, re=re, resend=True))[1] == (Ignored("behind"),)


@pytest.mark.parametrize("overtaking", [[3], [3, 2], [2, 3]])
def test_the_ack_that_proves_a_run_rewinds_nothing_behind_a_newer_one_of_it(state, overtaking):
    """Acks that arrive out of turn: no hub lost what it has said it has."""
    for n in overtaking:
        state, out = take(state, ack(60, run=RUN2, n=n, re="d" * 32))

    state, out = take(state, ack(20, run=RUN2, n=1))

    assert out == (Ignored("behind"),)
    assert (state.run, state.n, state.epochs[EPOCH].acked) == (RUN2, 1, 60)
    assert take(state, ack(20, run=RUN2, n=4, resend=True))[1] == (
        Rewound(EPOCH, acked=60, upto=20, generation=1),
    ), "what is newer still counts"


def test_an_old_batch_that_proves_a_run_rewinds_nothing_behind_what_the_run_has_said(state):
    """A batch that comes twice is acknowledged at its own end, not where the hub stands."""
    for n, upto in ((2, 70), (3, 55)):
        state, _ = take(state, ack(upto, run=RUN2, n=n, re="d" * 32))

    state, out = take(state, ack(20, run=RUN2, n=4))
    assert out == (Ignored("behind"),)
    assert (state.run, state.n, state.epochs[EPOCH].acked) == (RUN2, 4, 70)
    assert take(state, ack(20, run=RUN2, n=5, resend=True))[1] == (
        Rewound(EPOCH, acked=70, upto=20, generation=1),
    ), "a hub that lost rows within its run asks for them"


def test_what_one_unproven_run_said_binds_no_other(state):
    for run in (RUN2, "e" * 16):
        state, _ = take(state, ack(70, run=run, n=3, re="d" * 32))
    _, out = take(state, ack(20, run=RUN2, n=1))
    assert [type(one) for one in out] == [Rewound]


def test_a_run_that_proves_itself_by_asking_again_rewinds(state):
    state, _ = take(state, ack(70, run=RUN2, n=2, re="d" * 32))

    _, out = take(state, ack(20, run=RUN2, n=3, resend=True))
    assert out == (Rewound(EPOCH, acked=70, upto=20, generation=1),)


def test_a_newer_ack_of_another_run_or_epoch_hides_no_rewind(state):
    for other in (ack(60, run="e" * 16, n=3, re=""), ack(50, run=RUN2, n=3, re="", epoch=OLD)):
        before, _ = take(state, other)
        _, out = take(before, ack(20, run=RUN2, n=1))
        assert [type(one) for one in out] == [Rewound]


def test_without_an_ask_of_ours_nothing_is_fresh():
    _, out = take(CursorState(CTL, epochs={EPOCH: EpochCursor(40)}), ack(20, re="", resend=True))

    assert out == (Ignored("stale"),)


def test_an_epoch_at_rest_was_never_in_vain(state):
    state, _ = take(state, ack(100, n=2))
    state, _ = next_batch(state, HEADS, 10**9)

    assert {cursor.tries for cursor in state.epochs.values()} == {0}


def test_a_wrong_hash_is_said_once_and_sending_goes_on(state):
    state, out = take(state, ack(60, n=2, hash="0" * 63 + "1"))
    assert out == (AckBad(f"another hash at {EPOCH} 60"),)
    state, out = take(state, ack(61, n=3, hash="0" * 63 + "1"))
    assert out == ()
    state, out = take(state, ack(62, n=4))
    assert out == (Advanced(EPOCH, 62),)
    state, out = take(state, ack(63, n=5, ctl="c-ffffffffffff"))
    assert out == (AckBad("an ack for c-ffffffffffff"),)
    assert next_batch(state, HEADS, 0)[1] is not None


def test_a_bad_signature_is_said_once(state):
    state, out = on_bad_ack(state, "signature")

    assert out == (AckBad("signature"),)
    assert on_bad_ack(state, "signature") == (state, ())


def test_behind_a_row_the_journal_cannot_read_it_goes_on_once_that_is_declared_lost(state):
    """Nothing could compare the hash, and rows in front of it would never be sent."""
    start = replace(state, epochs={EPOCH: EpochCursor(5)})
    ahead, back = (ack(13, n=2, hash=digest) for digest in ("e" * 64, GENESIS))

    for one in (ahead, back):
        after, out = take(start, one)
        assert (out, after.epochs) == ((Ignored("unread"),), start.epochs)
        assert take(start, one, gap_ends={(EPOCH, 13)})[1] == (Advanced(EPOCH, 13),)


def test_back_to_a_row_the_journal_cannot_read_it_goes_at_once(state):
    """A hub from a backup that ends there would wait for ever; rows sent twice cost nothing."""
    start = replace(state, epochs={EPOCH: EpochCursor(20)})
    asked = ack(13, n=2, hash="e" * 64, resend=True)

    assert take(start, asked)[1] == (Rewound(EPOCH, acked=20, upto=13, generation=1),)


def test_a_run_that_said_more_of_an_unread_row_is_remembered(state):
    """Its older ack, which proves it, must not take the position back."""
    start = replace(state, epochs={EPOCH: EpochCursor(9)})
    later, _ = take(start, ack(13, run=RUN2, n=5, re="", hash="e" * 64))

    assert take(later, ack(8, run=RUN2, n=3))[1] == (Ignored("behind"),)


def test_the_end_of_a_declared_gap_has_no_hash(state):
    none = ack(60, n=2, hash=GENESIS)
    ends = {(EPOCH, 60)}
    assert take(state, none, gap_ends=ends)[1] == (Advanced(EPOCH, 60),)
    for elsewhere in (set(), {(EPOCH, 59)}, {(OLD, 60)}):
        (bad,) = take(state, none, gap_ends=elsewhere)[1]
        assert isinstance(bad, AckBad), "no row is confirmed without its hash"
    assert isinstance(take(state, ack(60, n=2, hash="f" * 64), gap_ends=ends)[1][0], AckBad)


def test_a_hole_a_copy_declared_is_believed_of_rows_that_were_sent_again(state):
    """The hub keeps them beside its record; without that they would be sent for ever."""
    none = ack(60, n=2, hash=GENESIS)
    for tries, flights in ((0, (60,)), (1, ()), (1, (59,)), (1, (61, 70))):
        early = replace(state, epochs={EPOCH: EpochCursor(50, flights, tries=tries)})
        assert isinstance(take(early, none)[1][0], AckBad)
    late = replace(state, epochs={EPOCH: EpochCursor(50, (60, 70), tries=1)})
    assert isinstance(take(late, ack(60, n=2, hash="f" * 64))[1][0], AckBad)
    late, out = take(late, none)
    assert out == (Advanced(EPOCH, 60),)
    assert late.epochs[EPOCH].flights == (70,)


def test_a_hub_that_knows_more_than_the_journal(state):
    """Beyond the newest row, in an older epoch, in an epoch never written here; each said once."""
    state, out = take(state, ack(101, n=2))
    assert out == (JournalRolledBack(EPOCH, 101, last=100, reopen=True),)
    assert state.epochs[EPOCH].acked == 100
    state, out = take(state, ack(102, n=3))
    assert out == (Ignored("old"),)
    state, out = take(state, ack(51, n=4, epoch=OLD))
    assert out == (JournalRolledBack(OLD, 51, last=50, reopen=False),)
    state, out = take(state, ack(5, n=5, epoch="9" * 32))
    assert out == (JournalRolledBack("9" * 32, 5, last=0, reopen=False),)
    assert "9" * 32 not in state.epochs
    assert take(state, ack(5, n=6, epoch="8" * 32), heads=())[1] == (
        JournalRolledBack("8" * 32, 5, last=0, reopen=False),
    )


def test_a_birth_or_pong_sets_the_ask(state):
    assert on_ask(state, "f" * 32).ask == "f" * 32


def send(state, heads=HEADS, now=0, entropy=0):
    """Send until the window is full; the plans made."""
    plans = []
    while True:
        state, plan = next_batch(state, heads, now)
        if plan is None:
            return state, plans
        last = min(plan.first + plan.events_max - 1, plan.first + 9)
        last = min(last, next(h.last for h in heads if h.epoch == plan.epoch))
        state = on_sent(state, epoch=plan.epoch, last=last, now_ms=now, entropy=entropy)
        plans.append((plan.epoch, plan.first, last))


def test_the_window_is_the_credit(state):
    state, plans = send(state)

    assert plans == [(EPOCH, 41, 50), (EPOCH, 51, 60), (EPOCH, 61, 70), (EPOCH, 71, 80)]
    state, _ = take(state, ack(60, n=2, credit=3))
    assert send(state)[1] == [(EPOCH, 81, 90)]


def test_no_credit_no_batch(state):
    state, _ = take(state, ack(40, n=2, credit=0))

    assert send(state)[1] == []


def test_nothing_to_send_nothing_sent(state):
    state, _ = take(state, ack(100, n=2))

    assert next_batch(state, HEADS, 0)[1] is None


def test_batches_are_small_when_live_and_full_when_behind(state):
    live = next_batch(state, (Head(EPOCH, 104),), 0)[1]
    behind = next_batch(state, (Head(EPOCH, 105),), 0)[1]

    assert live == SendPlan(EPOCH, 41, events_max=64, bytes_max=130048)
    assert behind == SendPlan(EPOCH, 41, events_max=1024, bytes_max=130048)


def test_older_epochs_go_first_and_unknown_ones_from_their_start():
    _, plans = send(CursorState(CTL), heads=(Head(OLD, 12), Head(EPOCH, 12)))

    assert plans == [(OLD, 1, 10), (OLD, 11, 12), (EPOCH, 1, 10), (EPOCH, 11, 12)]


def test_without_progress_all_goes_again_after_a_while(state):
    state, _ = send(state, now=1000)

    assert send(state, now=5999)[1] == []
    state, plans = send(state, now=6000)
    assert plans == [(EPOCH, 41, 50)]


def test_progress_gives_new_patience(state):
    state, _ = send(state, now=1000)
    state, _ = take(state, ack(50, n=2))
    state, _ = send(state, now=5000)

    assert send(state, now=9999)[1] == []
    assert send(state, now=10_000)[1] != []


def test_a_resend_with_nothing_in_flight_changes_nothing(state):
    after, out = take(state, ack(40, n=2, resend=True))

    assert out == (Ignored("behind"),)
    assert after.epochs == state.epochs


def test_a_restored_hub_gets_back_every_epoch_it_names(state):
    """One ack per epoch after a birth: only the first is the new run's first message."""
    state, out = take(state, ack(7, epoch=OLD, run=RUN2, generation=2, n=1, resend=True))
    assert out == (Rewound(OLD, 50, 7, 2),)
    state, out = take(state, ack(9, run=RUN2, generation=2, n=2, resend=True))
    assert out == (Rewound(EPOCH, 40, 9, 2),)


def test_a_resend_is_answered_once_until_there_is_progress(state):
    state, _ = send(state)
    state, out = take(state, ack(40, n=2, resend=True))
    assert out == ()
    state, plans = send(state)
    assert plans[0] == (EPOCH, 41, 50)
    state, out = take(state, ack(40, n=3, resend=True))
    assert out == (Ignored("behind"),)
    assert send(state)[1] == []
    state, out = take(state, ack(50, n=4, resend=True))
    assert out == (Advanced(EPOCH, 50),)
    assert send(state)[1][0] == (EPOCH, 51, 60)


def test_an_epoch_without_progress_holds_back_no_other():
    """The old epoch is never acknowledged; the new one goes on at full speed beside it."""
    heads = (Head(OLD, 40), Head(EPOCH, 40))
    state, plans = send(CursorState(CTL, ask=ASK), heads)
    assert [epoch for epoch, *_ in plans] == [OLD] * 4
    state, plans = send(state, heads, now=5000)
    assert plans == [(EPOCH, n, n + 9) for n in (1, 11, 21, 31)] + [(OLD, 1, 10)]
    state, _ = take(state, ack(40), heads)
    assert state.epochs[EPOCH].acked == 40
    assert send(state, heads, now=5001)[1] == []
    assert send(state, heads, now=20_000)[1] == [(OLD, 1, 10)]


def test_of_stuck_epochs_the_least_tried_goes_first():
    epochs = {OLD: EpochCursor(tries=3), EPOCH: EpochCursor(tries=1)}
    _, plans = send(CursorState(CTL, epochs=epochs))

    assert plans == [(EPOCH, 1, 10)]


def test_a_hole_is_passed_like_a_batch_and_done_with_the_hubs_ack(state):
    """Rows 51..55 are rotten: declared lost, passed over, and gone again if no ack comes."""
    state = on_sent(state, epoch=EPOCH, last=50, now_ms=0, entropy=0)
    state = on_hole(state, epoch=EPOCH, last=55, now_ms=0, entropy=0)
    assert next_batch(state, HEADS, 1)[1].first == 56
    late, plan = next_batch(state, HEADS, 6000)
    assert plan.first == 41
    assert late.epochs[EPOCH].acked == 40
    state, out = take(state, ack(55, n=2, hash=GENESIS), gap_ends={(EPOCH, 55)})
    assert out == (Advanced(EPOCH, 55),)
    assert state.epochs[EPOCH].flights == ()


def test_behind_holes_that_make_no_progress_one_batch_goes(state):
    """The hub may know a longer hole, and says where it ends of rows that were sent again."""
    vain = replace(state, epochs={**state.epochs, EPOCH: EpochCursor(40, tries=1)})
    for last in (43, 45):
        vain = on_hole(vain, epoch=EPOCH, last=last, now_ms=0, entropy=0)
    vain, plans = send(vain, HEADS[1:])
    assert plans == [(EPOCH, 46, 55)]
    state, out = take(vain, ack(55, n=2, hash=GENESIS))
    assert out == (Advanced(EPOCH, 55),)


def test_a_hole_behind_a_batch_that_makes_no_progress_waits_with_it(state):
    cursor = EpochCursor(40, tries=1, hole=45)
    vain = replace(state, epochs={**state.epochs, EPOCH: cursor})
    vain = on_sent(vain, epoch=EPOCH, last=43, now_ms=0, entropy=0)
    vain = on_hole(vain, epoch=EPOCH, last=45, now_ms=0, entropy=0)

    assert next_batch(vain, HEADS[1:], 0)[1] is None


def test_a_lost_connection_was_not_in_vain(state):
    state, _ = send(state)
    state = on_disconnect(replace(state, epochs={**state.epochs, OLD: EpochCursor(50, tries=2)}))

    assert state.epochs[OLD].tries == 0
    assert send(state)[1][0] == (EPOCH, 41, 50)


@pytest.mark.parametrize(
    ("tries", "ceiling"), [(0, 10_000), (1, 20_000), (2, 40_000), (3, 60_000), (99, 60_000)]
)
def test_patience_grows_with_full_jitter(tries, ceiling):
    assert resend_ms(tries, 0) == 5_000
    assert resend_ms(tries, ENTROPY_RANGE // 2) == 5_000 + (ceiling - 5_000) // 2
    assert resend_ms(tries, ENTROPY_RANGE - 1) == ceiling - 1

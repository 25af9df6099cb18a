"""The uplink over a real journal: what goes out, what an ack moves, what a plan and an order do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.clock import Clock
from edge.crypto import verify
from edge.duty import DutyRoster
from edge.identify import Identifier
from edge.intake import Intake
from edge.journal import Journal
from edge.journal_file import ConnectionPort
from edge.turn import Turn
from edge.uplink import GENERATION_MS, Identity, Uplink, Vitals
from protocols.messages.acks import decode_batch
from protocols.messages.acts import CommandWrapper, Order
from protocols.messages.event import GENESIS
from protocols.messages.identity import kid
from protocols.messages.signed import check_signatures, parse_message
from protocols.messages.status import Ping, RoomKeys, decode_status, decode_tm
from protocols.messages.topics import (
    BROKER_BYTES_MAX,
    DOWN_ACK,
    DOWN_CMD,
    DOWN_PING,
    DOWN_PLAN,
    UP_EV,
    UP_ST,
    UP_TM,
)
from protocols.messages.trust import HubKey, TrustFile, VenueKey
from protocols.policy.room_facts import answer_of
from tests.edge.uplink_bench import CTL, HUB, Bench, Cable, Fact, Key


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A room that has just connected."""
    hub, room, venue = Key("hub"), Key("controller"), Key("venue")
    clock = Clock()
    draws = iter(range(1, 10_000))
    journal = Journal.open(
        tmp_path / "journal.sqlite",
        ctl=CTL,
        boot="boot-1",
        clock=clock,
        entropy=lambda count: next(draws).to_bytes(count, "big"),
    )
    trust = TrustFile(
        hub_orders=True,
        checkpoint="none",
        venues=(VenueKey("hubei", "湖北", kid(venue.public), venue.public.hex()),),
        hub=HubKey(HUB, kid(hub.public), hub.public.hex()),
    )
    now = [1_000_000]
    intake = Intake(
        ctl=CTL,
        trust=trust,
        seal_key=bytes(range(32)),
        journal=journal,
        identifier=Identifier(lambda number, salt: number + salt),
        roster=DutyRoster(lambda: now[0]),
        at_trust=lambda: "none",
        order_numbers=lambda _session: (0, ""),
        closed=lambda _session: False,
        use_pack=lambda _pack: None,
    )
    uplink = Uplink(
        me=Identity(CTL, "boot-1", "test", RoomKeys(room.public.hex()), (room.signer,)),
        journal=journal,
        pipe=Cable(),
        intake=intake,
        mono_ms=lambda: now[0],
        entropy=lambda count: next(draws).to_bytes(count, "big"),
        vitals=lambda: Vitals(journal_ok=True, loop_ms=3),
    )
    cable = uplink.pipe
    assert isinstance(cable, Cable)
    made = Bench(hub, room, journal, cable, intake, uplink, now)
    uplink.link(up=True)
    yield made
    journal.close()


def write(bench: Bench, count: int) -> None:
    """Records some facts and tells the uplink."""
    rows = bench.journal.append([Fact("help.called", "", {"n": n}) for n in range(count)])
    bench.uplink.recorded(rows)


def fresh(bench: Bench) -> Uplink:
    """The uplink of a start that finds this journal."""
    was = bench.uplink
    again = Uplink(
        me=was.me,
        journal=bench.journal,
        pipe=bench.cable,
        intake=bench.intake,
        mono_ms=was.mono_ms,
        entropy=was.entropy,
        vitals=was.vitals,
    )
    again.link(up=True)
    return again


def batches(bench: Bench) -> list[tuple[int, int]]:
    """(first, last) of the batches sent since the last look; their seals hold."""
    found = []
    for raw in bench.cable.take(UP_EV):
        signed = parse_message(raw, limit=BROKER_BYTES_MAX)
        verdicts = check_signatures(signed, lambda _: bench.room.public, verify)
        assert all(one.ok for one in verdicts)
        batch = decode_batch(signed)
        found.append((batch.first, batch.last))
    return found


def test_a_connection_begins_with_a_retained_birth_then_what_waits(bench: Bench) -> None:
    """The birth is the pull request; epoch.opened goes out behind it."""
    assert bench.cable.sent[0][2] is True
    birth = decode_status(bench.cable.take(UP_ST)[0])
    assert (birth.ctl, birth.epoch, birth.seq) == (CTL, bench.journal.epoch, 1)  # type: ignore[union-attr]
    assert batches(bench) == [(1, 1)]


def test_an_ack_moves_the_cursor_and_deletes_nothing(bench: Bench) -> None:
    """The rows are still there after it."""
    write(bench, 3)
    assert bench.ack() == []
    assert bench.uplink.waiting() == 0
    assert bench.journal.epochs()[-1].acked == 4
    assert len(list(bench.journal.replay())) == 4


def test_what_is_not_acked_goes_again_after_its_time(bench: Bench) -> None:
    """Never before five seconds."""
    assert batches(bench) == [(1, 1)]
    bench.now[0] += 4_000
    bench.uplink.tick()
    assert batches(bench) == []
    bench.now[0] += 60_000
    bench.uplink.tick()
    assert batches(bench) == [(1, 1)]


def test_a_forged_ack_is_said_once_and_moves_nothing(bench: Bench) -> None:
    """Another key, another hash, rubbish: `ack.bad` until a good one comes."""
    write(bench, 1)
    turns = bench.ack(signer=bench.room.signer)
    assert [turn.data["type"] for turn in turns] == ["ack.bad"]
    assert bench.ack(hash="f" * 64) == []
    assert bench.uplink.arrived(DOWN_ACK, b"rubbish", retained=False) == []
    assert bench.uplink.waiting() == 2
    bench.ack()
    assert bench.uplink.waiting() == 0
    turns = bench.ack(hash="f" * 64, upto=1)
    assert [turn.data["type"] for turn in turns] == ["ack.bad"]


def test_a_restored_hub_makes_the_room_rewind(bench: Bench) -> None:
    """A new generation that answers the latest ask asks again from where it is."""
    write(bench, 3)
    bench.ack()
    batches(bench)
    told: list[bool] = []
    bench.uplink.on_rollback = lambda: told.append(True)
    turns = bench.ack(generation=2, run="cd" * 16, n=1, upto=0, hash=GENESIS, resend=True)
    assert [turn.data["type"] for turn in turns] == ["hub.rollback"]
    assert told, "what the hub had stored may be gone too"
    assert bench.uplink.waiting() == 4
    assert batches(bench) == [(1, 4)]


def test_a_new_generation_may_lack_contents_although_it_has_every_row(bench: Bench) -> None:
    """So they are offered again, once."""
    write(bench, 3)
    bench.ack()
    told: list[bool] = []
    bench.uplink.on_rollback = lambda: told.append(True)
    for n in (1, 2):
        assert bench.ack(generation=2, run="cd" * 16, n=n) == []
    assert told == [True]


def test_a_hub_that_knows_more_than_the_journal_is_on_the_record(bench: Bench) -> None:
    """A restored card: the room opens a new epoch and says so."""
    epoch = bench.journal.epoch
    turns = bench.ack(upto=99, hash="e" * 64)
    assert [turn.data["type"] for turn in turns] == ["journal.rolled_back"]
    assert bench.journal.epoch != epoch


def test_what_is_wrong_with_the_hubs_answers_is_shown_in_the_room(bench: Bench) -> None:
    """A bad ack until a good one comes; a journal that is too old once, and not at each start."""
    assert bench.uplink.trouble() == ""
    bench.ack(hash="f" * 64)
    assert bench.uplink.trouble() == "ack_bad"
    bench.ack()
    assert bench.uplink.trouble() == ""
    (turn,) = bench.ack(epoch="e" * 32, upto=9, hash="e" * 64)
    assert bench.uplink.trouble() == "rolled_back"
    bench.journal.append([Fact(turn.data["type"], "", turn.data["data"])])
    again = fresh(bench)
    assert bench.ack(uplink=again, epoch="e" * 32, upto=9, hash="e" * 64) == []
    assert again.trouble() == ""


def test_a_hub_of_another_wire_version_is_told_apart_from_one_that_is_not_there(
    bench: Bench,
) -> None:
    """It pings and leaves the birth unanswered; with the first answer the screen is calm again."""
    bench.uplink.link(up=True)
    bench.now[0] += 61_000
    assert bench.uplink.trouble() == "", "nobody is there: that is the network's to say"

    bench.uplink.arrived(DOWN_PING, Ping("5" * 32).encode(), retained=False)
    assert bench.uplink.trouble() == "unanswered"
    bench.ack()
    assert bench.uplink.trouble() == ""

    bench.uplink.link(up=True)
    bench.uplink.arrived(DOWN_PING, Ping("6" * 32).encode(), retained=False)
    assert bench.uplink.trouble() == "", "it has a minute"


def test_a_row_is_confirmed_by_its_hash_only(bench: Bench) -> None:
    """The hash of nothing counts where this room has declared a hole, and nowhere else."""
    write(bench, 3)
    turns = bench.ack(hash=GENESIS)
    assert [turn.data["type"] for turn in turns] == ["ack.bad"]
    assert bench.uplink.waiting() == 4
    epoch = bench.journal.epoch
    bench.journal.write_gap(epoch, 3, 3, "rotten")
    again = fresh(bench)
    bench.ack(uplink=again, epoch=epoch, upto=3, hash=GENESIS)
    assert bench.journal.acked(epoch) == 3, "declared before this start, known after it"
    bench.ack(uplink=again, epoch=epoch, upto=4, hash=GENESIS)
    assert bench.journal.acked(epoch) == 3


class Traced:
    """A journal's connection that notes the first word of each statement."""

    def __init__(self, port: ConnectionPort) -> None:
        self.port, self.begun = port, list[str]()

    def execute(self, sql: str, values: Any = ()) -> Any:
        """Passes it on."""
        self.begun.append(sql.split(maxsplit=1)[0])
        return self.port.execute(sql, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)


def test_position_and_state_of_the_acks_become_true_together(bench: Bench) -> None:
    """A power cut between the two would take an old ack for a new one."""
    write(bench, 3)
    traced = Traced(bench.journal.port)
    bench.journal.port = traced  # type: ignore[assignment]
    bench.ack()
    assert traced.begun.count("BEGIN") == 1
    kept = json.loads(bench.journal.kv_get("cursor") or b"{}")
    assert (kept["generation"], kept["n"], bench.journal.epochs()[-1].acked) == (1, 1, 4)


def test_a_new_epoch_begins_without_a_loss_and_sending_goes_on(bench: Bench) -> None:
    """What waits in the old one is sent, and acknowledged, as before."""
    write(bench, 2)
    batches(bench)
    old, last, head = bench.journal.epoch, bench.journal.seq, bench.journal.head
    rows = bench.journal.open_epoch("reopen")
    bench.uplink.recorded(rows)
    write(bench, 1)
    assert batches(bench) == [(1, 1), (2, 2)], "of the new epoch"
    bench.ack(epoch=old, upto=last, hash=head)
    bench.ack()
    assert bench.uplink.waiting() == 0
    assert bench.ack(epoch=old, upto=last, hash=head) == []


def test_only_an_answer_to_a_question_of_this_room_is_a_round_trip(bench: Bench) -> None:
    """A forged or an old one proves nothing about the line in use now."""
    assert bench.uplink.answered_ms is None
    bench.ack(signer=bench.room.signer)
    bench.ack(re="9" * 32)
    assert bench.uplink.answered_ms is None
    first = bench.uplink.state.ask
    asked = bench.now[0]
    bench.now[0] += 700
    bench.uplink.again()
    bench.ack(re=first)
    assert bench.uplink.answered_ms == asked
    bench.ack()
    assert bench.uplink.answered_ms == asked + 700


def test_a_ping_is_answered_with_the_nonce_and_the_state_of_the_outbox(bench: Bench) -> None:
    """The loop answers, not a timer."""
    bench.uplink.arrived(DOWN_PING, Ping("5" * 32).encode(), retained=False)
    pong = decode_tm(bench.cable.take(UP_TM)[0])
    assert (pong.re, pong.outbox, pong.journal_ok) == ("5" * 32, 1, True)  # type: ignore[union-attr]
    assert bench.uplink.echo_age_ms() == 0


def test_a_rotten_row_becomes_a_named_gap_and_blocks_nothing(bench: Bench) -> None:
    """`record.gap` in a new epoch, then on behind the hole."""
    batches(bench)
    bench.ack()
    bench.uplink.link(up=False)
    write(bench, 4)
    epoch = bench.journal.epoch
    bench.journal.port.execute(
        "UPDATE event SET line = x'00' WHERE seq = 3 AND n = (SELECT n FROM epoch WHERE epoch = ?)",
        (epoch,),
    )
    bench.uplink.link(up=True)
    assert batches(bench) == [(2, 2), (4, 5), (1, 2)]
    gap = [event for event in bench.journal.replay() if event.type == "record.gap"]
    assert [dict(one.data) for one in gap] == [
        {"epoch": epoch, "from": 3, "to": 3, "cause": "rotten"}
    ]


def test_a_row_that_is_not_there_any_more_is_lost_and_not_rotten(bench: Bench) -> None:
    batches(bench)
    bench.ack()
    bench.uplink.link(up=False)
    write(bench, 4)
    epoch = bench.journal.epoch
    bench.journal.port.execute("DELETE FROM event WHERE seq = 3 AND type = 'help.called'")
    bench.uplink.link(up=True)
    gap = [dict(event.data) for event in bench.journal.replay() if event.type == "record.gap"]
    assert gap == [{"epoch": epoch, "from": 3, "to": 3, "cause": "lost"}]


def test_a_gap_whose_own_record_has_rotted_is_declared_again(bench: Bench) -> None:
    """Or the rows behind the first hole would wait for the next start."""
    batches(bench)
    bench.ack()
    bench.uplink.link(up=False)
    write(bench, 2)
    epoch = bench.journal.epoch
    rot = (
        "UPDATE event SET line = x'00' WHERE seq = ? AND n = (SELECT n FROM epoch WHERE epoch = ?)"
    )
    bench.journal.port.execute(rot, (3, epoch))
    bench.uplink.link(up=True)
    declared = bench.journal.epoch
    bench.uplink.link(up=False)
    bench.journal.port.execute(rot, (2, declared))

    bench.uplink.link(up=True)
    bench.uplink.link(up=False)
    bench.uplink.link(up=True)

    gaps = [event.data for event in bench.journal.replay() if event.type == "record.gap"]
    assert {(one["epoch"], one["from"]) for one in gaps} == {(epoch, 3), (declared, 2)}


def test_a_hub_that_stays_in_front_of_a_hole_is_told_of_it_again(bench: Bench) -> None:
    """It came back from an old backup, and no row names the epoch that declares the hole."""
    batches(bench)
    bench.ack()
    write(bench, 3)
    epoch = bench.journal.epoch
    bench.journal.port.execute(
        "UPDATE event SET line = x'00' WHERE seq = 3 AND n = (SELECT n FROM epoch WHERE epoch = ?)",
        (epoch,),
    )
    bench.uplink.link(up=False)
    bench.uplink.link(up=True)
    declared = bench.journal.epoch
    bench.ack(epoch=declared)
    bench.ack(epoch=epoch, upto=4, hash=bench.journal.row_hash(epoch, 4))
    batches(bench)

    asked = {"run": "b" * 32, "generation": 2, "resend": True, "epoch": epoch, "upto": 2}
    bench.ack(**asked, hash=bench.journal.row_hash(epoch, 2))
    assert batches(bench) == [(4, 4)], "first it goes on behind the hole"
    bench.now[0] += 60_000
    bench.uplink.tick()
    assert batches(bench) == [(2, 2), (4, 4)], "then it tells of the hole again, and goes on"
    told = {"run": "b" * 32, "generation": 2, "resend": True, "epoch": declared, "upto": 0}
    (turn,) = bench.ack(**told, hash=GENESIS)
    assert turn.data["type"] == "hub.rollback"
    assert batches(bench) == [(1, 2)]


def test_a_restored_hub_hears_that_rows_were_pruned(bench: Bench) -> None:
    """Row 1 opens the epoch and is always there: what is asked for begins behind it."""
    write(bench, 3)
    bench.ack()
    epoch, old = bench.journal.epoch, Clock().wall() + timedelta(days=1)
    bench.journal.port.execute("UPDATE event SET trusted = 1")
    ids = bench.journal.prunable(done=(), idle=(), older_than=old)
    bench.journal.prune(ids, old, kv={})
    batches(bench)
    bench.ack(generation=2, run="cd" * 16, epoch=epoch, upto=0, hash=GENESIS, resend=True)

    gap = [dict(event.data) for event in bench.journal.replay() if event.type == "record.gap"]
    assert gap == [{"epoch": epoch, "from": 2, "to": 4, "cause": "pruned"}]
    assert batches(bench)[:2] == [(1, 1), (5, 5)]


def test_a_retained_or_unsigned_command_is_refused_by_name(bench: Bench) -> None:
    """It moves nothing, is on the record, and answers for no genuine one of the same name."""
    order = Order("a" * 32, "s-000000000001", 1, "end", "hub", committee="complete")
    wrapped = CommandWrapper(CTL, "", "a" * 32, "order", order.seal([bench.hub.signer]))
    for raw, retained, word in (
        (wrapped.seal([bench.hub.signer]), True, "retained"),
        (wrapped.seal([bench.room.signer]), False, "unsigned"),
    ):
        (turn,) = bench.uplink.arrived(DOWN_CMD, raw, retained=retained)
        kind, about = turn.data["type"], turn.data["data"]
        assert about["reason"].startswith(word)
        assert (kind, about["named"], answer_of(kind, about)) == ("cmd.refused", "a" * 32, None)
    (turn,) = bench.uplink.arrived(DOWN_CMD, wrapped.seal([bench.hub.signer]), retained=False)
    assert (turn.kind, turn.data["reason"]) == ("order_refused", "other_session")


def test_rubbish_on_any_topic_is_a_refusal_on_the_record(bench: Bench) -> None:
    for leaf in (DOWN_PLAN, DOWN_CMD, DOWN_PING):
        for raw in (b"", b"\n", b"{}\n{}\n", json.dumps({"ctx": "er1/plan"}).encode()):
            turns = bench.uplink.arrived(leaf, raw, retained=False)
            assert [turn.data["type"] for turn in turns] == ["wire.refused"]
            bench.now[0] += 60_000


def test_a_flood_of_rubbish_is_one_record_per_leaf_and_minute(bench: Bench) -> None:
    def said(turns: list[Turn]) -> list[tuple[str, int]]:
        found = [turn.data["data"] for turn in turns if turn.data["type"] == "wire.refused"]
        return [(about["leaf"], about["count"]) for about in found]

    assert said(bench.uplink.arrived(DOWN_CMD, b"", retained=False)) == [(DOWN_CMD, 1)]
    for _ in range(100):
        assert bench.uplink.arrived(DOWN_CMD, b"", retained=False) == []
    assert said(bench.uplink.arrived(DOWN_PLAN, b"", retained=False)) == [(DOWN_PLAN, 1)]
    bench.now[0] += 59_999
    assert said(bench.uplink.tick()) == []
    bench.now[0] += 1
    assert said(bench.uplink.tick()) == [(DOWN_CMD, 100)]
    bench.now[0] += 60_000
    assert said(bench.uplink.tick()) == [], "nothing more came"


def test_a_birth_says_the_newest_generation_that_an_ack_had(bench: Bench) -> None:
    """A room without a plan too: a hub restored from an old copy must not fall behind it."""
    bench.cable.take(UP_ST)
    bench.ack(generation=5)
    bench.uplink.again()
    birth = decode_status(bench.cable.take(UP_ST)[-1])
    assert (birth.plan.generation, birth.generation) == (0, 5)


def test_a_hub_of_a_lower_generation_hears_which_one_this_room_knows(bench: Bench) -> None:
    """From a backup it takes the highest of the births the broker keeps: said before this ack."""
    bench.ack(generation=5)
    bench.cable.take(UP_ST)
    for _ in range(3):
        bench.ack(generation=2)
    births = [decode_status(raw) for raw in bench.cable.take(UP_ST)]
    assert [one.generation for one in births] == [5], "said once"
    bench.now[0] += GENERATION_MS
    bench.ack(generation=2)
    assert len(bench.cable.take(UP_ST)) == 1, "and again, for the line may have lost it"

"""A room that sends its whole journal again, in whatever portions, changes nothing at the hub."""

from __future__ import annotations

import random
from itertools import groupby
from operator import attrgetter

from sqlalchemy import select

from hub.bus import Subscription
from hub.store.metadata import metadata
from hub.store.tables_core import events, notices
from protocols.messages.acks import seal_batch
from protocols.messages.topics import UP_EV, UP_NOTICE, topic
from tests.hub.booking.roomscript import Room
from tests.hub.booking.town import Town, room_signer
from tests.hub.contingency.test_cases import cut, mended
from tests.hub.contingency.test_opening import lose

TIMES = 3
PORTION = 7  # rows of a batch: other portions than those the rows first came in


def standing(town: Town) -> dict[str, list[str]]:
    """Every row of every table."""
    with town.store.read() as conn:
        return {
            table.name: sorted(repr(tuple(row)) for row in conn.execute(select(table)))
            for table in metadata.sorted_tables
        }


def batches(town: Town, room: Room) -> list[bytes]:
    """All the room ever sent, signed anew."""
    with town.store.read() as conn:
        query = select(events).where(events.c.ctl == room.ctl).order_by(events.c.epoch, events.c.id)
        rows = list(conn.execute(query))
    return [
        seal_batch(
            ctl=room.ctl,
            epoch=epoch,
            first=part[0].seq,
            lines=[bytes(row.raw) for row in part],
            signers=[room_signer(town, room.org)],
        )
        for epoch, grouped in groupby(rows, attrgetter("epoch"))
        for whole in [list(grouped)]
        for part in (whole[at : at + PORTION] for at in range(0, len(whole), PORTION))
    ]


def words(listener: Subscription) -> list[str]:
    """What the screens were told since the last look."""
    return [word.topic for word in iter(lambda: listener.get(0), None)]


def test_a_whole_outbox_three_times_over_changes_nothing(
    ready: Town, rooms: dict[str, Room]
) -> None:
    room = rooms["changsha"]
    cut(room)
    mended(room)
    lose(room, 3)
    ready.projector.run_pending()  # what the hub itself wrote about these rows
    sent, chance = batches(ready, room), random.Random(1)  # noqa: S311 - to be repeated
    before = standing(ready)
    assert len(sent) > 2
    assert all(before[name] for name in ("contingency_case", "gaps", "seals"))
    with ready.bus.subscribe() as listener:
        for _ in range(TIMES):
            chance.shuffle(sent)
            for raw in sent:
                ready.ingest.handle(topic(room.ctl, UP_EV), raw)
                ready.ingest.handle(topic(room.ctl, UP_NOTICE), raw)
                ready.projector.run_pending()
        told = words(listener)

    after = standing(ready)
    assert {name for name, rows in after.items() if rows != before[name]} == set()
    assert before[notices.name] == []
    assert told == []

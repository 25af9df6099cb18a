"""Bad bytes at a running hub and a running room: kept apart or named; what follows is recorded."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace

import httpx
import pytest

from hub import crypto
from hub.config import load
from hub.demo.room_act import FREE, PRESSED
from hub.demo.supervise import until
from hub.demo.town import MAINS_PIN, RoomSite, Town
from protocols.messages.bodies import Ack
from protocols.messages.event import EVENT_BYTES_MAX
from protocols.messages.signed import seal_message
from protocols.messages.topics import BROKER_BYTES_MAX, DOWN_ACK, MESSAGE_BYTES_MAX, topic
from tests.hub.scripted_room import UP_EV, UP_ST, Stream
from tests.system.day_town import Guest, Line, hub_line, rows

pytestmark = [pytest.mark.system, pytest.mark.slow]

KIB = 1024


@dataclass
class Sending:
    """A guest's room in the middle of an epoch that the hub has recorded so far."""

    guest: Guest
    stream: Stream

    @property
    def ctl(self) -> str:
        return self.guest.room.ctl

    def record(self) -> None:
        """One more ordinary event; returns when the hub has acknowledged it."""
        self.guest.room.write(self.stream)
        self.flush()

    def flush(self) -> None:
        """Sends the last event; returns when the hub has acknowledged it."""
        last = len(self.stream.lines)
        self.guest.send(UP_EV, self.guest.room.batch(self.stream, last))
        self.guest.line.ack(self.ctl, epoch=self.stream.epoch, upto=last)

    def padded(self, size: int) -> bytes:
        """The next event as a line of this many bytes, in a signed batch; not kept.

        A real room cuts smaller and refuses larger ones at the source: this one does not.
        """
        room, stream = self.guest.room, self.stream
        line = room.write(stream, "seat.state", {"station": 1, "state": "vacant", "pad": ""})
        stream.lines.pop()
        pad = b"x" * (size - len(line))
        raw = line.replace(b'"pad":""', b'"pad":"' + pad + b'"')
        assert len(raw) == size
        header = {
            "ctl": room.ctl,
            "epoch": stream.epoch,
            "first": len(stream.lines) + 1,
            "count": 1,
        }
        return seal_message(ctx="er1/batch", header=header, lines=[raw], signers=[room.signer])


@pytest.fixture
def sending(town: Town) -> Iterator[Sending]:
    guest = Guest(town)
    stream = guest.room.open()
    guest.send(UP_ST, guest.room.birth(stream))
    made = Sending(guest, stream)
    made.flush()
    yield made
    guest.line.close()


def _quarantined(town: Town, ctl: str) -> list[tuple[int, str]]:
    found = rows(town, "SELECT bytes, reason FROM quarantine WHERE ctl = ? ORDER BY id", ctl)
    return [(int(size), str(reason)) for size, reason in found]


def _kept_apart(town: Town, sending: Sending, payload: bytes, leaf: str = UP_EV) -> str:
    """Sends it; returns why it was kept apart. What follows it must be recorded."""
    before = _quarantined(town, sending.ctl)
    sending.guest.send(leaf, payload)
    sending.record()
    after = _quarantined(town, sending.ctl)
    assert len(after) == len(before) + 1, after
    size, reason = after[-1]
    assert 0 < size <= len(payload)
    return reason


def test_a_batch_of_300_kib_is_kept_apart(town: Town, sending: Sending) -> None:
    payload = sending.padded(300 * KIB)
    assert MESSAGE_BYTES_MAX < len(payload) <= BROKER_BYTES_MAX
    reason = _kept_apart(town, sending, payload)
    assert str(MESSAGE_BYTES_MAX) in reason
    assert str(len(payload)) in reason


def test_an_event_of_20_kib_is_kept_apart(town: Town, sending: Sending) -> None:
    reason = _kept_apart(town, sending, sending.padded(20 * KIB))
    assert str(EVENT_BYTES_MAX) in reason


def test_bytes_that_are_no_message_are_kept_apart(town: Town, sending: Sending) -> None:
    assert _kept_apart(town, sending, secrets.token_bytes(500))
    assert _kept_apart(town, sending, b'{"ctx":"er1/batch"' + b"[" * 5000)
    assert _kept_apart(town, sending, secrets.token_bytes(200), UP_ST)


def test_a_batch_signed_by_a_stranger_is_kept_apart(town: Town, sending: Sending) -> None:
    room = sending.guest.room
    room.write(sending.stream)
    own, room.signer = room.signer, crypto.signer(crypto.new_seed(), "controller")
    forged = room.batch(sending.stream, len(sending.stream.lines))
    room.signer = own
    sending.stream.lines.pop()
    assert "signed" in _kept_apart(town, sending, forged)


def test_somebody_is_told_of_what_is_kept_apart(town: Town, sending: Sending) -> None:
    _kept_apart(town, sending, secrets.token_bytes(300))
    told = rows(town, "SELECT raw FROM events WHERE type = 'stream.quarantine'")
    about = [json.loads(bytes(raw))["data"] for (raw,) in told]
    assert any(one["ctl"] == sending.ctl and one["reason"] for one in about)


def test_an_unknown_type_is_recorded_and_what_follows_is_understood(
    town: Town, sending: Sending
) -> None:
    room = sending.guest.room
    room.write(sending.stream, "coffee.brewed", {"cups": 3})
    sending.flush()
    sending.record()
    found = rows(town, "SELECT count(*) FROM events WHERE type = 'coffee.brewed'")
    assert found == [(1,)]
    _projected(town, sending)


def test_a_known_type_that_cannot_be_read_blocks_nothing(town: Town, sending: Sending) -> None:
    room = sending.guest.room
    for type_ in ("fault.raised", "media.segment", "power.state", "plan.accepted", "cmd.done"):
        room.write(sending.stream, type_, {"fault": ["?"], "sha256": 7, "n": "x"})
        sending.flush()
    sending.record()
    _projected(town, sending)
    assert httpx.get(f"{town.url}/readyz", timeout=10).is_success


def _projected(town: Town, sending: Sending) -> None:
    """Every projection has passed the last row."""
    room = sending.guest.room
    fault = f"water-{secrets.token_hex(2)}"
    data = {
        "fault": fault,
        "kind": "water",
        "device": "",
        "what": "leak",
        "p": "unset",
        "consequence": "",
    }
    room.write(sending.stream, "fault.raised", data)
    sending.flush()
    until(
        "the projections pass the last row",
        lambda: rows(
            town,
            "SELECT 1 WHERE (SELECT min(after_id) FROM cursors) >= "
            "(SELECT max(id) FROM events WHERE ctl = ?)",
            sending.ctl,
        ),
        within_s=20,
    )


# What the hub's own credentials may tell a room


@pytest.fixture
def voice(town: Town) -> Iterator[Line]:
    line = hub_line(town)
    yield line
    line.close()


def _heard(town: Town, site: RoomSite, kind: str) -> int:
    query = "SELECT count(*) FROM events WHERE ctl = ? AND type = ?"
    return int(rows(town, query, site.ctl, kind)[0][0])


def _genuine_ack(town: Town, voice: Line) -> Ack:
    """The hub's answer to something that just happened in the room."""
    site = town.home
    for level in (FREE, PRESSED):
        before = _heard(town, site, "power.state")
        site.hand("pins").do(pin=MAINS_PIN, level=level)
        until(
            "the contact's change is recorded",
            lambda before=before: _heard(town, site, "power.state") > before,
        )
    return voice.ack(site.ctl)


def test_an_ack_with_a_wrong_hash_is_named_and_sending_goes_on(town: Town, voice: Line) -> None:
    seed = crypto.read_private(load(town.data).hub_key)
    genuine = _genuine_ack(town, voice)
    forged = replace(genuine, n=genuine.n + 1_000_000, hash=secrets.token_hex(32))
    _is_named_once(town, voice, forged.seal([crypto.signer(seed, "hub")]))


def test_an_ack_signed_by_a_stranger_is_named_and_sending_goes_on(town: Town, voice: Line) -> None:
    genuine = _genuine_ack(town, voice)
    forged = replace(genuine, n=genuine.n + 1_000_000, upto=genuine.upto + 50)
    _is_named_once(town, voice, forged.seal([crypto.signer(crypto.new_seed(), "hub")]))


def _is_named_once(town: Town, voice: Line, forged: bytes) -> None:
    site = town.home
    bad = _heard(town, site, "ack.bad")
    voice.send(topic(site.ctl, DOWN_ACK), forged)
    until("the bad ack is on the record", lambda: _heard(town, site, "ack.bad") > bad)
    _genuine_ack(town, voice)
    until("nothing waits", lambda: site.screen().state()["link"]["waiting"] == 0)
    assert _heard(town, site, "ack.bad") == bad + 1
    assert _heard(town, site, "record.gap") == 0

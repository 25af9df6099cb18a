"""Only what was recorded is taken, only whole, and given to those who took part."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from hub.app import Hub
from hub.store.tables_business import session_plan
from hub.store.tables_core import blobs, plans
from hub.web.api_media import PUT_PREFIX
from protocols.messages.plan import parse_plan_body, read_plan
from protocols.messages.signed import parse_message
from protocols.messages.topics import UP_EV
from tests.hub import scripted_room as scripted

SEGMENT = bytes(range(256)) * 400


@pytest.fixture
def room(hub: Hub, room_folder: Path) -> Any:
    hub.fleet.transport = scripted.Wire()
    return scripted.ScriptedRoom(room_folder)


def _record(hub: Hub, room: Any, content: bytes = SEGMENT, stream: Any = None) -> str:
    """`stream`: of which the hub has every row; else a new one."""
    digest = hashlib.sha256(content).hexdigest()
    first = 1 if stream is None else len(stream.lines) + 1
    stream = stream or room.open()
    data = {
        "stream": "2-room",
        "first_at": room.at,
        "last_at": room.at,
        "sha256": digest,
        "bytes": len(content),
        "pts": 0,
        "recovered": False,
    }
    room.write(stream, "media.segment", data)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, first))
    hub.projector.run_pending()
    return digest


def _put(client: TestClient, room: Any, digest: str, content: bytes, **changed: str) -> Any:
    sig = room.signer.sign(PUT_PREFIX + digest.encode()).hex()
    parts = {"ctl": room.ctl, "kid": room.signer.kid, "sig": sig, **changed}
    header = "Evalroom ctl={ctl},kid={kid},sig={sig}".format(**parts)
    return client.put(f"/api/v1/media/{digest}", content=content, headers={"Authorization": header})


def _sign_in(client: TestClient, who: dict[str, Any]) -> None:
    body = {"login": who["login"], "password": who["password"]}
    assert client.post("/api/v1/sign-in", json=body).status_code == 200


def test_a_segment_is_taken_once_recorded_and_again_costs_nothing(
    hub: Hub, client: TestClient, room: Any
) -> None:
    digest = hashlib.sha256(SEGMENT).hexdigest()
    early = _put(client, room, digest, SEGMENT)
    assert (early.status_code, early.json()["code"]) == (409, "media_not_recorded")
    assert _record(hub, room) == digest
    assert _put(client, room, digest, SEGMENT).status_code == 201
    assert _put(client, room, digest, SEGMENT).status_code == 200
    assert hub.media.path(digest).read_bytes() == SEGMENT


def test_a_segment_whose_hub_died_before_it_said_stored_is_stored_when_it_comes_again(
    hub: Hub, client: TestClient, room: Any
) -> None:
    digest = _record(hub, room)
    path = hub.media.path(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(SEGMENT)
    assert _put(client, room, digest, SEGMENT).status_code == 200
    with hub.store.read() as conn:
        row = conn.execute(select(blobs).where(blobs.c.sha256 == digest)).one()
    assert (row.state, row.stored_at is not None) == ("stored", True)


@pytest.mark.parametrize("content", [SEGMENT[:-1], SEGMENT + b"x", b"y" * len(SEGMENT), b""])
def test_other_bytes_than_recorded_are_refused_and_leave_nothing(
    hub: Hub, client: TestClient, room: Any, content: bytes
) -> None:
    digest = _record(hub, room)
    answer = _put(client, room, digest, content)
    assert answer.status_code in {413, 422}
    assert answer.json()["code"] == "media_differs"
    assert not hub.media.has(digest)
    assert [path for path in hub.media.folder.rglob("*") if path.is_file()] == []
    assert _put(client, room, digest, SEGMENT).status_code == 201


@pytest.mark.parametrize(
    "changed", [{"sig": "0" * 128}, {"kid": "0" * 16}, {"ctl": "c-000000000000"}, {"ctl": "../x"}]
)
def test_an_upload_needs_the_rooms_own_signature(
    hub: Hub, client: TestClient, room: Any, changed: dict[str, str]
) -> None:
    digest = _record(hub, room)
    answer = _put(client, room, digest, SEGMENT, **changed)
    assert (answer.status_code, answer.json()["code"]) == (401, "upload_not_signed")


def test_a_path_is_no_hash(client: TestClient, room: Any) -> None:
    answer = _put(client, room, "..%2f..%2fetc", SEGMENT)
    assert answer.status_code in {404, 422}


def test_ranges_are_given_to_the_venue_and_to_nobody_else(
    hub: Hub, client: TestClient, room: Any, accounts: dict[str, dict[str, Any]]
) -> None:
    digest = _record(hub, room)
    _put(client, room, digest, SEGMENT)
    url = f"/api/v1/media/{digest}"
    assert client.get(url).status_code == 401
    _sign_in(client, accounts["changsha.witness"])
    whole = client.get(url)
    assert (whole.status_code, whole.content) == (200, SEGMENT)
    some = client.get(url, headers={"Range": "bytes=10-19"})
    assert (some.status_code, some.content) == (206, SEGMENT[10:20])
    assert some.headers["content-range"] == f"bytes 10-19/{len(SEGMENT)}"
    assert client.get(url, headers={"Range": "bytes=-5"}).content == SEGMENT[-5:]
    assert client.get(url, headers={"Range": "bytes=999999999-"}).status_code == 416
    _sign_in(client, accounts["changsha.tenderer_agent"])
    assert client.get(url).status_code == 404
    _sign_in(client, accounts["hunan.witness"])
    assert client.get(url).status_code == 404
    with hub.store.read() as conn:
        looked = conn.exec_driver_sql("SELECT count(*) FROM access_record").scalar_one()
    assert looked >= 4


def test_a_plan_too_large_to_be_sent_is_fetched_by_its_own_room_only(
    hub: Hub, client: TestClient, room: Any
) -> None:
    certs = [b64encode(b"x" * 3000 + str(n).encode()).decode() for n in range(60)]
    values = {
        "session": "s-0123456789ab",
        "ctl": room.ctl,
        "booking": "2026-1124-01",
        "org": "changsha",
        "body": {"session": "s-0123456789ab"},
        "certs": certs,
        "active": True,
        "published_at": hub.clock.wall(),
    }
    with hub.store.write() as conn:
        conn.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        conn.execute(session_plan.insert().values(**values))
        hub.fleet.publish_plan(conn, room.ctl)
        raw, digest = conn.execute(select(plans.c.raw, plans.c.hash)).one()
        conn.execute(session_plan.delete())
    plan = read_plan(parse_message(bytes(raw), limit=128 * 1024))
    assert plan.body is None

    sig = room.signer.sign(PUT_PREFIX + digest.encode()).hex()
    header = f"Evalroom ctl={room.ctl},kid={room.signer.kid},sig={sig}"
    answer = client.get(f"/api/v1/plans/{digest}", headers={"Authorization": header})
    assert answer.status_code == 200
    assert parse_plan_body(answer.content, digest)["certs"] == sorted(certs)

    assert client.get(f"/api/v1/plans/{digest}").status_code == 401
    other = header.replace(sig, "0" * 128)
    assert (
        client.get(f"/api/v1/plans/{digest}", headers={"Authorization": other}).status_code == 401
    )
    unknown = "0" * 64
    sig = room.signer.sign(PUT_PREFIX + unknown.encode()).hex()
    header = f"Evalroom ctl={room.ctl},kid={room.signer.kid},sig={sig}"
    answer = client.get(f"/api/v1/plans/{unknown}", headers={"Authorization": header})
    assert answer.status_code == 404

"""A room that sends without measure fills no disk and slows nobody; what it sends is only kept."""

from __future__ import annotations

import ast
import hashlib
import os
import random
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import hub as package
from hub.app import Hub
from hub.media.blobs import FREE_BYTES_MIN
from hub.media.shares import DAY_BYTES_MAX, DAY_MS, UPLOADS_AT_ONCE, Shares
from hub.problems import Problem
from protocols.messages.topics import UP_EV
from tests.hub import scripted_room as scripted
from tests.hub.media.test_media import SEGMENT, _put, _record

CLIPS = 1000 if os.environ.get("EVALROOM_PROPERTIES") == "long" else 24
CTL, OTHER = "c-000000000001", "c-000000000002"


@pytest.fixture
def room(hub: Hub, room_folder: Path) -> Any:
    hub.fleet.transport = scripted.Wire()
    return scripted.ScriptedRoom(room_folder)


def test_a_room_has_its_share_at_once_and_in_a_day_and_others_have_theirs() -> None:
    now = [0]
    shares = Shares(lambda: now[0])
    held = [shares.of(CTL, 10) for _ in range(UPLOADS_AT_ONCE)]
    for one in held:
        one.__enter__()
    assert shares.coming == 10 * UPLOADS_AT_ONCE
    with pytest.raises(Problem, match="media_share"), shares.of(CTL, 1):
        pass
    with shares.of(OTHER, DAY_BYTES_MAX):
        pass
    for one in held:
        one.__exit__(None, None, None)
    assert shares.coming == 0
    with pytest.raises(Problem, match="media_share"), shares.of(OTHER, 1):
        pass
    now[0] += DAY_MS
    with shares.of(OTHER, DAY_BYTES_MAX):
        pass


def test_what_was_not_kept_counts_for_no_day() -> None:
    shares = Shares(lambda: 0)
    for _ in range(3):
        with pytest.raises(OSError, match="gone"), shares.of(CTL, DAY_BYTES_MAX):
            raise OSError("gone")
    with shares.of(CTL, DAY_BYTES_MAX):
        pass


def test_media_leave_the_record_its_space(
    hub: Hub, client: TestClient, room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = _record(hub, room)
    monkeypatch.setattr(hub.media, "free_bytes", lambda: FREE_BYTES_MIN + len(SEGMENT) - 1)
    refused = _put(client, room, digest, SEGMENT)
    assert (refused.status_code, refused.json()["code"]) == (507, "media_no_space")
    assert not hub.media.has(digest)
    monkeypatch.setattr(hub.media, "free_bytes", lambda: FREE_BYTES_MIN + len(SEGMENT))
    assert _put(client, room, digest, SEGMENT).status_code == 201


def _mutated(clip: bytes, chance: random.Random) -> bytes:
    """A clip with bytes changed, cut out, doubled, or a box's length made absurd."""
    raw = bytearray(clip)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(raw))
        what = chance.randrange(4)
        if what == 0:
            raw[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            del raw[at : at + chance.randint(1, 64)]
        elif what == 2:
            raw[at:at] = raw[at : at + chance.randint(1, 64)]
        else:
            raw[at : at + 4] = b"\xff\xff\xff\xff"
        if len(raw) < 64:
            raw.extend(clip)
    return bytes(raw)


def _box(kind: bytes, *inside: bytes) -> bytes:
    body = b"".join(inside)
    return (len(body) + 8).to_bytes(4, "big") + kind + body


@pytest.mark.slow
def test_crafted_clips_are_kept_and_given_back_and_nothing_reads_them(
    hub: Hub, client: TestClient, room: Any, accounts: dict[str, dict[str, Any]]
) -> None:
    """The hub takes bytes for bytes: whatever is in a clip, it answers as before."""
    clip = _box(b"ftyp", b"isom\0\0\0\1isomiso2") + _box(
        b"moov", _box(b"mvhd", bytes(100)), _box(b"trak", bytes(200))
    )
    clip += _box(b"moof", bytes(80)) + _box(b"mdat", bytes(range(256)) * 8)
    clip += b"#EXTM3U\nhttp://127.0.0.1:1/x\nfile:///etc/passwd\n"
    chance = random.Random(4)  # noqa: S311 - the same clips each time
    body = {key: accounts["changsha.home_manager"][key] for key in ("login", "password")}
    kept, stream = {}, room.open()
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    for _ in range(CLIPS):
        crafted = _mutated(clip, chance)
        digest = _record(hub, room, crafted, stream)
        assert _put(client, room, digest, crafted).status_code in {200, 201}
        kept[digest] = crafted
    assert client.post("/api/v1/sign-in", json=body).status_code == 200
    for digest, crafted in kept.items():
        assert hashlib.sha256(crafted).hexdigest() == digest
        assert client.get(f"/api/v1/media/{digest}").content == crafted


@pytest.mark.slow
def test_the_hub_has_no_program_that_could_read_a_clip() -> None:
    """No decoder is named anywhere in the hub: what does not run needs no sandbox."""
    words = {"ffmpeg", "ffprobe", "imageio_ffmpeg", "gst-launch-1.0", "cv2"}
    for path in Path(package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {one.name.split(".")[0] for one in node.names}
                names.add((getattr(node, "module", "") or "").split(".")[0])
                assert not names & words, path
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in words, path

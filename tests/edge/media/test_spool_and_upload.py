"""The spool keeps until a receipt; the uploader gets everything to the hub, whatever happens."""

from __future__ import annotations

import hashlib
import http.server
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.media.spool import Kept, Spool, SpoolError
from edge.media.uploader import Account, Target, Uploader

WAIT_S = 20.0
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CTL = "c-0123456789ab"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def put(spool: Spool, content: bytes, *sessions: str) -> Kept:
    path = spool.folder / "new"
    path.write_bytes(content)
    return spool.take(path, {"stream": "table"}, sessions)


def test_a_content_is_under_its_hash_after_a_restart_with_what_is_known_of_it(
    spool: Spool,
) -> None:
    kept = put(spool, b"one", "s-1")
    spool.uploaded(kept.sha256)

    again = Spool(spool.folder).get(hashlib.sha256(b"one").hexdigest())

    assert again is not None
    assert (again.size, again.uploaded, again.references) == (3, True, ("s-1",))
    assert again.about == {"stream": "table"}


def test_clips_go_first_then_the_oldest(spool: Spool) -> None:
    kept = [put(spool, bytes([n])) for n in range(3)]
    spool.prefer([kept[2].sha256])
    spool.uploaded(kept[0].sha256)

    assert [one.sha256 for one in spool.pending()] == [kept[2].sha256, kept[1].sha256]


def test_a_mark_prefers_what_was_recorded_around_it_and_what_is_still_to_come(
    spool: Spool,
) -> None:
    def recorded(content: bytes, first: int) -> Kept:
        path = spool.folder / "new"
        path.write_bytes(content)
        moments = (f"2026-11-24T01:00:{first + s:02d}.000Z" for s in (0, 10))
        return spool.take(path, dict(zip(("first_at", "last_at"), moments, strict=True)))

    old, before = recorded(b"1", 0), recorded(b"2", 11)
    unknown = put(spool, b"no times")
    spool.mark("2026-11-24T01:00:15.000Z", "2026-11-24T01:00:45.000Z")
    after, late = recorded(b"3", 44), recorded(b"4", 46)
    clips = {one.sha256 for one in spool.pending() if one.clip}
    assert clips == {before.sha256, after.sha256}
    assert {old.clip, unknown.clip, late.clip} == {False}


def test_nothing_is_deleted_without_a_receipt_or_while_somebody_needs_it(spool: Spool) -> None:
    shared, own = put(spool, b"shared", "s-1", "s-2"), put(spool, b"own", "s-1")
    waiting = put(spool, b"waiting", "s-1")
    for one in (shared, own):
        spool.uploaded(one.sha256)

    nobody = put(spool, b"nobody's")
    spool.uploaded(nobody.sha256)

    with pytest.raises(SpoolError, match="receipt"):
        spool.release(own.sha256, "")
    assert [one.sha256 for one in spool.releasable({"s-1"})] == [own.sha256]
    spool.release(own.sha256, "receipt-1")

    assert not spool.path(own.sha256).exists()
    assert spool.needed() == {"s-1", "s-2"}
    assert [one.sha256 for one in spool.releasable({"s-1", "s-2"})] == [shared.sha256]
    spool.uploaded(waiting.sha256)
    assert len(spool.releasable({"s-1", "s-2"})) == 2, "the hub has it now"


def test_a_note_that_cannot_be_read_costs_its_facts_and_not_its_content(spool: Spool) -> None:
    kept = put(spool, b"one")
    spool.path(kept.sha256).with_suffix(".json").write_text("{")

    again = Spool(spool.folder)

    assert [one.sha256 for one in again.pending()] == [kept.sha256]


@dataclass
class Hub:
    """A hub's media door on loopback: answers as told, keeps what it took."""

    answers: list[int] = field(default_factory=list)
    seen: queue.Queue[tuple[str, str, int]] = field(default_factory=queue.Queue)
    stored: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        hub = self

        class Door(http.server.BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                name = self.path.rpartition("/")[2]
                status = hub.answers.pop(0) if hub.answers else 201
                if status == 201:
                    hub.stored[name] = body
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                hub.seen.put((name, self.headers["Authorization"], status))

            def log_message(self, *_: Any) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    door = Hub()
    yield door
    door.close()


@dataclass
class Bench:
    uploader: Uploader
    told: queue.Queue[tuple[str, dict[str, Any]]]


@pytest.fixture
def bench(spool: Spool, hub: Hub) -> Iterator[Bench]:
    told: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
    uploader = Uploader(
        spool,
        hub.url,
        Account(CTL, "0123456789abcdef", KEY.sign),
        sink=lambda kind, data: told.put((kind, data)),
    )
    yield Bench(uploader, told)
    uploader.stop()


def test_a_content_is_put_signed_and_told(spool: Spool, hub: Hub, bench: Bench) -> None:
    kept = put(spool, b"picture")
    bench.uploader.start()

    name, authorization, _ = hub.seen.get(timeout=WAIT_S)

    assert hub.stored == {kept.sha256: b"picture"}
    assert bench.told.get(timeout=WAIT_S) == ("uploaded", {"sha256": kept.sha256, "bytes": 7})
    prefix, _, signature = authorization.partition("sig=")
    assert prefix == f"Evalroom ctl={CTL},kid=0123456789abcdef,"
    KEY.public_key().verify(bytes.fromhex(signature), b"er1/put\0" + name.encode())
    assert spool.pending() == []


@pytest.mark.slow
def test_not_yet_recorded_is_later_and_holds_up_nothing(
    spool: Spool, hub: Hub, bench: Bench
) -> None:
    hub.answers = [409]
    first, second = put(spool, b"first"), put(spool, b"second")
    bench.uploader.start()

    order = [hub.seen.get(timeout=WAIT_S) for _ in range(3)]

    assert [(name, status) for name, _, status in order] == [
        (first.sha256, 409),
        (second.sha256, 201),
        (first.sha256, 201),
    ]


def test_a_hub_that_was_away_gets_everything_when_it_is_back(
    spool: Spool, hub: Hub, bench: Bench
) -> None:
    hub.answers = [503]
    put(spool, b"first")
    bench.uploader.start()
    assert hub.seen.get(timeout=WAIT_S)[2] == 503

    bench.uploader.set_link(up=True)

    assert hub.seen.get(timeout=WAIT_S)[2] == 201


def test_a_disk_that_takes_no_note_ends_no_upload(spool: Spool, hub: Hub, bench: Bench) -> None:
    kept = put(spool, b"picture")
    in_the_way = spool.path(kept.sha256).with_suffix(".new")
    in_the_way.mkdir()
    bench.uploader.start()
    assert hub.seen.get(timeout=WAIT_S)[2] == 201
    bench.uploader.set_link(up=True)
    assert hub.seen.get(timeout=WAIT_S)[2] == 201, "what could not be noted is sent again"
    assert bench.told.empty()

    in_the_way.rmdir()
    bench.uploader.set_link(up=True)

    assert bench.told.get(timeout=WAIT_S)


def test_without_a_link_nothing_is_tried(spool: Spool, hub: Hub, bench: Bench) -> None:
    put(spool, b"first")
    bench.uploader.set_link(up=False)
    bench.uploader.start()
    with pytest.raises(queue.Empty):
        hub.seen.get(timeout=0.3)

    bench.uploader.set_link(up=True)

    assert hub.seen.get(timeout=WAIT_S)[2] == 201


def test_an_altered_content_is_named_and_holds_up_nothing(
    spool: Spool, hub: Hub, bench: Bench
) -> None:
    rotten, sound = put(spool, b"rotten"), put(spool, b"sound")
    spool.path(rotten.sha256).write_bytes(b"r0tten")
    hub.answers = [422]
    bench.uploader.start()

    said = [bench.told.get(timeout=WAIT_S) for _ in range(2)]

    assert said[0][0] == "segment_damaged"
    assert said[0][1]["name"] == f"{rotten.sha256}.mp4"
    assert said[1] == ("uploaded", {"sha256": sound.sha256, "bytes": 5})


def test_a_hub_restored_from_an_older_copy_is_offered_everything_again(
    spool: Spool, hub: Hub, bench: Bench
) -> None:
    put(spool, b"picture")
    bench.uploader.start()
    bench.told.get(timeout=WAIT_S)
    hub.stored.clear()

    bench.uploader.start_over()
    bench.told.get(timeout=WAIT_S)

    assert list(hub.stored.values()) == [b"picture"]


@pytest.mark.parametrize("url", ["http://hub.example", "ftp://127.0.0.1:1x", "hub"])
def test_plain_http_leaves_only_on_loopback(spool: Spool, url: str) -> None:
    with pytest.raises(ValueError, match=r"hub url|[Pp]ort"):
        Uploader(spool, url, Account(CTL, "0", KEY.sign), sink=lambda *_: None)


@pytest.mark.slow
def test_contents_asked_for_in_the_middle_of_a_round_are_next(
    spool: Spool, hub: Hub, bench: Bench
) -> None:
    """However slow the rest is sent, and also what the hub was sent before."""
    old = put(spool, b"old")
    spool.uploaded(old.sha256)
    kept = [put(spool, bytes([n]) * 64 * 1024) for n in range(5)]
    bench.uploader.set_rate(64 * 1024)
    asked = threading.Event()
    plain = bench.uploader._settle

    def settle(one: Kept, answer: object) -> None:
        plain(one, answer)  # type: ignore[arg-type]
        if not asked.is_set():
            spool.fetch([kept[4].sha256, old.sha256, "0" * 64])
            bench.uploader.first()
            asked.set()

    bench.uploader._settle = settle  # type: ignore[method-assign]
    bench.uploader.start()
    names = [hub.seen.get(timeout=WAIT_S)[0] for _ in range(3)]
    assert names == [kept[0].sha256, old.sha256, kept[4].sha256]


def test_the_line_may_change_while_the_uploader_runs(spool: Spool, hub: Hub, bench: Bench) -> None:
    """From an address that is not there nothing goes out, and it says so as for a hub away."""

    def gone() -> str:
        raise OSError("no such interface")

    kept = put(spool, b"picture")
    bench.uploader.switch(Target.read("http://127.0.0.1:9", gone))
    assert bench.uploader._round() > 0
    bench.uploader.switch(Target.read(hub.url, lambda: "127.0.0.1"))
    bench.uploader._round()
    assert hub.stored == {kept.sha256: b"picture"}

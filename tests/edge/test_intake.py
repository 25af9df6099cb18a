"""Plans at the room: kept, taken up again, fetched when large, and without secrets once closed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge.clock import Clock
from edge.crypto import member_tag
from edge.duty import DutyRoster
from edge.identify import Identifier
from edge.intake import KV_PLAN, Intake
from edge.journal import Journal
from edge.plan_fetch import PlanFetcher
from edge.turn import Turn
from hub import crypto
from protocols.messages.acts import CommandWrapper, Order, Statement
from protocols.messages.plan import plan_body, seal_plan
from tests.system.room_hub import Keys, body_of, demo_pack, session_plan

CTL = "c-0123456789ab"
SESSION = "s-0123456789ab"
NUMBER = "11010519491231002X"


@dataclass
class Desk:
    """An intake over a real journal, and the hub's pen."""

    journal: Journal
    seal_key: bytes
    seal_public: bytes
    keys: Keys = field(default_factory=Keys)
    closed: set[str] = field(default_factory=set)
    wanted: list[str] = field(default_factory=list)
    packs: list[str] = field(default_factory=list)
    refuses: str = ""
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.intake = Intake(
            ctl=CTL,
            trust=self.keys.trust(),
            seal_key=self.seal_key,
            journal=self.journal,
            identifier=Identifier(member_tag),
            roster=DutyRoster(lambda: 0),
            at_trust=lambda: "ntp",
            order_numbers=lambda _session: (0, ""),
            closed=self.closed.__contains__,
            use_pack=lambda pack: self.packs.append(pack.hash),
            trial=lambda _turn: self.refuses,
            fetch=self.wanted.append,
        )

    def body(self, **changes: Any) -> dict[str, Any]:
        wrapped = {self.keys.staff.person: {"kdf": "scrypt", "ct": "5ec2e7"}}
        session = session_plan(
            self.keys,
            session=SESSION,
            org="changsha",
            members={1: NUMBER},
            seal_public=self.seal_public,
            wrapped=wrapped,
        )
        return body_of(
            self.keys,
            place="changsha-1",
            org="changsha",
            sessions=[{**session, **changes}],
            pack=demo_pack(),
        )

    def send(self, body: dict[str, Any], n: int = 1) -> list[Turn]:
        raw = seal_plan(
            ctl=CTL,
            generation=1,
            n=n,
            body=body,
            signers=[crypto.signer(self.keys.hub, "hub")],
        )
        return self.intake.plan(raw, retained=False)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    draws = iter(range(1, 1000))
    journal = Journal.open(
        tmp_path / "journal.sqlite",
        ctl=CTL,
        boot="boot",
        clock=Clock(),
        entropy=lambda count: next(draws).to_bytes(count, "big"),
    )
    yield Desk(journal, *crypto.new_seal_key())
    journal.close()


def refusal(turns: list[Turn]) -> str:
    (turn,) = turns
    assert (turn.kind, turn.data["type"]) == ("system", "plan.refused"), turn
    return str(turn.data["data"]["reason"])


def test_a_plan_that_was_kept_but_not_folded_is_given_to_the_room_again(desk: Desk) -> None:
    (sent,) = desk.send(desk.body())
    desk.restart()
    (again,) = desk.intake.resume()
    assert again == sent
    assert desk.intake.plan_ref().n == 1
    assert desk.intake.identifier.match(NUMBER) == [{"session": SESSION, "no": 1}]
    assert len(desk.packs) == 2
    assert "salt" not in again.data["sessions"][0]


def test_a_closed_session_leaves_no_secret_in_the_kept_plan(desk: Desk) -> None:
    desk.send(desk.body())
    assert b"5ec2e7" in (desk.journal.kv_get(KV_PLAN) or b"")
    desk.closed.add(SESSION)
    desk.intake.forget(SESSION)
    kept = desk.journal.kv_get(KV_PLAN) or b""
    (session,) = json.loads(kept)["body"]["sessions"]
    assert (session["tags"], session["salt"]) == ("", "")
    assert all(one["wrapped"] is None for one in session["duty"])
    assert desk.intake.identifier.match(NUMBER) == []
    desk.restart()
    (turn,) = desk.intake.resume()
    assert turn.kind == "plan"
    assert desk.intake.identifier.match(NUMBER) == []


def test_a_wiped_secret_is_in_no_file_of_the_journal(desk: Desk) -> None:
    """Neither in a page that is free now nor in the write-ahead log, open or closed."""
    folder = desk.journal.path.parent

    def found(secret: bytes) -> list[str]:
        return [one.name for one in folder.iterdir() if secret in one.read_bytes()]

    tag = "7a67" * 2_000  # long enough to lie in pages of its own
    body = desk.body()
    body["sessions"][0]["duty"][0]["wrapped"] = {"kdf": "scrypt", "ct": tag}
    desk.send(body)
    desk.journal.port.execute("PRAGMA wal_checkpoint(PASSIVE)")
    for word in (tag.encode(), body["sessions"][0]["tags"][:64].encode()):
        assert found(word[:512])
    desk.closed.add(SESSION)
    desk.intake.forget(SESSION)
    for word in (tag.encode(), body["sessions"][0]["tags"][:64].encode()):
        assert found(word[:512]) == []
    desk.journal.close()
    assert found(tag.encode()[:512]) == []


def test_a_plan_that_the_room_cannot_use_is_not_said_to_be_in_force(desk: Desk) -> None:
    desk.send(desk.body(), n=1)
    before = desk.journal.kv_get(KV_PLAN)
    desk.refuses = "members: expected a list"
    assert "the room cannot use it: members" in refusal(desk.send(desk.body(), n=2))
    assert desk.intake.plan_ref().n == 1
    assert desk.journal.kv_get(KV_PLAN) == before
    desk.refuses = ""
    assert desk.send(desk.body(), n=2)[0].kind == "plan"
    assert desk.intake.plan_ref().n == 2


@pytest.mark.parametrize(
    "kept", [b"rubbish", b"{}", b'{"generation":1,"n":1,"hash":"","body":{"sessions":[{}]}}']
)
def test_a_kept_plan_that_cannot_be_read_does_not_stop_the_start(desk: Desk, kept: bytes) -> None:
    desk.journal.kv_put(KV_PLAN, kept)
    assert "kept plan unusable" in refusal(desk.intake.resume())
    assert desk.intake.plan_ref().hash == ""
    assert desk.send(desk.body())[0].kind == "plan"


def test_a_room_enrolled_anew_asks_for_its_plan_again(desk: Desk) -> None:
    desk.send(desk.body())
    desk.seal_key, desk.seal_public = crypto.new_seal_key()
    desk.restart()
    assert "CryptoError" in refusal(desk.intake.resume())
    assert desk.send(desk.body())[0].kind == "plan"


def test_a_plan_says_whose_record_was_taken_over_and_a_plan_of_before_says_nothing(
    desk: Desk,
) -> None:
    desk.send(desk.body())
    assert desk.intake.receipted == {}
    desk.send({**desk.body(), "receipted": {SESSION: "pk-000000000001"}}, n=2)
    desk.restart()
    desk.intake.resume()
    assert desk.intake.receipted == {SESSION: "pk-000000000001"}

    for wrong in ([SESSION], {SESSION: ""}, {SESSION: 1}):
        refused = desk.send({**desk.body(), "receipted": wrong}, n=3)
        assert "unusable" in refusal(refused)
    assert desk.intake.receipted == {SESSION: "pk-000000000001"}


@pytest.mark.parametrize(
    "changes",
    [
        {"venues": None},
        {"venues": [{}]},
        {"duty": [{"person": "p-1"}]},
        {"home_org": 5},
        {"tags": "no box"},
        {"salt": 7},
    ],
)
def test_a_plan_without_what_the_rules_read_is_refused_whole(
    desk: Desk, changes: dict[str, Any]
) -> None:
    assert refusal(desk.send(desk.body(**changes))).startswith("unusable")
    assert desk.intake.sessions == {}
    assert desk.journal.kv_get(KV_PLAN) is None


def test_versions_only_go_up_and_a_version_has_one_content(desk: Desk) -> None:
    """And the reasons are those the hub has alarms for."""
    body = desk.body()
    assert desk.send(body, n=2)[0].kind == "plan"
    assert desk.send(body, n=2) == []
    assert refusal(desk.send(desk.body(), n=2)) == "other_hash"
    assert refusal(desk.send(body, n=1)) == "older"


def large(desk: Desk) -> dict[str, Any]:
    return {**desk.body(), "calendar": [f"{n:064d}" for n in range(2_200)]}


def test_a_large_plan_is_fetched_by_the_hash_that_was_signed(desk: Desk) -> None:
    body = large(desk)
    line = plan_body(body)
    assert desk.send(body) == []
    (digest,) = desk.wanted
    asked: list[tuple[str, str]] = []
    got = threading.Event()
    bodies: list[bytes] = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(line)))
            self.end_headers()
            self.wfile.write(line)

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    fetcher = PlanFetcher(
        url=f"http://127.0.0.1:{server.server_port}",
        take=lambda raw: (bodies.append(raw), got.set())[1],
        authorization=lambda of: f"Evalroom {of[:4]}",
    )
    fetcher.start()
    fetcher.want(digest)
    assert got.wait(10)
    fetcher.stop()
    server.shutdown()
    server.server_close()
    assert asked == [(f"/api/v1/plans/{digest}", f"Evalroom {digest[:4]}")]
    (turn,) = desk.intake.plan_body(bodies[0])
    assert turn.data["hash"] == digest
    assert desk.intake.plan_body(bodies[0]) == []
    desk.restart()
    assert desk.intake.resume()[0].data["hash"] == digest


def test_an_order_that_overtakes_its_plan_is_left_to_be_sent_again(desk: Desk) -> None:
    body, manager = large(desk), desk.keys.manager
    order = Order("a" * 32, SESSION, 1, "open", manager.person).seal([manager.signer])
    said = Statement(SESSION, "x1", "report", "signed", "d" * 64)
    statement = said.seal([manager.signer])
    wrapped = [
        CommandWrapper(CTL, "", "a" * 32, kind, raw).seal([crypto.signer(desk.keys.hub, "hub")])
        for kind, raw in (("order", order), ("statement", statement))
    ]
    desk.send(body)
    assert [desk.intake.command(raw, retained=False) for raw in wrapped] == [[], []]
    desk.intake.plan_body(plan_body(body))
    first = [desk.intake.command(raw, retained=False)[0] for raw in wrapped]
    assert first[0].kind == "order"
    assert first[1].data["data"]["reason"].startswith("unsigned")
    strange = Order("b" * 32, "s-ffffffffffff", 1, "open", manager.person).seal([manager.signer])
    again = CommandWrapper(CTL, "", "b" * 32, "order", strange)
    (turn,) = desk.intake.command(again.seal([crypto.signer(desk.keys.hub, "hub")]), retained=False)
    assert (turn.kind, turn.data["reason"]) == ("order_refused", "other_session")


def test_a_body_with_other_bytes_is_refused_and_still_waited_for(desk: Desk) -> None:
    body = large(desk)
    desk.send(body)
    with pytest.raises(Exception, match="not the signed one"):
        desk.intake.plan_body(b"{}")
    assert desk.intake.plan_body(plan_body(body))[0].kind == "plan"


def test_a_smaller_plan_overtakes_a_large_one_that_is_still_on_its_way(desk: Desk) -> None:
    body = large(desk)
    desk.send(body, n=1)
    desk.send(desk.body(), n=2)
    assert desk.intake.plan_body(plan_body(body)) == []
    assert desk.intake.plan_ref().n == 2

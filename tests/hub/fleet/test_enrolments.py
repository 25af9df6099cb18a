"""Rooms that enrol themselves: a code counts once, for a day, for whoever people have compared."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from edge.certificate import context
from edge.config import read_credentials
from edge.enroll import request_of, take
from hub.app import Hub
from hub.cli import claim
from hub.cli.enroll import Wish
from hub.config import ConfigError, load
from hub.fleet.enrolments import ask
from hub.problems import Problem
from hub.store.tables_core import controllers, enrolments, events
from protocols.messages.enrolment import EnrolmentRequest, code_hash

WISH = Wish("changsha", "7", "七室", 4)
WITHIN_S = 60.0


@pytest.fixture
def hub(open_hub: Callable[..., Hub]) -> Hub:
    return open_hub(mqtt_tls=True)


@pytest.fixture
def secret(accounts: dict[str, dict[str, Any]]) -> str:
    return str(accounts["changsha.home_manager"]["password"])


def facts(hub: Hub) -> list[tuple[str, str]]:
    """What the hub wrote of enrolments: type and cause."""
    with hub.store.read() as conn:
        raws = conn.execute(select(events.c.raw).order_by(events.c.id)).scalars().all()
    rows = [json.loads(raw) for raw in raws]
    return [
        (row["type"], row["data"].get("cause", ""))
        for row in rows
        if row["type"].startswith("enrolment.")
    ]


def test_a_room_gets_in_with_keys_that_never_left_it(hub: Hub, secret: str, tmp_path: Path) -> None:
    code = claim.make(hub, WISH, by="li")
    request = request_of(tmp_path, code)
    assert ask(hub, request) == {
        "state": "asked",
        "fingerprint": request.fingerprint,
        "answer": None,
    }
    assert claim.listed(hub)[0]["fingerprint"] == request.fingerprint

    ctl = claim.approve(hub, request.fingerprint, secret=secret, by="CS-01")

    answer = ask(hub, request_of(tmp_path, code))["answer"]
    take(tmp_path, answer)
    me = read_credentials(tmp_path)
    assert (me.ctl, me.place, me.mqtt_tls) == (ctl, "changsha-7", True)
    assert context(tmp_path).get_ca_certs()
    users = json.loads(hub.config.broker_users.read_text(encoding="utf-8"))
    assert len(users[ctl]) == 1
    with hub.store.read() as conn:
        kept = conn.execute(select(enrolments)).one()
        row = conn.execute(select(controllers).where(controllers.c.ctl == ctl)).one()
    assert row.sign_pub == request.sign_pub
    assert code.replace("-", "") not in str(kept), "only the hash is kept"
    assert facts(hub) == [("enrolment.offered", ""), ("enrolment.asked", "")]


def test_a_second_room_with_the_same_code_is_refused_and_recorded(
    hub: Hub, secret: str, tmp_path: Path
) -> None:
    code = claim.make(hub, WISH, by="li")
    first, second = (request_of(tmp_path / one, code) for one in ("a", "b"))
    ask(hub, first)

    for _ in range(2):  # before and after somebody has decided
        with pytest.raises(Problem, match="used"):
            ask(hub, second)
        if claim.listed(hub)[0]["state"] == "asked":
            claim.approve(hub, first.fingerprint, secret=secret, by="CS-01")

    assert [one for one in facts(hub) if one[0] == "enrolment.refused"] == [
        ("enrolment.refused", "used")
    ] * 2


def test_of_two_at_the_same_moment_one_gets_the_code(hub: Hub, tmp_path: Path) -> None:
    code = claim.make(hub, WISH, by="li")
    requests = [request_of(tmp_path / str(one), code) for one in range(6)]
    together = threading.Barrier(len(requests))

    def race(request: EnrolmentRequest) -> str:
        together.wait()
        try:
            return str(ask(hub, request)["state"])
        except Problem as problem:
            return problem.got

    with ThreadPoolExecutor(len(requests)) as pool:
        said = sorted(pool.map(race, requests))

    assert said == ["asked", *["used"] * 5]
    assert len(facts(hub)) == 7


def test_a_code_of_yesterday_is_refused_and_recorded(hub: Hub, tmp_path: Path) -> None:
    code = claim.make(hub, WISH, by="li")
    with hub.store.write() as conn:
        until = hub.clock.wall() - timedelta(seconds=1)
        mine = enrolments.c.code_hash == code_hash(code)
        conn.execute(enrolments.update().where(mine).values(until_at=until))

    with pytest.raises(Problem, match="late"):
        ask(hub, request_of(tmp_path, code))

    assert facts(hub)[-1] == ("enrolment.refused", "late")


def test_a_code_counts_a_day(hub: Hub) -> None:
    claim.make(hub, WISH, by="li")
    with hub.store.read() as conn:
        row = conn.execute(select(enrolments)).one()
    assert row.until_at - row.made_at == timedelta(hours=24)


def test_whoever_has_not_the_key_or_not_the_code_is_refused(hub: Hub, tmp_path: Path) -> None:
    code = claim.make(hub, WISH, by="li")
    genuine = request_of(tmp_path / "a", code)
    other = request_of(tmp_path / "b", code)

    with pytest.raises(Problem, match="unproven"):
        ask(hub, replace(genuine, sign_pub=other.sign_pub))
    with pytest.raises(Problem, match="unproven"):
        ask(hub, replace(genuine, csr=other.csr))
    with pytest.raises(Problem, match="code"):
        ask(hub, replace(genuine, code=code[::-1].replace("0", "a")))

    assert ask(hub, genuine)["state"] == "asked"


def test_nobody_is_let_in_without_the_venues_key_or_by_another_fingerprint(
    hub: Hub, accounts: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    code = claim.make(hub, WISH, by="li")
    request = request_of(tmp_path, code)
    ask(hub, request)

    with pytest.raises(Problem, match="secret_wrong"):
        claim.approve(
            hub,
            request.fingerprint,
            secret=accounts["hubei.home_manager"]["password"],
            by="HB-01",
        )
    with pytest.raises(ConfigError, match="no room with these keys"):
        claim.approve(hub, "ab12" + request.fingerprint[4:], secret="", by="CS-01")

    assert ask(hub, request)["answer"] is None


def test_who_was_turned_away_stays_out(
    hub: Hub, accounts: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    code = claim.make(hub, WISH, by="li")
    request = request_of(tmp_path, code)
    ask(hub, request)
    who = accounts["changsha.technician"]
    _, signed_in = hub.accounts.sign_in(who["login"], who["password"], "127.0.0.1")

    claim.refuse(hub, request.fingerprint, actor=signed_in.actor)

    with pytest.raises(Problem, match="refused"):
        ask(hub, request)
    assert ("enrolment.refused", "person") in facts(hub)


@contextmanager
def started(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "evalroom", *map(str, words)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as made:
        try:
            yield made
        finally:
            made.terminate()


@pytest.mark.system
def test_two_people_enrol_a_room_over_the_wire(
    hub_data: Path, open_hub: Callable[..., Hub], tmp_path: Path, secret: str
) -> None:
    """Real processes: the hub, the room's command, and those of who makes the code."""
    replace(load(hub_data), mqtt_tls=True, port=0).write()

    def run(*more: str | Path) -> str:
        argv = [sys.executable, "-m", "evalroom", "hub", "claim", *map(str, more)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=WITHIN_S)
        return done.stdout

    code = tmp_path / "code"
    made = ("--org", "changsha", "--room", "7", "--name", "七室", "--by", "li")
    code.write_text(run("make", hub_data, *made), encoding="ascii")
    with started("hub", "serve", hub_data, "--broker", "none") as serving:
        assert serving.stdout is not None
        url = serving.stdout.readline().split()[-1]
        folder = tmp_path / "room"
        with started("edge", "enroll", folder, "--url", url, "--code-file", code) as room:
            assert room.stdout is not None
            shown = room.stdout.readline().split(":")[1].strip()
            while f'"{shown}"' not in (rows := run("list", hub_data)):
                assert '"open"' in rows, "it waits for the room's first word"
            ctl = claim.approve(open_hub(), shown, secret=secret, by="CS-01")
            assert room.wait(WITHIN_S) == 0
    assert read_credentials(folder).ctl == ctl
    assert oct((folder / "tls.key").stat().st_mode)[-3:] == "600"

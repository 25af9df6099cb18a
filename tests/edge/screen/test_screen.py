"""The room screen: what it answers, to whom, and that it keeps nothing."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
import yaml

from edge.room_rules.acts import ACTS
from edge.screen import page
from edge.screen.app import HEADERS, create_screen
from edge.screen.page import catalogue
from protocols.policy.faults import NETWORK_RUNGS, UNSTABLE, power_what
from tests.edge.screen.sample_port import (
    PACKS,
    PIN,
    SESSION,
    SamplePort,
    morning,
    power_fault,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette warns about the transport of its own test client
    from fastapi.testclient import TestClient


SCREEN = Path(__file__).resolve().parents[3] / "edge" / "screen"
HOME = "http://127.0.0.1:9301"
LOCAL = ("127.0.0.1", 50000)


@pytest.fixture
def port() -> Iterator[SamplePort]:
    made = SamplePort(morning())
    yield made
    made.ended.set()


@pytest.fixture
def client(port: SamplePort) -> Iterator[TestClient]:
    with TestClient(create_screen(port), base_url=HOME, client=LOCAL) as made:
        yield made


def act(client: TestClient, **changes: object) -> tuple[int, dict[str, object]]:
    body = {
        "act": "deposit.declare",
        "session": SESSION,
        "args": {"no": 5, "items": ["phone"]},
        "by": [{"person": "p-00000000000c", "pin": PIN}],
        **changes,
    }
    answer = client.post("/api/acts", json=body)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(("lang", "html"), [("zh", "zh-CN"), ("en", "en")])
def test_the_page_is_whole_in_both_languages(client: TestClient, lang: str, html: str) -> None:
    answer = client.get(f"/?lang={lang}")
    assert answer.status_code == 200
    assert f'<html lang="{html}"' in answer.text
    for name, value in HEADERS.items():
        assert answer.headers[name] == value


def test_the_state_is_the_rooms_own_view_without_names(client: TestClient) -> None:
    body = client.get("/api/state").json()
    assert body["next"] == {"key": "swipe_card", "args": {"no": 5}}
    assert [one["no"] for one in body["sessions"][0]["members"]] == [3, 4, 5]
    assert {one["post"] for one in body["duty"]} == {"CS-12", "CS-21"}


def test_a_silent_room_is_said_to_be_silent(client: TestClient, port: SamplePort) -> None:
    port.silent = True
    answer = client.get("/api/state")
    assert answer.status_code == 503
    assert answer.json()["code"] == "room_silent"


def test_an_act_reaches_the_room_with_its_pins(client: TestClient, port: SamplePort) -> None:
    assert act(client) == (200, port.answer)
    assert port.acts == [
        ("deposit.declare", SESSION, {"no": 5, "items": ["phone"]}, (("p-00000000000c", PIN),))
    ]


def test_help_is_called_between_sessions_too(client: TestClient, port: SamplePort) -> None:
    assert act(client, act="help", session="", args={}, by=[]) == (200, port.answer)
    assert port.acts == [("help", "", {}, ())]


def test_a_wrong_pin_says_what_to_do_and_never_the_pin(client: TestClient) -> None:
    status, body = act(client, by=[{"person": "p-00000000000c", "pin": "99999999"}])
    assert (status, body["code"], body["reason"]) == (422, "pin_or_person", "pin_wrong")
    assert "99999999" not in str(body)
    assert body["do"]


def test_a_refusal_of_the_room_carries_its_conditions(client: TestClient, port: SamplePort) -> None:
    conditions = [{"key": "order_end", "met": False, "waiting_for": "home_manager"}]
    port.answer = {"ok": False, "reason": "gate", "conditions": conditions, "recorded": []}
    status, body = act(client)
    assert (status, body["code"], body["conditions"]) == (409, "gate", conditions)


def test_an_order_reaches_the_room(client: TestClient, port: SamplePort) -> None:
    body = {
        "session": SESSION,
        "order": "end",
        "committee": "complete",
        "person": "p-00000000000c",
        "pin": PIN,
    }
    assert client.post("/api/orders", json=body).status_code == 200
    assert port.orders == [body]
    # What the room would not put into the order is refused, not left out.
    more = client.post("/api/orders", json={**body, "exceptions": ["av_recording"]})
    assert (more.status_code, more.json()["where"]) == (422, "exceptions")
    assert port.orders == [body]


def test_an_order_by_telephone_is_typed_and_shown(client: TestClient, port: SamplePort) -> None:
    who = {"session": SESSION, "person": "p-00000000000c", "pin": PIN}
    typed, wanted = {**who, "text": "04hm asw9 nf6y y093 x"}, {**who, "n": 3}

    assert client.post("/api/orders/typed", json=typed).status_code == 200
    shown = client.post("/api/orders/passed-on", json=wanted)

    assert port.typed == [typed, wanted]
    assert shown.json()["codes"][0]["code"] == "04HM-ASW9-NF6Y-Y093-X"
    assert shown.headers["cache-control"] == "no-store"
    rows = shown.json()["qr"]
    assert {len(row) for row in rows} == {len(rows)}
    assert rows[0][:8] == rows[6][:8] == "11111110"  # a corner as every QR code has it


@pytest.mark.parametrize(
    ("path", "more", "where"),
    [
        ("typed", {}, "text"),
        ("typed", {"text": ""}, "text"),
        ("typed", {"text": "x" * 4097}, "text"),
        ("typed", {"text": "x", "n": 1}, "n"),
        ("passed-on", {"n": "1"}, "n"),
        ("passed-on", {"n": True}, "n"),
        ("passed-on", {"n": 1, "pin": ""}, "pin"),
    ],
)
def test_an_order_by_telephone_that_cannot_be_read_is_refused(
    client: TestClient, path: str, more: dict[str, object], where: str
) -> None:
    body = {"session": SESSION, "person": "p-00000000000c", "pin": PIN, **more}
    answer = client.post(f"/api/orders/{path}", json=body)
    assert (answer.status_code, answer.json()["where"]) == (422, where)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"act": "help"}',
        b'{"act": "", "session": "s", "by": []}',
        b'{"act": "help", "session": "s", "by": [], "name": "x"}',
        b'{"act": "help", "session": "s", "by": [1]}',
        b'{"act": "help", "session": "s", "by": [], "args": []}',
        b'{"act": "help", "session": "s", "by": [{"person": "p", "pin": "12345678901234567"}]}',
        b'{"act": "' + b"x" * 20_000 + b'"}',
    ],
)
def test_a_body_that_cannot_be_read_is_refused_in_words(
    client: TestClient, port: SamplePort, body: bytes
) -> None:
    answer = client.post("/api/acts", content=body)
    assert answer.status_code == 422
    assert {"what", "where", "expected", "got", "do"} <= set(answer.json())
    assert port.acts == []


@pytest.mark.parametrize(
    "body",
    [b'{"session": "s"}', b'{"session":"s","order":"end","person":"p","pin":"1","members":["3"]}'],
)
def test_an_order_that_cannot_be_read_is_refused(client: TestClient, body: bytes) -> None:
    assert client.post("/api/orders", content=body).status_code == 422


@pytest.mark.parametrize(
    ("base", "address", "headers"),
    [
        (HOME, ("192.0.2.7", 4000), {}),
        ("http://room.example", LOCAL, {}),
        (HOME, LOCAL, {"origin": "https://evil.example"}),
        (HOME, ("not-an-address", 1), {}),
    ],
)
def test_nobody_but_this_machine_is_answered(
    port: SamplePort, base: str, address: tuple[str, int], headers: dict[str, str]
) -> None:
    with TestClient(create_screen(port), base_url=base, client=address) as stranger:
        assert stranger.get("/api/state", headers=headers).status_code == 403
        assert stranger.post("/api/acts", headers=headers, json={}).status_code == 403
    assert port.acts == []


def test_every_sentence_exists_in_both_languages_with_the_same_values() -> None:
    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for key, (zh, en) in catalogue().items():
        assert zh.strip() and en.strip(), key  # noqa: PT018 - one fact
        assert fields(zh) == fields(en), key
        assert key == "other_lang" or not re.search(r"[\u3400-\u9fff]", en), key


def test_a_sentence_that_is_written_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "words.json").write_text('{"f.text": ["现象", "seen"], "f.text": ["码", "code"]}')
    monkeypatch.setattr(page, "HERE", tmp_path)
    with pytest.raises(ValueError, match=r"'f\.text': expected it once"):
        page.catalogue.__wrapped__()


def test_every_act_order_step_and_sentence_has_its_words() -> None:
    have = catalogue()
    for name in ACTS:
        assert f"act.{name}" in have, name
    for path in PACKS.glob("*.yaml"):
        for key in yaml.safe_load(path.read_text("utf-8"))["contingency"]["steps"]:
            assert f"todo.{key}" in have, (path.name, key)
    sentences = (SCREEN.parents[1] / "protocols" / "policy" / "room_next.py").read_text("utf-8")
    named = set(re.findall(r'sentence\(\s*"([a-z_]+)"', sentences))
    named |= set(re.findall(r'Phase\.[A-Z_]+: "([a-z_]+)"', sentences))
    for key in named:
        assert f"do.{key}" in have, key


def test_every_refusal_of_a_signer_and_every_state_of_the_disk_has_its_words() -> None:
    have = catalogue()
    for name in ("duty.py", "screen_port.py"):
        text = (SCREEN.parent / name).read_text("utf-8")
        for reason in re.findall(r'reason="([a-z_]+)"', text):
            assert f"why.{reason}" in have, reason
    for state in ("low", "full"):
        for key in (f"storage.{state}", f"storage.{state}.means"):
            assert key in have, key


def test_every_diagnosis_has_its_words() -> None:
    for rung in NETWORK_RUNGS:
        assert f"what.network.{rung}" in catalogue(), rung
    assert f"what.power.{power_what(disagree=True)}" in catalogue()
    assert f"what.{UNSTABLE}" in catalogue()


def test_every_word_the_scripts_name_exists() -> None:
    for path in SCREEN.glob("static/*.js"):
        text = path.read_text("utf-8")
        assert not re.search(r"[\u3400-\u9fff]", text), path.name
        for key in re.findall(r'\bt\("([a-z0-9_.]+)"', text):
            assert key in catalogue(), (path.name, key)


def test_a_fault_stands_on_the_screen_with_its_checklist() -> None:
    port = SamplePort([*morning(), *power_fault()])
    with TestClient(create_screen(port), base_url=HOME, client=LOCAL) as client:
        (fault,) = [one for one in client.get("/api/state").json()["faults"] if one["open"]]
    assert fault["priority"] == "P1"
    assert fault["checklist"][0]["key"] == "people_safe"
    port.ended.set()

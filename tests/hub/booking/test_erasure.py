"""Tags go when the session is over; an erased identity cannot be opened by anybody."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import insert, select, update

from hub.__main__ import EX_OK, EX_USAGE, main
from hub.app import Hub, build
from hub.booking import erasure
from hub.booking.identity import open_identity, seal_identity
from hub.cli.restore import backup, restore
from hub.clock import iso_ms
from hub.config import load
from hub.keys.duty import unwrap_identity_key, wrap_identity_key
from hub.ports import Actor
from hub.problems import Problem
from hub.store.mirror import Mirror
from hub.store.tables_business import (
    booking,
    booking_identity,
    booking_member,
    booking_venue,
    session_plan,
)
from hub.store.tables_core import events, users
from protocols.messages.event import decode_event
from tests.hub.booking.roomscript import evaluated
from tests.hub.booking.town import Town, booked, booking_of, members_of

SALT = "5a" * 16


def rows_of(town: Town | Hub, table: Any) -> list[Any]:
    with town.store.read() as conn:
        return list(conn.execute(select(table)).all())


def admin(town: Town, org: str) -> Actor:
    return replace(town.who(f"{org}.home_manager"), roles=("administrator",))


@pytest.mark.slow
def test_tags_and_their_salt_go_with_the_closing_of_the_last_room(ready: Town) -> None:
    ready.store.mirror = Mirror(ready.data / "mirror.jsonl")
    salt = rows_of(ready, booking)[0].salt
    with ready.store.write() as conn:
        conn.execute(update(booking).values(salt=salt))
    assert salt in (ready.data / "mirror.jsonl").read_text("utf-8")
    rooms = evaluated(ready)
    rooms["hubei"].mine("session.closed", {})
    assert all(one.tag for one in rows_of(ready, booking_member))
    rooms["changsha"].mine("session.closed", {})
    assert booking_of(ready)["state"] == "closed"
    assert [one.tag for one in rows_of(ready, booking_member)] == [""] * 5
    assert rows_of(ready, booking)[0].salt == ""
    for plan in rows_of(ready, session_plan):
        assert (plan.body["tags"], plan.body["salt"], plan.active) == ("", "", False)
    text = (ready.data / "mirror.jsonl").read_text("utf-8")
    assert salt not in text
    assert len(list(ready.store.mirror.lines(0))) == len(text.splitlines())


@pytest.mark.parametrize("way", ["withdrawn", "declined", "expired"])
def test_tags_go_where_a_booking_ends_before_its_day(town: Town, way: str) -> None:
    number = booked(town)["number"]
    manager = town.who("hubei.home_manager")
    town.booking.set_members(manager, number, "hubei", members_of("hubei"))
    with town.store.write() as conn:
        if way != "withdrawn":
            conn.execute(update(booking).values(state="requested"))
            conn.execute(update(booking_venue).values(state="requested"))
    if way == "withdrawn":
        town.booking.withdraw(town.who("hubei.operator"), number, "改期")
    elif way == "declined":
        town.booking.decline(town.who("changsha.home_manager"), number, "场地占用")
    else:
        town.clock.now = town.clock.now.replace(month=12)
        town.booking.expire()
    assert booking_of(town)["state"] == way
    assert {one.tag for one in rows_of(town, booking_member)} == {""}
    assert rows_of(town, booking)[0].salt == ""


def over(town: Town) -> str:
    """A booking with the home venue's members, whose session has ended."""
    number = booked(town)["number"]
    manager = town.who("hubei.home_manager")
    answer = town.booking.set_members(manager, number, "hubei", members_of("hubei"))
    with town.store.write() as conn:
        conn.execute(update(booking).values(state="ended"))
    return str(answer["session"])


def test_an_erased_identity_cannot_be_opened_and_the_others_can(town: Town) -> None:
    session = over(town)
    who = admin(town, "hubei")
    wrapped = {one.no: one.key_wrapped for one in rows_of(town, booking_identity)}
    made = erasure.erase(town, who, session, member=1, reason="本人申请")
    assert made["members"] == [1]
    assert erasure.erase(town, who, session, member=1, reason="本人申请")["members"] == []
    found = {one.no: one for one in rows_of(town, booking_identity)}
    assert found[1].key_wrapped is None
    assert found[1].erased_at == town.clock.wall()
    assert found[1].sealed
    with pytest.raises(InvalidTag):
        unwrap_identity_key(town.keys, wrapped[2], bound_to=f"{session}/1")
    key = unwrap_identity_key(town.keys, found[2].key_wrapped, bound_to=f"{session}/2")
    assert open_identity(found[2].sealed, key, bound_to=f"{session}/2")["name"] == "赵文2"
    (fact,) = [one for one in rows_of(town, events) if one.type == erasure.FACT]
    data = decode_event(bytes(fact.raw)).data
    assert (data["members"], data["reason"], data["by"]["org"]) == ([1], "本人申请", "hubei")
    shown = {one.no: one for one in rows_of(town, booking_member)}
    assert shown[1].masked == erasure.MASK
    assert erasure.erase(town, who, session, member=None, reason="届满")["members"] == [2, 3]


@pytest.mark.parametrize(
    ("org", "role", "member", "reason", "code"),
    [
        ("hubei", "home_manager", None, "届满", "role_missing"),
        ("changsha", "administrator", 1, "届满", "no_such_identity"),
        ("hubei", "administrator", 9, "届满", "no_such_identity"),
        ("hubei", "administrator", None, " ", "erase_reason"),
        ("hubei", "administrator", None, "证件 42220119310101203X", "erase_reason"),
        ("hunan", "administrator", None, "届满", "no_such_identity"),
    ],
)
def test_who_may_not_erase_what(
    town: Town, org: str, role: str, member: int | None, reason: str, code: str
) -> None:
    session = over(town)
    who = replace(town.who("hubei.home_manager"), org=org, roles=(role,))
    with pytest.raises(Problem) as caught:
        erasure.erase(town, who, session, member=member, reason=reason)
    assert caught.value.code == code
    assert all(one.key_wrapped for one in rows_of(town, booking_identity))


def test_nothing_is_erased_that_a_venue_still_needs(town: Town) -> None:
    session = over(town)
    with town.store.write() as conn:
        conn.execute(update(booking).values(state="in_use"))
    with pytest.raises(Problem) as caught:
        erasure.erase(town, admin(town, "hubei"), session, member=None, reason="届满")
    assert caught.value.code == "identity_needed"


def seeded(hub: Hub) -> str:
    """A finished booking with one member in a real hub; its wrapped key."""
    now, session = hub.clock.wall(), "s-0123456789ab"
    bound = f"{session}/1"
    sealed, key = seal_identity("赵文", "11010519491231002X", bound_to=bound)
    wrapped = wrap_identity_key(hub.keys, key, bound_to=bound, home="hubei")
    common = {"booking": "2026-1124-01", "no": 1}
    times = dict.fromkeys(
        ("start_at", "occupied_from", "occupied_to", "requested_at", "changed_at"), now
    )
    with hub.store.write() as conn:
        conn.execute(
            insert(booking).values(
                number="2026-1124-01",
                session=session,
                kind="drill",
                project_code="X-1",
                project_kind="x",
                home_org="hubei",
                state="closed",
                duration_min=60,
                draw={},
                findings=[],
                salt=SALT,
                requested_by="p-1",
                **times,
            )
        )
        conn.execute(
            insert(booking_venue).values(
                booking="2026-1124-01",
                org="hubei",
                role="home",
                place="hubei-1",
                state="accepted",
                experts=1,
                tenderer_reps=0,
            )
        )
        conn.execute(
            insert(booking_member).values(
                **common,
                org="hubei",
                kind="expert",
                tag="",
                masked={},
                entered_by="p-1",
                entered_at=now,
            )
        )
        conn.execute(insert(booking_identity).values(**common, sealed=sealed, key_wrapped=wrapped))
    return wrapped


def test_a_restored_older_backup_loses_the_identity_again(
    hub: Hub, hub_data: Path, tmp_path: Path
) -> None:
    wrapped = seeded(hub)
    backup(hub.config, tmp_path / "backup")
    who = replace(_someone(hub), org="hubei", roles=("administrator",))
    erasure.erase(hub, who, "s-0123456789ab", member=None, reason="届满")
    secret = wrapped.split(" ")[1]
    hub.close()
    for path in (hub.config.mirror_file, hub.config.database_file):
        assert secret.encode() not in path.read_bytes(), path
    assert secret.encode() in (tmp_path / "backup" / "hub.sqlite").read_bytes()

    restore(tmp_path / "backup", hub_data)
    again = build(load(hub_data), services=False)
    (row,) = rows_of(again, booking_identity)
    assert (row.key_wrapped, row.erased_at is not None) == (None, True)
    with again.store.write() as conn:
        conn.execute(update(booking_identity).values(key_wrapped=wrapped, erased_at=None))
        assert erasure.again(conn) == 1
    (row,) = rows_of(again, booking_identity)
    assert row.key_wrapped is None
    (fact,) = [one for one in rows_of(again, events) if one.type == "hub.restored"]
    assert json.loads(fact.raw)["data"]["erased_again"] == 0
    assert iso_ms(row.erased_at)
    again.close()


def test_the_command_erases_in_the_name_of_who_signs_in(
    hub: Hub,
    hub_data: Path,
    accounts: dict[str, dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seeded(hub)
    with hub.store.write() as conn:
        conn.execute(update(users).values(roles=["administrator"]))
    secret = tmp_path / "secret"
    secret.write_text(accounts["hubei.home_manager"]["password"] + "\n", "utf-8")
    words = ["hub", "erase", str(hub_data), "s-0123456789ab", "--by", "hubei.home_manager"]
    words += ["--secret-file", str(secret), "--reason", "保存期届满"]
    assert main([*words, "--member", "7"]) == EX_USAGE
    assert "member of your venue" in capsys.readouterr().err
    assert main(words) == EX_OK
    made = json.loads(capsys.readouterr().out)
    assert (made["members"], made["session"]) == ([1], "s-0123456789ab")
    assert rows_of(hub, booking_identity)[0].key_wrapped is None


def _someone(hub: Hub) -> Actor:
    found = hub.accounts.register.actor_by_login("hubei.home_manager")
    assert found is not None
    return found

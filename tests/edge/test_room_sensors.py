"""Seats, power, network, devices, recording and doors: what readings become."""

from __future__ import annotations

import pytest

from edge.room import Clip, Record, SelfTest, Sound
from protocols.policy.faults import AGREE_S
from tests.edge.room_bench import SESSION, Bench, member, session_plan


def test_a_seat_is_unknown_until_both_sensors_are_heard() -> None:
    room = Bench()
    room.feed("tick")
    assert {one.state for one in room.state.seats.values()} == {"unknown"}
    room.feed("mat", {"station": 1, "on": False})
    assert room.state.seats[1].state == "unknown"
    room.feed("radar", {"station": 1, "target": "none"})
    room.wait(room.pack.seat.clear_s)
    assert room.state.seats[1].state == "vacant"
    room.feed("mat", {"station": 1, "on": True})
    assert room.only("seat.state") == {"station": 1, "state": "occupied"}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("mat", {"station": 99, "on": True}),
        ("mat", {"station": "1", "on": True}),
        ("mat", {"station": 1, "on": "yes"}),
        ("radar", {"station": 1, "target": "ghost"}),
    ],
)
def test_a_reading_that_means_nothing_changes_nothing(kind: str, data: dict[str, object]) -> None:
    room = Bench().begin()
    before = room.state
    room.feed(kind, data)
    assert room.state == before


def test_getting_up_is_a_fact_and_a_fault_after_a_while() -> None:
    room = Bench().evaluating()
    room.stand_up(1)
    assert room.step_of(3) == "deposited"
    assert room.journal("member.unseated") == [{"no": 3, "station": 1}]
    room.wait(room.pack.faults.station.raise_s)
    (fault,) = room.journal("fault.raised")
    assert (fault["kind"], fault["device"]) == ("station", "station-1")
    room.sit(1)
    room.wait(room.pack.faults.station.clear_s)
    assert len(room.journal("fault.cleared")) == 1


def test_a_station_fault_ends_with_the_session() -> None:
    room = Bench().evaluating()
    room.stand_up(1)
    room.wait(room.pack.faults.station.raise_s)
    room.order("terminate")
    room.wait(room.pack.faults.station.clear_s)
    assert len(room.journal("fault.cleared")) == 1
    room.staff("fault.report", kind="station")
    room.wait(60)
    assert len(room.journal("fault.cleared")) == 1


def test_a_lost_seat_sensor_makes_the_seat_unknown_and_nobody_gets_up() -> None:
    room = Bench().evaluating()
    room.feed("device", {"device": "radar-1", "state": "lost", "reason": "silent"})
    room.feed("device", {"device": "mat-1", "state": "lost", "reason": "silent"})
    assert room.state.seats[1].state == "unknown"
    assert room.step_of(3) == "seated"
    room.feed("device", {"device": "radar2", "state": "lost"})
    assert room.state.seats[2].state == "occupied"
    room.feed("device", {"device": "gpio", "state": "lost", "reason": "silent"})
    assert {one.state for one in room.state.seats.values()} == {"unknown"}
    assert room.state.power.contact == "unknown"


def test_contact_and_ups_disagreeing_is_a_fault_of_its_own_name() -> None:
    room = Bench().begin()
    room.feed("ups", {"utility_fail": True, "battery_low": False, "charge_pct": 90})
    assert room.only("power.state")["disagree"] is True
    room.wait(AGREE_S - 1)
    assert room.journal("fault.raised") == []
    room.wait(1)
    (fault,) = room.journal("fault.raised")
    assert (fault["kind"], fault["what"]) == ("power", "disagree")


@pytest.mark.parametrize(("contact", "ups"), [(True, True), (False, False)])
def test_that_one_of_the_two_falls_silent_settles_no_contradiction(
    *, contact: bool, ups: bool
) -> None:
    """The one that says the mains are there is left; whether it is right nobody knows."""
    room = Bench().begin()
    room.feed("mains", {"present": contact})
    room.feed("ups", {"utility_fail": ups, "battery_low": False, "charge_pct": 90})
    room.wait(AGREE_S)
    assert room.journal("fault.raised")[-1]["kind"] == "power"
    silent = "ups" if contact else "gpio"
    room.feed("device", {"device": silent, "state": "lost", "reason": "silent"})
    room.wait(10 * room.pack.faults.power.clear_s)
    kept = [row for row in room.state.faults.values() if row.kind == "power" and row.is_open]
    assert len(kept) == 1
    room.feed("ups", {"utility_fail": False, "battery_low": False, "charge_pct": 90})
    room.feed("mains", {"present": True})
    room.wait(room.pack.faults.power.clear_s)
    assert not [row for row in room.state.faults.values() if row.kind == "power" and row.is_open]


def test_the_one_that_is_left_ends_a_contradiction_by_changing_its_word() -> None:
    room = Bench().begin()
    room.feed("ups", {"utility_fail": False, "battery_low": False, "charge_pct": 90})
    room.feed("mains", {"present": False})
    room.feed("device", {"device": "ups", "state": "lost", "reason": "silent"})
    room.wait(AGREE_S)
    assert room.state.power.mains == "off"
    room.feed("mains", {"present": True})
    assert (room.state.power.mains, room.state.power.disagree) == ("on", False)


def test_a_ups_that_calls_itself_failed_is_a_fault_of_that_device() -> None:
    room = Bench().begin()
    said = {"device": "ups", "utility_fail": False, "battery_low": False, "charge_pct": 90}
    room.feed("ups", {**said, "ups_failed": False})
    for _ in range(3):
        room.feed("ups", {**said, "ups_failed": True})
    assert [row["reason"] for row in room.journal("device.lost")] == ["ups_failed"]
    assert room.state.power.ups == "online"
    room.wait(room.pack.faults.device.raise_s)
    (fault,) = room.journal("fault.raised")
    assert (fault["kind"], fault["device"], fault["what"]) == ("device", "ups", "ups_failed")
    room.feed("ups", {**said, "ups_failed": False})
    assert room.only("device.back")["down_ms"] == 1000 * room.pack.faults.device.raise_s
    room.wait(room.pack.faults.device.clear_s)
    assert len(room.journal("fault.cleared")) == 1


def test_contact_and_ups_need_not_change_in_the_same_second() -> None:
    room = Bench().begin()
    room.feed("mains", {"present": False})
    room.wait(3)
    room.feed("ups", {"utility_fail": True, "battery_low": False, "charge_pct": 99})
    assert room.only("fault.raised")["what"] == "mains_lost"
    room.feed("mains", {"present": True})
    room.wait(3)
    room.feed("ups", {"utility_fail": False, "battery_low": False, "charge_pct": 99})
    room.wait(room.pack.faults.power.clear_s)
    assert len(room.journal("fault.cleared")) == 1


def test_a_session_that_was_never_opened_is_not_missed_on_the_recording() -> None:
    room = Bench().begin()
    room.order("postpone")
    room.feed("recording", {"stream": "desk", "state": "off"})
    room.wait(30)
    assert room.journal("fault.raised") == []
    room.feed("started", {})
    assert room.effects == ()


def test_a_discharging_ups_is_told_in_steps() -> None:
    room = Bench().begin()
    for charge in range(100, 9, -1):
        room.feed("ups", {"utility_fail": True, "battery_low": charge < 12, "charge_pct": charge})
    told = [row["charge_pct"] for row in room.journal("power.state")]
    assert len(told) < 16
    assert 30 in told
    assert room.state.power.ups == "low"
    room.feed("ups", {"utility_fail": True, "battery_low": True, "charge_pct": None})
    assert room.state.power.charge_pct is None
    room.feed("device", {"device": "ups", "state": "lost", "reason": "silent"})
    assert room.state.power.ups == "unknown"
    room.feed("mains", {"present": None})
    assert room.state.power.mains == "unknown"


def test_a_device_is_lost_once_and_back_once() -> None:
    room = Bench().begin()
    room.feed("device", {"device": "id_reader", "state": "back", "reason": ""})
    assert room.only("device.back")["down_ms"] == 0
    room.feed("device", {"device": "id_reader", "state": "back", "reason": ""})
    assert room.last == ()
    room.feed("device", {"device": "id_reader", "state": "lost", "reason": "silent"})
    room.feed("device", {"device": "id_reader", "state": "lost", "reason": "silent"})
    assert room.last == ()
    room.wait(5)
    assert room.journal("fault.raised")[-1]["what"] == "silent"
    room.feed("device", {"device": "id_reader", "state": "back", "reason": ""})
    assert room.only("device.back")["down_ms"] == 5000
    room.feed("device", {"device": "lamp-7", "state": "back"})
    assert room.only("device.back")["kind"] == "lamp"


def test_flapping_becomes_one_unstable_fault() -> None:
    room = Bench().begin()
    for _ in range(room.pack.faults.unstable.count):
        room.feed("network", {"rung": "echo"})
        room.wait(room.pack.faults.network.raise_s)
        room.feed("network", {"rung": "ok"})
        room.wait(room.pack.faults.network.clear_s)
    raised = room.journal("fault.raised")
    assert raised[-1]["what"] == "unstable"
    assert len(room.journal("fault.cleared")) == len(raised) - 1
    room.wait(room.pack.faults.unstable.window_s)
    assert len(room.journal("fault.cleared")) == len(raised)


def test_a_link_that_breaks_off_for_less_than_its_time_is_one_unstable_fault() -> None:
    room = Bench().begin()
    room.feed("network", {"rung": "ok"})
    limits = room.pack.faults
    for n in range(2 * limits.unstable.count):
        assert len(room.journal("fault.raised")) == int(n >= limits.unstable.count)
        room.feed("network", {"rung": "tcp"})
        room.wait(limits.network.raise_s - 1)
        room.feed("network", {"rung": "ok"})
        room.wait(1)
    (raised,) = room.journal("fault.raised")
    assert (raised["kind"], raised["what"]) == ("network", "unstable")
    room.wait(limits.unstable.window_s)
    assert len(room.journal("fault.cleared")) == 1


def test_the_recording_is_watched_while_a_session_is_open() -> None:
    room = Bench().evaluating()
    room.feed("recording", {"stream": "desk", "state": "fault"})
    room.feed("recording", {"stream": "desk", "state": "fault"})
    assert room.last == ()
    room.feed("recording", {"stream": "desk", "state": "dreaming"})
    assert room.last == ()
    room.wait(room.pack.faults.av.raise_s)
    (fault,) = room.journal("fault.raised")
    assert (fault["kind"], fault["device"]) == ("av", "desk")
    assert room.state.sessions[SESSION].fault_kinds == ("av",)


def test_a_fault_is_heard_and_clipped() -> None:
    room = Bench().evaluating()
    room.feed("system_probe", {"ok": False})
    room.feed("system_probe", {"ok": False})
    assert room.last == ()
    room.wait(room.pack.faults.system.raise_s - 1)
    room.now_ms += 1000
    room.feed("tick")
    assert room.only("fault.raised")["kind"] == "system"
    assert Clip("system-1", SESSION, 10, 20) in room.effects
    assert Sound("alarm") in room.effects


def test_segments_and_gaps_go_straight_to_the_record() -> None:
    room = Bench().evaluating()
    room.feed("segment", {"stream": "room", "last_at": "b", "sha256": "c", "bytes": 1})
    assert room.state.streams["room"].segments == 1
    room.feed("segment", {"bytes": 1})
    assert room.types() == ["media.segment"]
    room.feed("segment_damaged", {"stream": "room"})
    room.feed("segment_lost", {"stream": "room", "seconds": 3})
    assert room.types() == ["media.lost"]
    room.feed("mains", {"present": False})
    room.wait(AGREE_S)
    room.feed("av_gap", {"stream": "room", "from_at": "a", "to_at": "b", "seconds": 3})
    assert room.only("media.gap")["cause"] == "power-1"
    room.feed("av_gap", {"stream": "room", "from_at": "a", "to_at": "b", "cause": "restart"})
    assert room.only("media.gap")["cause"] == "restart"


def test_a_self_test_names_what_failed() -> None:
    room = Bench().begin()
    room.feed("selftest", {"results": [{"device": "ups", "ok": False, "detail": "silent"}, 7]})
    assert room.only("selftest.done")["ok"] is False
    assert room.state.selftest is not None
    assert room.state.selftest.failed == ("ups",)
    room.feed("selftest", {})
    assert room.only("selftest.done") == {"ok": False, "results": []}


def test_a_restart_goes_on_recording() -> None:
    room = Bench().evaluating()
    room.state = room.refold()
    room.feed("started", {})
    assert Record(on=True, session=SESSION) in room.effects


def test_a_lock_that_does_not_move_has_failed() -> None:
    room = Bench().ended()
    room.card(3)
    room.feed("pulse", {"lock": 1, "outcome": "opened"})
    assert room.last == ()
    room.feed("pulse", {"lock": "1", "outcome": "still_closed"})
    assert room.last == ()
    room.feed("pulse", {"lock": 1, "outcome": "still_closed"})
    assert room.only("locker.open_failed")["outcome"] == "still_closed"
    room.feed("pulse", {"lock": 1, "outcome": "still_closed"})
    assert room.last == ()
    room.card(3)
    room.wait(8)
    assert room.journal("locker.open_failed")[-1]["outcome"] == "timeout"
    room.card(3)
    room.door(1, "open", "present")
    room.feed("pulse", {"lock": 1, "outcome": "no_answer"})
    assert room.last == ()


@pytest.mark.parametrize(("door", "word"), [("open", "opened"), ("closed", "open_failed")])
def test_a_board_silent_after_the_pulse_decides_once_it_speaks(door: str, word: str) -> None:
    room = Bench().ended()
    room.card(3)
    intent = room.only("locker.opening")["intent"]
    room.door(1, "unknown", "unknown")
    room.feed("device", {"device": "locker", "state": "lost", "reason": "no_answer"})
    room.feed("pulse", {"lock": 1, "outcome": "unknown"})
    room.wait(30)
    room.door(1, door, "present")
    room.wait(1)
    told = [
        (draft.type, draft.data["intent"])
        for draft, *_ in room.rows
        if draft.type in ("locker.opened", "locker.open_failed")
    ]
    assert told[-1] == (f"locker.{word}", intent)
    assert [one for _, one in told].count(intent) == 1
    assert room.journal("locker.unexplained") == [], "the pulse opened it, nobody forced it"


def test_a_door_that_opened_while_the_controller_was_away_was_opened_by_its_pulse() -> None:
    room = Bench().ended()
    room.card(3)
    room.state = room.refold()
    room.now_ms += 30_000
    room.feed("started", {})
    room.wait(2)
    room.door(1, "open", "present")
    assert "locker.opened" in room.types()
    assert room.journal("locker.open_failed") == room.journal("locker.unexplained") == []


def test_a_board_may_say_less_than_expected() -> None:
    room = Bench().begin()
    room.feed("lockers", {"states": {"1": [], "2": ["ajar"], "3": "open", "99": ["open"]}})
    assert room.state.lockers[2].door == "unknown"
    room.feed("lockers", {"states": None})
    assert room.last == ()


def test_a_door_found_open_at_the_start_is_no_alarm_unless_something_is_behind_it() -> None:
    room = Bench().begin()
    room.feed("device", {"device": "locker", "state": "lost", "reason": "silent"})
    room.door(4, "open", "absent")
    assert "locker.unexplained" not in room.types()
    room = Bench().evaluating()
    room.door(4, "open", "absent")
    assert room.only("locker.unexplained") == {
        "locker": 4,
        "door": "open",
        "member": None,
        "session": "",
    }
    room.feed("device", {"device": "locker", "state": "lost", "reason": "silent"})
    room.door(1, "open", "absent")
    assert room.only("locker.unexplained")["member"] == 3


def test_a_locker_that_is_only_assigned_names_its_member_too() -> None:
    room = Bench().begin()
    room.order("open")
    room.door(2, "open", "absent")
    assert room.only("locker.unexplained")["member"] == 4


def test_a_start_without_a_readable_moment_makes_nobody_late() -> None:
    room = Bench()
    room.plan(session_plan(start_at="soon"))
    room.order("open")
    room.wait(3)
    assert room.journal("member.late") == []


def test_a_member_whose_station_is_not_in_this_room_sits_nowhere() -> None:
    room = Bench()
    room.plan(session_plan(members=[member(3, station=77)]))
    room.healthy()
    room.order("open")
    room.admit(3, seated=False)
    room.order("start", exceptions=["members_seated"])
    room.wait(30)
    assert room.step_of(3) == "deposited"
    assert room.journal("fault.raised") == []


def test_a_diagnosis_that_stays_is_told_once() -> None:
    room = Bench().begin()
    room.feed("network", {"rung": "ok"})
    assert room.last == ()


def test_a_device_is_there_when_it_tells_something() -> None:
    room = Bench().begin()
    assert room.state.devices["ups"].state == "unknown"
    room.feed("ups", {"device": "ups", "utility_fail": False, "battery_low": False})
    assert room.only("device.back") == {"device": "ups", "kind": "ups", "down_ms": 0}
    room.feed("ups", {"device": "ups", "utility_fail": False, "battery_low": False})
    assert room.last == ()
    room.feed("pulse", {"device": "locker", "lock": 1, "outcome": "no_answer"})
    room.feed("lockers", {"device": "locker", "states": {"1": ["unknown", "unknown"]}})
    room.feed("lockers", {"device": "locker", "states": None})
    assert room.state.devices["locker"].state == "unknown"
    room.feed("lockers", {"device": "locker", "states": {"1": ["closed", "absent"]}})
    assert room.state.devices["locker"].state == "ok"
    room.feed("selftest", {"results": [{"device": "id_reader", "ok": True}, {"device": "disk"}]})
    assert room.types() == ["selftest.done", "device.back"]


def test_what_was_lost_before_a_restart_is_found_by_its_first_word() -> None:
    room = Bench().begin()
    room.feed("device", {"device": "ups", "state": "lost", "reason": "silent"})
    room.wait(5)
    assert len(room.journal("fault.raised")) == 1
    room.state = room.refold()
    room.feed("started", {})
    room.wait(5)
    assert room.journal("fault.cleared") == []
    room.feed("ups", {"device": "ups", "utility_fail": False, "battery_low": False})
    assert room.only("device.back")["down_ms"] == 10_000
    room.wait(room.pack.faults.device.clear_s)
    assert len(room.journal("fault.cleared")) == 1


def test_a_low_disk_and_a_wrong_clock_are_faults_of_the_recording_session_or_not() -> None:
    room = Bench().begin()
    wait_s = room.pack.faults.av.raise_s
    room.feed("device", {"device": "disk", "state": "lost", "reason": "disk_low"})
    room.feed("clock_offset", {"offset_ms": 5_000, "bound_ms": 1_000})
    room.wait(wait_s)
    found = [(one["kind"], one["device"], one["what"]) for one in room.journal("fault.raised")]
    assert found == [("av", "disk", "disk_low"), ("av", "clock", "clock_off")]
    room.feed("device", {"device": "disk", "state": "back", "reason": ""})
    room.feed("clock_offset", {"offset_ms": 200, "bound_ms": 1_000})
    room.wait(room.pack.faults.av.clear_s)
    assert len(room.journal("fault.cleared")) == 2


def test_a_start_asks_devices_that_were_lost_whether_they_are_back() -> None:
    room = Bench().begin()
    room.feed("started", {"software": "0.1.0", "config_hash": "cd"})
    assert SelfTest() not in room.effects
    room.feed("device", {"device": "id_reader", "state": "lost", "reason": "silent"})
    room.wait(room.pack.faults.device.raise_s)
    room.feed("started", {"software": "0.1.0", "config_hash": "cd"})
    assert SelfTest() in room.effects
    room.feed("selftest", {"results": [{"device": "id_reader", "ok": True, "detail": ""}]})
    room.wait(room.pack.faults.device.clear_s)
    assert room.last[-1].type == "fault.cleared"

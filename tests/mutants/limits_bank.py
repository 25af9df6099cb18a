"""Faults of what shuts media tools in, and of what bounds a room that sends too much."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_BOX: Final = "tests/edge/media/test_sandbox.py"
_RECORDING: Final = "tests/hub/recording"
_PROGRAM: Final = "edge/media/box.py"

LIMITS: Final = (
    Planted(
        "what reads a file may open sockets",
        _PROGRAM,
        '        if "calls" in told:\n',
        '        if "calls" in told and "net" in told:\n',
        (f"{_BOX}::test_what_reads_a_file_opens_no_socket_and_a_recorder_only_to_the_network",),
        program=True,
    ),
    Planted(
        "a reader may reach the network",
        _PROGRAM,
        'INTERNET if "net" in told else ()',
        "INTERNET",
        (f"{_BOX}::test_what_reads_a_file_opens_no_socket_and_a_recorder_only_to_the_network",),
        program=True,
    ),
    Planted(
        "a reader may read every file",
        _PROGRAM,
        '        if "files" in told:\n',
        '        if "files" in told and "net" in told:\n',
        (f"{_BOX}::test_it_reads_and_writes_what_is_its_own_and_nothing_else",),
        program=True,
    ),
    Planted(
        "a tool may write everywhere",
        _PROGRAM,
        "    return rules + [(value, WRITE) for",
        '    return rules + [("/", WRITE) for',
        (f"{_BOX}::test_it_reads_and_writes_what_is_its_own_and_nothing_else",),
        program=True,
    ),
    Planted(
        "a tool's memory has no end",
        "edge/media/sandbox.py",
        '    told += [f"data={DATA_BYTES_MAX}", f"fsize={inside.file_bytes}"]\n',
        "    told += []\n",
        (f"{_BOX}::test_it_is_ended_at_its_limits",),
    ),
    Planted(
        "a tool sees the room's environment",
        _PROGRAM,
        'program, {"LC_ALL": "C.UTF-8"})',
        "program, dict(os.environ))",
        (f"{_BOX}::test_who_breaks_the_tool_has_no_way_to_the_room",),
        program=True,
    ),
    Planted(
        "no call is forbidden to a tool",
        _PROGRAM,
        "    for call in (*EVERYWHERE, *others):\n",
        "    for call in ():\n",
        (f"{_BOX}::test_who_breaks_the_tool_has_no_way_to_the_room",),
        program=True,
    ),
    Planted(
        "without a box it records all the same",
        "edge/media/recorder.py",
        "        return not (self._boxed and sandbox.missing())\n",
        "        return True\n",
        (f"{_BOX}::test_without_a_box_it_is_said_and_where_it_is_a_must_nothing_is_started",),
    ),
    Planted(
        "nobody hears that there is no box",
        "edge/media/recorder.py",
        '        note = NO_BOX if sandbox.missing() else ""\n',
        '        note = ""\n',
        (f"{_BOX}::test_without_a_box_it_is_said_and_where_it_is_a_must_nothing_is_started",),
    ),
    Planted(
        "notices of one room go first for ever",
        "hub/recording/waiting.py",
        "        return mine < NOTICES_ROOM and ",
        "        return mine >= 0 and ",
        (
            f"{_RECORDING}/test_waiting.py::test_a_room_that_floods_with_notices_leaves_the_turns_to_the_others",
        ),
    ),
    Planted(
        "the quarantine is summed with each message",
        "hub/recording/quarantine.py",
        "        if ctl not in self._used:\n",
        "        if ctl:\n",
        (
            f"{_RECORDING}/test_quarantine.py::test_what_is_kept_is_counted_once_and_not_with_every_message",
        ),
    ),
    Planted(
        "small rubbish costs nothing",
        "hub/recording/quarantine.py",
        "len(raw) + ROW_BYTES\n",
        "len(raw)\n",
        (f"{_RECORDING}/test_quarantine.py::test_the_smallest_rubbish_is_bounded_as_the_largest",),
    ),
    Planted(
        "a flood is patiently refused",
        "hub/recording/floods.py",
        "            if count > REFUSED_MAX:\n",
        "            if count > 10 * REFUSED_MAX:\n",
        (
            f"{_RECORDING}/test_floods.py::test_who_is_refused_too_much_in_a_second_is_shut_out_for_a_minute",
        ),
    ),
    Planted(
        "who floods keeps his topics",
        "hub/cli/serving.py",
        "[one for one in users if one.name not in self._shut]",
        "users",
        (
            f"{_RECORDING}/test_over_brokers.py::test_a_room_that_floods_is_heard_no_more_for_a_while",
        ),
    ),
    Planted(
        "a room has as many branches as it likes",
        "hub/recording/lineage.py",
        "        if max(beside, empty, streams.count_unrelated(conn, ctl)) < UNRELATED_MAX:\n",
        "        if ctl:\n",
        (
            f"{_RECORDING}/test_lineage.py::test_of_epochs_that_go_on_from_nothing_a_room_has_a_bounded_number",
            f"{_RECORDING}/test_lineage.py::test_of_epochs_that_wait_for_the_same_unknown_one_a_room_has_a_bounded_number",
        ),
    ),
    Planted(
        "an epoch whose first row is missing passes the bound",
        "hub/recording/lineage.py",
        "        if opened is None:\n            return False\n",
        "        if opened is None:\n            return True\n",
        (
            f"{_RECORDING}/test_lineage.py::test_of_epochs_that_go_on_from_nothing_a_room_has_a_bounded_number",
        ),
    ),
    Planted(
        "all epochs are looked at with each batch",
        "hub/recording/lineage.py",
        "        return owed < LOOKS_A_BATCH\n",
        "        return owed >= 0\n",
        (
            f"{_RECORDING}/test_lineage.py::test_a_room_of_very_many_epochs_is_not_looked_at_with_each_batch",
        ),
    ),
    Planted(
        "a room may have recorded what it likes in a day",
        "hub/recording/shares.py",
        "        if share.bytes + cost > DAY_BYTES_MAX:\n            return False\n",
        "",
        (
            f"{_RECORDING}/test_shares.py::test_a_day_has_an_end_for_each_room_and_begins_anew",
            f"{_RECORDING}/test_shares.py::test_what_is_beyond_the_share_of_a_day_is_not_acknowledged_and_recorded_the_next",
        ),
    ),
    Planted(
        "the day of a room's share never ends",
        "hub/recording/shares.py",
        "        if not share.since <= now < share.since + DAY:",
        "        if now < share.since:",
        (
            f"{_RECORDING}/test_shares.py::test_what_is_beyond_the_share_of_a_day_is_not_acknowledged_and_recorded_the_next",
        ),
    ),
    Planted(
        "each fork of a row is kept for ever",
        "hub/recording/recorder.py",
        "        if conn.execute(of_ctl).scalar_one() >= FORKS_MAX:\n",
        "        if conn.execute(of_ctl).scalar_one() < 0:\n",
        (
            f"{_RECORDING}/test_shares.py::test_of_forks_a_bounded_number_is_kept_beside_and_told_each",
        ),
    ),
    Planted(
        "epochs without rows have no end",
        "hub/recording/lineage.py",
        "        empty = streams.count_empty(conn, ctl) if opened is None else 0\n",
        "        empty = 0\n",
        (f"{_RECORDING}/test_shares.py::test_of_epochs_without_a_row_a_bounded_number_is_known",),
    ),
)

"""The small parts at the rim: the queue, the card matcher, the network ladder, the steady clock."""

from __future__ import annotations

import itertools
import socket
import threading
from pathlib import Path

import pytest

from edge.identify import Identifier, SessionTags
from edge.inbox import Inbox, Observed
from edge.network import ECHO_MS_MAX, Probe, Steadied, diagnose, local_rungs, look


def test_the_matcher_finds_the_member_in_every_open_session() -> None:
    """And nothing after the session is wiped."""
    identifier = Identifier(lambda number, salt: f"{number}/{salt}")
    identifier.learn("s-1", SessionTags("aa", {1: "n1/aa", 2: "n2/aa"}))
    identifier.learn("s-2", SessionTags("bb", {7: "n1/bb"}))
    assert identifier.match("n1") == [{"session": "s-1", "no": 1}, {"session": "s-2", "no": 7}]
    assert identifier.match("n9") == []
    identifier.wipe("s-1")
    assert identifier.match("n1") == [{"session": "s-2", "no": 7}]


def test_a_question_is_answered_by_the_thread_that_owns_the_state() -> None:
    """What the work raises is raised where it was asked."""
    inbox = Inbox()

    def serve() -> None:
        for _ in range(2):
            item = inbox.get(5.0)
            assert item is not None
            assert not isinstance(item, Observed)
            try:
                item.answer.set_result(item.work())  # type: ignore[union-attr]
            except ValueError as error:
                item.answer.set_exception(error)  # type: ignore[union-attr]

    server = threading.Thread(target=serve)
    server.start()
    assert inbox.ask(lambda: 6 * 7, 5.0) == 42
    with pytest.raises(ValueError, match="no"):
        inbox.ask(lambda: int("no"), 5.0)
    server.join()


def test_a_question_to_a_loop_that_hangs_ends_in_time() -> None:
    """The screen says so instead of hanging with it."""
    with pytest.raises(TimeoutError):
        Inbox().ask(lambda: 1, 0.01)


def test_a_closed_inbox_lets_its_writers_go() -> None:
    """A driver thread does not hang on a loop that has ended."""
    inbox = Inbox()
    inbox.close()
    inbox.put(Observed("mat", {}))
    assert inbox.waiting() == 0


def test_the_lowest_failing_rung_is_the_diagnosis() -> None:
    """Every combination: no rung above a failing one is ever named."""
    ladder = ("carrier", "route", "gateway", "dns", "tcp")
    for seen in itertools.product((True, False, None), repeat=5):
        for mqtt, age in itertools.product((True, False), (None, 0, ECHO_MS_MAX, ECHO_MS_MAX + 1)):
            failing = [name for name, ok in zip(ladder, seen, strict=True) if ok is False]
            rung = diagnose(Probe(*seen, mqtt=mqtt, echo_age_ms=age))
            if failing:
                assert rung == failing[0]
            elif not mqtt:
                assert rung == "mqtt"
            else:
                assert rung == ("ok" if age in (0, ECHO_MS_MAX) else "echo")


def looked(*, tcp: bool = True, mqtt: bool = True) -> Probe:
    return Probe(*[True] * 4, tcp=tcp, mqtt=mqtt, echo_age_ms=0)


def test_a_lone_look_that_fails_is_not_told_and_a_second_is() -> None:
    steadied = Steadied()
    assert steadied.take(looked())
    for _ in range(9):
        assert not steadied.take(looked(tcp=False))
        assert not steadied.take(looked())
    assert not steadied.take(looked(tcp=False))
    assert steadied.take(looked(tcp=False))
    assert steadied.told == "tcp"
    assert steadied.take(looked())
    assert steadied.told == "ok"


def test_a_connection_that_is_gone_is_told_at_once() -> None:
    for probe, rung in ((looked(mqtt=False), "mqtt"), (looked(tcp=False, mqtt=False), "tcp")):
        steadied = Steadied("ok")
        assert steadied.take(probe)
        assert steadied.told == rung
    first = Steadied()
    assert first.take(looked(tcp=False))
    assert first.told == "tcp"


def test_who_can_connect_has_every_rung_below() -> None:
    """A network without a default route, or a modem without an `up`, is not a fault."""
    with socket.create_server(("127.0.0.1", 0)) as broker:
        port = broker.getsockname()[1]
        assert look("127.0.0.1", port) == (True, True, True, True, True)
    assert look("127.0.0.1", port) == (None, None, None, True, False)


ROUTE = "Iface Destination Gateway Flags\neth0 {to} {via} 0003\n"
ARP = "IP address HW type Flags HW address Mask Device\n192.168.1.1 0x1 {flags} 00:00 * eth0\n"


@pytest.mark.parametrize(
    ("state", "to", "via", "flags", "rungs"),
    [
        ("up", "00000000", "0101A8C0", "0x2", (True, True, True)),
        ("unknown", "00000000", "00000000", "0x0", (True, True, None)),
        ("down", "00000000", "0101A8C0", "0x0", (False, True, False)),
        ("up", "0001A8C0", "00000000", "0x2", (True, False, None)),
        ("up", "00000000", "0201A8C0", "0x0", (True, True, None)),
        ("up", "00000000", "rubbish", "0x2", (None, None, None)),
    ],
)
def test_the_machines_own_tables_tell_carrier_route_and_gateway(
    tmp_path: Path,
    state: str,
    to: str,
    via: str,
    flags: str,
    rungs: tuple[bool | None, ...],
) -> None:
    """As the kernel writes them; what cannot be read is not judged."""
    for name, word in (("eth0", state), ("lo", "unknown")):
        (tmp_path / "net" / name).mkdir(parents=True)
        (tmp_path / "net" / name / "operstate").write_text(word + "\n", encoding="ascii")
    (tmp_path / "route").write_text(ROUTE.format(to=to, via=via), encoding="ascii")
    (tmp_path / "arp").write_text(ARP.format(flags=flags), encoding="ascii")
    assert local_rungs(tmp_path / "route", tmp_path / "net", tmp_path / "arp") == rungs

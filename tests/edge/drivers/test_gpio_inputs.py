"""Contacts: debouncing by an injected clock, pins moved through the control socket."""

import json
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.devices import DeviceError, Reading
from edge.drivers.contact import Debounce
from edge.drivers.gpio_inputs import GpioInputs
from edge.drivers.gpio_pins import HeaderPins

MAINS, MAT = 17, 5


def inputs(tmp_path: Path, readings: Any, mono: Any, **options: Any) -> GpioInputs:
    return GpioInputs(
        device="contacts", sink=readings, mono=mono, mains_pin=MAINS, mat_pins={2: MAT},
        backend="mock", control=tmp_path / "pins.sock", **options,
    )  # fmt: skip


def move(tmp_path: Path, *lines: str) -> list[dict[str, Any]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(str(tmp_path / "pins.sock"))
        answers = connection.makefile("rb")
        told = []
        for line in lines:
            connection.sendall(line.encode() + b"\n")
            told.append(json.loads(answers.readline()))
        answers.close()
        return told


def test_a_contact_is_what_it_has_been_for_long_enough() -> None:
    contact = Debounce(on_ms=5_000, off_ms=200)

    assert not contact.poll(raw=True, mono_ms=0)
    assert contact.poll(raw=True, mono_ms=25)
    assert contact.state is True
    assert not contact.poll(raw=False, mono_ms=1_000)
    assert not contact.poll(raw=True, mono_ms=1_150)
    assert not contact.poll(raw=False, mono_ms=1_175)
    assert not contact.poll(raw=False, mono_ms=1_374)
    assert contact.poll(raw=False, mono_ms=1_375)
    assert contact.state is False
    assert not contact.poll(raw=True, mono_ms=2_000)
    assert not contact.poll(raw=True, mono_ms=6_999)
    assert contact.poll(raw=True, mono_ms=7_000)
    assert not contact.poll(raw=True, mono_ms=20_000)
    contact.forget()
    assert contact.state is None
    assert not contact.poll(raw=True, mono_ms=20_025)
    assert contact.poll(raw=True, mono_ms=20_050)


def test_contacts_that_are_reset_are_heard_again(tmp_path: Path, readings: Any, mono: Any) -> None:
    """What `device.reset` does; contacts that were dead after it would stay as they were."""
    with inputs(tmp_path, readings, mono, mains_lost_ms=1) as contacts:
        readings.wait("mains", lambda data: data == {"present": True})
        contacts.close()
        contacts.start()
        move(tmp_path, f'{{"pin":{MAINS},"level":1}}')
        readings.wait("mains", lambda data: data == {"present": False})
        assert contacts.selftest()["ok"]


def test_contacts_that_cannot_be_opened_again_are_lost(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    contacts = inputs(tmp_path, readings, mono)
    contacts.close()
    levels = tmp_path / "pins.sock.levels.json"
    levels.write_text("rubbish", encoding="utf-8")
    with pytest.raises(DeviceError, match="levels"):
        contacts.start()
    assert readings.of("device") == [{"state": "lost", "reason": "pins"}]
    levels.unlink()
    with contacts:
        assert readings.wait("device", lambda data: data["state"] == "back")


@pytest.mark.slow
def test_the_mains_contact_and_a_mat_are_told_when_they_change(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    with inputs(tmp_path, readings, mono) as contacts:
        assert readings.wait("mains") == {"present": True}
        assert readings.wait("mat") == {"station": 2, "on": False}
        ok = {"ok": True}
        assert move(tmp_path, '{"pin":17,"level":1}', '{"pin":5,"level":0}') == [ok, ok]
        assert readings.wait("mains") == {"present": False}
        assert readings.wait("mat") == {"station": 2, "on": True}
        move(tmp_path, '{"pin":17,"level":0}', '{"pin":5,"level":1}')
        assert readings.wait("mat") == {"station": 2, "on": False}
        mono.ahead_ms += 5_000
        assert readings.wait("mains") == {"present": True}
        assert contacts.selftest()["ok"] is True
        assert "pins 17, 5, open" in repr(contacts)
    contacts.close()
    assert "closed" in repr(contacts)


def test_a_flicker_of_the_mains_is_no_loss(tmp_path: Path, readings: Any, mono: Any) -> None:
    with inputs(tmp_path, readings, mono, mains_lost_ms=60_000):
        readings.wait("mains")
        move(tmp_path, '{"pin":17,"level":1}', '{"pin":17,"level":0}')
        move(tmp_path, '{"pin":5,"level":0}')
        readings.wait("mat", lambda data: bool(data["on"]))
        assert readings.of("mains") == [{"present": True}]


def test_a_controller_that_was_killed_finds_the_wires_as_they_were(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    with inputs(tmp_path, readings, mono):
        readings.wait("mains")
        move(tmp_path, '{"pin":17,"level":1}', '{"pin":5,"level":0}')
    with inputs(tmp_path, readings, mono):
        assert move(tmp_path, '{"do":"state"}') == [{"ok": True, "levels": {"17": 1, "5": 0}}]
        readings.wait("mains", lambda data: data["present"] is False)
        readings.wait("mat", lambda data: data["on"] is True)


@pytest.mark.parametrize(
    "line",
    [
        "pin 17", "[]", "{}", '{"pin":17}', '{"pin":28,"level":0}', '{"pin":-1,"level":0}',
        '{"pin":17,"level":2}', '{"pin":17,"level":true}', '{"pin":"17","level":0}',
        '{"pin":17,"level":0,"x":1}',
    ],
)  # fmt: skip
def test_a_line_that_says_nothing_is_refused_with_what_was_expected(
    tmp_path: Path, readings: Any, mono: Any, line: str
) -> None:
    with inputs(tmp_path, readings, mono):
        [answer, after] = move(tmp_path, line, '{"pin":17,"level":0}')

    assert answer["ok"] is False
    assert answer["error"]["got"] == line
    assert "level" in answer["error"]["expected"]
    assert after == {"ok": True}


def test_a_client_without_an_end_of_line_is_cut_off(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    with (
        inputs(tmp_path, readings, mono),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        connection.settimeout(5)
        connection.connect(str(tmp_path / "pins.sock"))
        connection.sendall(b"x" * 1500)
        assert connection.recv(100) == b""
        assert move(tmp_path, '{"pin":17,"level":0}') == [{"ok": True}]


def test_construction_that_fails_closes_itself(tmp_path: Path, readings: Any, mono: Any) -> None:
    common = {"device": "contacts", "sink": readings, "mono": mono}
    control = tmp_path / "pins.sock"
    with pytest.raises(DeviceError, match=r"pin 17 \(mat\): expected a free input pin"):
        GpioInputs(**common, mains_pin=17, mat_pins={1: 17}, backend="mock", control=control)
    assert not control.exists()
    with pytest.raises(DeviceError, match="expected backend lgpio, or mock"):
        GpioInputs(**common, backend="native")
    with pytest.raises(DeviceError, match="expected backend lgpio, or mock"):
        GpioInputs(**common, backend="mock")
    (tmp_path / "pins.sock.levels.json").write_text("[1]")
    with pytest.raises(DeviceError, match=r"levels\.json: expected pin levels .*delete"):
        GpioInputs(**common, backend="mock", control=control)


def test_a_pin_that_cannot_be_read_is_a_lost_device_once(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    with inputs(tmp_path, readings, mono) as contacts:
        readings.wait("mains")
        contact = contacts._contacts[0].input
        contact.close()
        assert readings.wait("device") == {"state": "lost", "reason": "pins"}
        assert contacts.selftest()["ok"] is False
        assert len(readings.of("device")) == 1
        # The room knows nothing of the contacts now: once they are back, all are told again.
        contacts.close()
        contacts.start()
        assert readings.wait("device")["state"] == "back"
        assert readings.wait("mains") == {"present": True}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_never_looks_like_wires_that_are_as_they_were(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    def sink(reading: Reading) -> None:
        if reading.kind == "mat":
            raise ValueError("ours")
        readings(reading)

    with inputs(tmp_path, sink, mono) as contacts:
        assert readings.wait("device") == {"state": "lost", "reason": "driver_fault"}
        assert contacts.selftest() == {"ok": False, "detail": "driver_fault: ours"}


def test_no_pin_is_ever_driven(tmp_path: Path, readings: Any, mono: Any) -> None:
    """Pins are only read: no edge on any wire at a start, an end, a reset or another start."""
    contacts = inputs(tmp_path, readings, mono)
    for _ in range(3):
        contacts.start()
        assert contacts.selftest()["ok"] is True
        used = list(contacts._contacts[0].input.pin_factory.pins.values())
        assert {pin.info.name for pin in used} == {"GPIO17", "GPIO5"}
        assert {pin.function for pin in used} == {"input"}
        contacts.close()
        assert {pin.function for pin in used} == {"input"}


def test_a_machine_without_a_header_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever kind of error the library has for it; another one is a bug and goes on."""

    class LgpioError(Exception):
        """As lgpio's own, which is no OSError."""

    def opens(error: Exception) -> Any:
        def factory() -> None:
            raise error

        return SimpleNamespace(LGPIOFactory=factory, lgpio=SimpleNamespace(error=LgpioError))

    name = "gpiozero.pins.lgpio"
    for module in (None, opens(LgpioError("can not open gpiochip")), opens(OSError(13))):
        monkeypatch.setitem(sys.modules, name, module)
        with pytest.raises(DeviceError, match="do: install python3-lgpio"):
            HeaderPins()
    monkeypatch.setitem(sys.modules, name, opens(TypeError("ours")))
    with pytest.raises(TypeError, match="ours"):
        HeaderPins()

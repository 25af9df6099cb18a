"""A simulated LD2410 radar: ten reports a second, configuration mode, silence, frozen numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from edge.simulators.board import Board, Request
from protocols.wire import ld2410 as wire
from protocols.wire.ld2410 import Ack, Command, Report, Target

REPORT_MS = 100
# The module is deaf and dumb for about a second after a restart.
RESTART_MS = 1_000
TARGETS = tuple(target.name.lower() for target in Target)
CONFIG_PROTOCOL = b"\x01\x00\x40\x00"
FIRMWARE = b"\x00\x01\x07\x01\x16\x24\x06\x22"
# As from the factory: gates 8 and 8, thresholds of moving and still per gate, 5 s.
GATE_MAX, CLEAR_S = 8, 5
MOVING_FACTORY = (50, 50, 40, 30, 20, 15, 15, 15, 15)
STILL_FACTORY = (0, 0, 40, 40, 30, 30, 20, 20, 20)
EVERY_GATE = 0xFFFF
WORD_BYTES = 6


class SimulatedRadar(Board):
    """One radar at one station."""

    kind: ClassVar[str] = "ld2410"

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._decoder = wire.BoardDecoder()
        self._target = Target.NONE
        self._silent = False
        self._frozen = False
        self._restarts = 0
        self._configuring = False
        self._engineering = False
        self._restarting = False
        self._limits = (GATE_MAX, GATE_MAX, CLEAR_S)
        self._moving, self._still = list(MOVING_FACTORY), list(STILL_FACTORY)
        self._next_ms = 0
        self._last = Report(Target.NONE, 0, 0, 0, 0, 0)

    def heard(self, data: bytes) -> list[bytes]:
        """Bytes came from the host; returns acknowledgements."""
        return [self._obey(command) for command in self._decoder.receive_data(data)]

    def quiet(self) -> list[bytes]:
        """The line went quiet; an unfinished command is forgotten."""
        return [self._obey(command) for command in self._decoder.flush()]

    def tick(self, now_ms: int) -> list[bytes]:
        """Reports when it is time, unless silent or in configuration mode."""
        if self._restarting:
            self._restarting = False
            self._next_ms = now_ms + RESTART_MS
        if now_ms < self._next_ms or self._silent or self._configuring:
            return []
        self._next_ms = now_ms + REPORT_MS
        if not self._frozen or self._last.target is not self._target:
            self._last = self._measure()
        return [wire.encode_event(self._last)]

    def _measure(self) -> Report:
        moves = self._target in {Target.MOVING, Target.BOTH}
        still = self._target in {Target.STILL, Target.BOTH}
        flicker = self.chance.randrange
        basic = Report(
            target=self._target,
            moving_cm=60 + flicker(10) if moves else 0,
            moving_energy=50 + flicker(40) if moves else flicker(4),
            still_cm=70 + flicker(5) if still else 0,
            still_energy=40 + flicker(40) if still else flicker(4),
            detection_cm=75 if moves or still else 0,
        )
        if not self._engineering:
            return basic
        gates = tuple(flicker(10) for _ in range(2 * wire.GATES))
        return replace(
            basic,
            moving_gates=gates[: wire.GATES],
            still_gates=gates[wire.GATES :],
            light=90,
            out_pin=moves or still,
        )

    def _obey(self, command: Command) -> bytes:
        number = command.command
        if number == wire.ENABLE_CONFIG.command:
            self._configuring = True
            return wire.encode_event(Ack(number, ok=True, value=CONFIG_PROTOCOL))
        if not self._configuring:
            return wire.encode_event(Ack(number, ok=False))
        if number == wire.END_CONFIG.command:
            self._configuring = False
        elif number == wire.RESTART.command:
            self._configuring = self._engineering = self._frozen = False
            self._restarting = True
            self._restarts += 1
        elif number in {wire.ENGINEERING_ON.command, wire.ENGINEERING_OFF.command}:
            self._engineering = number == wire.ENGINEERING_ON.command
        elif number in {wire.SET_GATES, wire.SET_SENSITIVITY}:
            return wire.encode_event(Ack(number, ok=self._set(number, _words(command.value))))
        value = FIRMWARE if number == wire.READ_FIRMWARE.command else b""
        if number == wire.READ_PARAMETERS.command:
            value = self._parameters()
        return wire.encode_event(Ack(number, ok=True, value=value))

    def _set(self, number: int, words: list[int]) -> bool:
        if len(words) != 3:  # noqa: PLR2004 - both commands have three words
            return False
        first, second, third = words
        if number == wire.SET_GATES:
            if max(first, second) > GATE_MAX:
                return False
            self._limits = (first, second, third)
            return True
        gates = range(wire.GATES) if first == EVERY_GATE else (first,)
        if max(gates) > GATE_MAX or max(second, third) > 100:  # noqa: PLR2004 - per cent
            return False
        for gate in gates:
            self._moving[gate], self._still[gate] = second, third
        return True

    def _parameters(self) -> bytes:
        moving_max, still_max, clear_s = self._limits
        gates = bytes((0xAA, GATE_MAX, moving_max, still_max, *self._moving, *self._still))
        return gates + clear_s.to_bytes(2, "little")

    def orders(self) -> Mapping[str, str]:
        """The control commands."""
        return {
            "target": f"value: one of {', '.join(TARGETS)}",
            "silent": "on: no more reports",
            "freeze": "on: the same numbers again and again, until a restart",
        }

    def order(self, do: str, request: Request) -> None:
        """Lets somebody sit down, or breaks the radar."""
        if do == "target":
            value = request.word("value", TARGETS)
            request.done()
            self._target = Target[value.upper()]
            return
        on = request.flag("on", default=True)
        request.done()
        if do == "silent":
            self._silent = on
        else:
            self._frozen = on

    def state(self) -> dict[str, object]:
        """What is in front of the radar and what is wrong with it."""
        return {
            "target": self._target.name.lower(),
            "silent": self._silent,
            "frozen": self._frozen,
            "restarts": self._restarts,
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """Takes over what `state` wrote."""
        self._target = Target[str(state["target"]).upper()]
        self._silent, self._frozen = bool(state["silent"]), bool(state["frozen"])
        self._restarts = int(str(state["restarts"]))


def _words(value: bytes) -> list[int]:
    """The numbers of a command's value: a two-byte key and four bytes each."""
    parts = [value[at : at + WORD_BYTES] for at in range(0, len(value), WORD_BYTES)]
    return [int.from_bytes(part[2:4], "little") for part in parts if len(part) == WORD_BYTES]

"""A simulated UPS with the Megatec protocol: a battery that drains while the mains is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from edge.simulators.board import Board, Request
from protocols.wire import megatec as wire

# Small UPS at half load; long enough for a demonstration, short enough to see it drain.
DRAIN_PERMILLE_PER_MIN = 60
CHARGE_PERMILLE_PER_MIN = 30
FULL_PERMILLE = 1000
LOW_PERMILLE = 200
MS_PER_MIN = 60_000
# Lead-acid cell under load: empty and full.
CELL_EMPTY_V, CELL_FULL_V = 1.67, 2.27
MAINS_V = 228.0


class SimulatedUps(Board):
    """One on-line UPS."""

    kind: ClassVar[str] = "megatec"

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._decoder = wire.BoardDecoder()
        self._mains = True
        self._charge_permille = float(FULL_PERMILLE)
        self._load_pct = 34
        self._last_ms: int | None = None

    def heard(self, data: bytes) -> list[bytes]:
        """Bytes came from the host; returns answers."""
        return [self._answer(query) for query in self._decoder.receive_data(data)]

    def quiet(self) -> list[bytes]:
        """A query ends with a carriage return, however long that takes: a pause says nothing."""
        return []

    def tick(self, now_ms: int) -> list[bytes]:
        """Drains or charges the battery by the time that went by."""
        passed_ms = 0 if self._last_ms is None else now_ms - self._last_ms
        self._last_ms = now_ms
        rate = CHARGE_PERMILLE_PER_MIN if self._mains else -DRAIN_PERMILLE_PER_MIN
        charge = self._charge_permille + rate * passed_ms / MS_PER_MIN
        self._charge_permille = min(max(charge, 0.0), float(FULL_PERMILLE))
        return []

    def _answer(self, query: wire.Query) -> bytes:
        if wire.encode(query) != wire.QUERY:
            return wire.encode_event(wire.Echo(query.text))
        share = self._charge_permille / FULL_PERMILLE
        return wire.encode_event(
            wire.Status(
                input_v=MAINS_V if self._mains else 0.0,
                fault_v=MAINS_V,
                output_v=MAINS_V,
                load_pct=self._load_pct,
                frequency_hz=50.0,
                battery_v=CELL_EMPTY_V + share * (CELL_FULL_V - CELL_EMPTY_V),
                temperature_c=25.0,
                utility_fail=not self._mains,
                battery_low=self._charge_permille < LOW_PERMILLE,
                beeper_on=not self._mains,
            )
        )

    def orders(self) -> Mapping[str, str]:
        """The control commands."""
        return {
            "mains": "on: true or false",
            "battery": "charge_pct: 0..100",
            "load": "load_pct: 0..150",
        }

    def order(self, do: str, request: Request) -> None:
        """Cuts the mains, sets the battery or the load."""
        if do == "mains":
            on = request.flag("on", default=True)
            request.done()
            self._mains = on
        elif do == "battery":
            pct = request.number("charge_pct", low=0, high=100)
            request.done()
            self._charge_permille = pct * 10.0
        else:
            pct = request.number("load_pct", low=0, high=150)
            request.done()
            self._load_pct = pct

    def state(self) -> dict[str, object]:
        """Mains, battery, load."""
        return {
            "mains": self._mains,
            "charge_permille": round(self._charge_permille),
            "load_pct": self._load_pct,
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """Takes over what `state` wrote."""
        self._mains = bool(state["mains"])
        self._charge_permille = float(str(state["charge_permille"]))
        self._load_pct = int(str(state["load_pct"]))

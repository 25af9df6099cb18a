"""What the hub may ask of the controller itself: a new epoch, contents first, a line, options.

Owned by the loop; the room has judged and written before anything here acts (`edge.room_rules`),
and what comes of it is written too. A line and a set of options are kept only if the hub has
answered, signed, to something that was asked after they came into force; else they are taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

from edge.lines import KV_UPLINK, Lines
from edge.media.spool import Spool
from edge.room import ApplyConfig, Draft, FetchClip, Remote, Reopen, SwitchUplink
from edge.tuning import KV_CONFIG, Tuning, kept_config
from edge.turn import Turn
from edge.witness import BEGAN, KV_WITNESS
from protocols.policy.room_facts import answer_of
from protocols.policy.session import Phase

TRIAL_MS = 120_000  # DESIGN §6.5
ASK_MS = 15_000  # during a trial the hub is asked this often; its own patience is 15 s
KV_CLOSED = "closed:"
"""Before a session's id: it is closed, also when neither state nor rows speak of it any more."""
KV_TOLD = "codes-told:"
"""Before a session and a venue: the hashes of its offline codes are on the record."""
ASKED_ONCE = frozenset(("order", "order_refused", "statement", "command"))
"""Inputs with an id that must have one answer for ever."""


@dataclass(slots=True)
class Trial:
    """Something in force until it is confirmed or its time is over.

    `began_ms`: when its time began; `from_ms`: what is asked from here on proves it, None as long
    as it is not in force (a line takes a moment to be left).
    """

    command: str
    began_ms: int
    from_ms: int | None
    asked_ms: int
    keep: Callable[[], None]
    revert: Callable[[], None]
    kept: Mapping[str, Any]
    reverted: Mapping[str, Any]


@dataclass(slots=True)
class Hands:
    """Carries out what the room accepted.

    Args:
        reopen: begins a new epoch; raises `DiskFullError`, and is then asked again.
        later: does something slow beside the loop, under a name for the record.
        wake: tells the uploader that something goes first.
        ask: asks the hub for an answer (a birth).
        answered_ms: when the newest question was asked that the hub has answered, None for none.
        stored: what the journal keeps as answer to an id.
    """

    lines: Lines
    tuning: Tuning
    spool: Spool
    mono_ms: Callable[[], int]
    reopen: Callable[[], None]
    later: Callable[[str, Callable[[], None]], None]
    wake: Callable[[], None]
    ask: Callable[[], None]
    answered_ms: Callable[[], int | None]
    stored: Callable[[str], bytes | None]
    _trial: Trial | None = None
    _results: SimpleQueue[Turn] = field(default_factory=SimpleQueue)

    def look(self, turn: Turn) -> Turn:
        """A turn with what the room cannot see by itself: earlier answers, what there is."""
        if turn.kind == "started":
            return replace(turn, data={**turn.data, "uplink": self.lines.kept})
        if turn.kind not in ASKED_ONCE:
            return turn
        data = dict(turn.data)
        stored = self.stored(str(data.get("id", "")))
        if stored is not None:
            data["stored"] = stored.decode("utf-8")
        if turn.kind == "command":
            args = data.get("args")
            data["seen"] = self._seen(str(data.get("verb")), args or {})
        return replace(turn, data=data)

    def _seen(self, verb: str, args: Mapping[str, Any]) -> dict[str, Any]:
        if verb == "network.switch":
            return {"uplinks": self.lines.names(), "uplink": self.lines.kept}
        if verb == "config.apply":
            return self.tuning.look(args)
        if verb == "clip.fetch":
            asked = [str(one) for one in args.get("segments") or ()]
            return {"unknown": [one for one in asked if not self.spool.has(one)]}
        return {}

    def run(self, effect: Remote) -> None:
        """Carries out one effect."""
        if isinstance(effect, Reopen):
            self.reopen()
            self._tell(effect.command, "reopened")
        elif isinstance(effect, FetchClip):
            self.later("clip.fetch", lambda: self._fetch(effect))
        elif isinstance(effect, ApplyConfig):
            self._apply(effect)
        else:
            self._switch(effect)

    def _switch(self, effect: SwitchUplink) -> None:
        before = self.lines.kept
        trial = self._try(
            effect.command,
            keep=lambda: self.lines.keep(effect.to),
            revert=self.lines.revert,
            kept={"uplink": effect.to, "before": before},
            reverted={"uplink": before, "before": effect.to},
        )
        trial.from_ms = None

        def left() -> None:
            # What was asked before went over the other line and proves nothing of this one.
            trial.from_ms = self.mono_ms()

        self.lines.switch(effect.to, left)

    def _fetch(self, effect: FetchClip) -> None:
        """In the slow thread: each content's note is written through to the disk."""
        try:
            self.spool.fetch(effect.segments)
        except OSError as error:
            self._tell(effect.command, f"failed:{error.strerror}"[:80])
            return
        self.wake()
        self._tell(effect.command, "queued")

    def _apply(self, effect: ApplyConfig) -> None:
        version, values = effect.version, effect.values
        self.tuning.use(values)
        self._try(
            effect.command,
            keep=lambda: self.tuning.keep(version, values),
            revert=self.tuning.revert,
            kept={"version": version, "set": dict(values)},
            reverted={},
        )
        self.ask()

    def _try(
        self,
        command: str,
        *,
        keep: Callable[[], None],
        revert: Callable[[], None],
        kept: Mapping[str, Any],
        reverted: Mapping[str, Any],
    ) -> Trial:
        now = self.mono_ms()
        self._trial = trial = Trial(command, now, now, now, keep, revert, kept, reverted)
        return trial

    def _tell(self, command: str, result: str, **more: Any) -> None:
        self._results.put(Turn("command_result", {"id": command, "result": result, **more}))

    def tick(self) -> list[Turn]:
        """Results since the last tick; a trial that is confirmed or over is among them."""
        if self._trial is not None:
            self._judge(self._trial)
        return [self._results.get() for _ in range(self._results.qsize())]

    def _judge(self, trial: Trial) -> None:
        now, answered, since = self.mono_ms(), self.answered_ms(), trial.from_ms
        if answered is not None and since is not None and answered >= since:
            self._trial = None
            trial.keep()
            self._tell(trial.command, "kept", **trial.kept)
        elif now - trial.began_ms >= TRIAL_MS:
            self._trial = None
            trial.revert()
            self._tell(trial.command, "reverted", cause="no_round_trip", **trial.reverted)
        elif now - trial.asked_ms >= ASK_MS:
            trial.asked_ms = now
            self.ask()


def kept_with(drafts: list[Draft] | tuple[Draft, ...]) -> dict[str, bytes]:
    """Small state that becomes true with these records, in the same transaction."""
    kept: dict[str, bytes] = {}
    for draft in drafts:
        if draft.type == "config.applied":
            kept[KV_CONFIG] = kept_config(draft.data)
        elif draft.type == "network.switched" and draft.data["state"] == "kept":
            kept[KV_UPLINK] = str(draft.data["uplink"]).encode("utf-8")
        elif draft.type == BEGAN:
            kept[KV_WITNESS] = str(draft.data["note"]).encode()
        elif draft.type == "phase.changed" and draft.data["to"] == Phase.CLOSED.value:
            kept[KV_CLOSED + draft.session] = b"1"
        elif draft.type == "codes.drawn":
            kept[told_key(draft.session, str(draft.data["venue"]))] = b"1"
    return kept


def told_key(session: str, venue: str) -> str:
    """Small state that says that `codes.drawn` of this venue is on the record."""
    return f"{KV_TOLD}{session}:{venue}"


def answers_in(drafts: list[Draft] | tuple[Draft, ...]) -> dict[str, bytes]:
    """Answers that these records give to ids, to be kept with them."""
    found = (answer_of(draft.type, draft.data) for draft in drafts)
    return {name: answer.encode("utf-8") for name, answer in filter(None, found)}

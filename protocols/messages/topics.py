"""Topics `er/1/{shard}/{controller}/{leaf}` and the sizes of WIRE §3.

Only what MQTT 3.1.1 has: QoS 0 and 1, retained birth, last will.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocols.messages.errors import LocalError
from protocols.messages.identity import is_controller, shard

PREFIX: Final = "er/1"

UP_ST: Final = "up/st"
"""Birth (retained) and last will."""
UP_EV: Final = "up/ev"
"""Batches of events."""
UP_NOTICE: Final = "up/notice"
"""Events sent ahead of a backlog."""
UP_TM: Final = "up/tm"
"""Telemetry and pong, newest wins."""
UP_COSIGN: Final = "up/cosign"
"""What a witness answers: a checkpoint's note, with its own signature or as it holds it."""
DOWN_ACK: Final = "down/ack"
DOWN_PLAN: Final = "down/plan"
DOWN_CMD: Final = "down/cmd"
DOWN_PING: Final = "down/ping"
DOWN_CHECKPOINT: Final = "down/checkpoint"
"""What a witness is asked: a checkpoint, and the proof that it begins with what was signed last."""

UP_LEAVES: Final = (UP_ST, UP_EV, UP_NOTICE, UP_TM, UP_COSIGN)
DOWN_LEAVES: Final = (DOWN_ACK, DOWN_PLAN, DOWN_CMD, DOWN_PING, DOWN_CHECKPOINT)
LEAVES: Final = UP_LEAVES + DOWN_LEAVES

QOS: Final[dict[str, int]] = {leaf: 0 if leaf in (UP_TM, DOWN_PING) else 1 for leaf in LEAVES}
"""Telemetry and ping are worth nothing late, so they are QoS 0; all else is QoS 1."""

RETAINED: Final = frozenset({UP_ST})
"""A retained command or ack would act again on every connect; only the birth is retained."""

MESSAGE_BYTES_MAX: Final = 128 * 1024
"""Largest message either side sends."""

BROKER_BYTES_MAX: Final = 320 * 1024
"""The broker's limit: above ours, so that an oversize message arrives and is quarantined."""

EVENT_BYTES_MAX: Final = 16 * 1024
"""Largest event; the journal refuses a larger one at its source."""

BATCH_EVENTS_LIVE_MAX: Final = 64
"""Events per batch when live: small enough that one lost packet costs little."""

HUB_SUBSCRIPTIONS: Final[tuple[tuple[str, int], ...]] = tuple(
    (f"{PREFIX}/+/+/{leaf}", QOS[leaf]) for leaf in UP_LEAVES
)
"""What a hub subscribes: (topic filter, QoS)."""

_TOPIC_LEVELS = 6


@dataclass(frozen=True, slots=True)
class Topic:
    """A parsed topic: whose it is and which leaf."""

    ctl: str
    leaf: str


def topic(ctl: str, leaf: str) -> str:
    """The topic of one controller's leaf, for example `er/1/07/c-0123456789ab/up/ev`."""
    if not is_controller(ctl) or leaf not in LEAVES:
        raise LocalError(
            "no such topic",
            where="topic",
            expected="c- + 12 hex and one of " + ", ".join(LEAVES),
            got=f"{ctl!r}, {leaf!r}",
        )
    return f"{PREFIX}/{shard(ctl)}/{ctl}/{leaf}"


def parse_topic(topic: str) -> Topic | None:
    """Controller and leaf of a topic, or None if it is not ours or its shard is wrong."""
    levels = topic.split("/")
    if len(levels) != _TOPIC_LEVELS or "/".join(levels[:2]) != PREFIX:
        return None
    leaf = "/".join(levels[4:])
    if leaf not in LEAVES or not is_controller(levels[3]) or shard(levels[3]) != levels[2]:
        return None
    return Topic(ctl=levels[3], leaf=leaf)


def room_subscriptions(ctl: str) -> tuple[tuple[str, int], ...]:
    """What a room subscribes: (topic, QoS)."""
    return tuple((topic(ctl, leaf), QOS[leaf]) for leaf in DOWN_LEAVES)

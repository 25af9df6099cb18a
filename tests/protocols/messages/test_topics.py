"""Topics of WIRE §3."""

from __future__ import annotations

import pytest

from protocols.messages import topics
from protocols.messages.errors import LocalError
from protocols.messages.identity import shard
from protocols.messages.topics import Topic, parse_topic, room_subscriptions, topic

CTL = "c-0123456789ab"


@pytest.mark.parametrize("leaf", topics.LEAVES)
def test_every_leaf_there_and_back(leaf):
    assert parse_topic(topic(CTL, leaf)) == Topic(CTL, leaf)


def test_the_form():
    assert topic(CTL, topics.UP_EV) == f"er/1/{shard(CTL)}/{CTL}/up/ev"


@pytest.mark.parametrize("ctl", ["h-0123456789ab", "c-1", "", "+"])
def test_only_controllers_have_topics(ctl):
    with pytest.raises(LocalError):
        topic(ctl, topics.UP_EV)


def test_unknown_leaf():
    with pytest.raises(LocalError):
        topic(CTL, "up/xx")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "er/1",
        f"er/2/{shard(CTL)}/{CTL}/up/ev",
        f"er/1/{(int(shard(CTL)) + 1) % 64:02d}/{CTL}/up/ev",
        f"er/1/{shard(CTL)}/{CTL}/up/xx",
        f"er/1/{shard(CTL)}/{CTL}/up/ev/more",
        f"er/1/{shard(CTL)}/c-0123456789AB/up/ev",
        f"er/1/{shard(CTL)}/h-0123456789ab/up/ev",
    ],
)
def test_what_is_not_ours_is_none(text):
    assert parse_topic(text) is None


def test_subscriptions():
    assert topics.HUB_SUBSCRIPTIONS == (
        ("er/1/+/+/up/st", 1),
        ("er/1/+/+/up/ev", 1),
        ("er/1/+/+/up/notice", 1),
        ("er/1/+/+/up/tm", 0),
        ("er/1/+/+/up/cosign", 1),
    )
    assert [qos for _, qos in room_subscriptions(CTL)] == [1, 1, 1, 0, 1]
    assert all(parse_topic(name) is not None for name, _ in room_subscriptions(CTL))


def test_limits():
    assert topics.MESSAGE_BYTES_MAX == 131072
    assert topics.BROKER_BYTES_MAX == 327680
    assert topics.EVENT_BYTES_MAX == 16384
    assert topics.BATCH_EVENTS_LIVE_MAX == 64

"""Arguments of the verbs about the controller itself: fixed, and read strictly on both sides."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.messages.acts import SEGMENTS_MAX, Command
from protocols.messages.errors import RemoteError
from protocols.messages.signed import parse_message
from tests.protocols.messages.wire_keys import HOME

SHA = "ab" * 32


def read(verb: str, args: dict[str, Any]) -> Command:
    """The command as a room or the hub reads it."""
    raw = Command("1" * 32, verb, args).seal([HOME.signer("technician")])
    return Command.read(parse_message(raw, limit=128 * 1024))


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("journal.reopen", {}),
        ("journal.reopen", {"session": "s-0123456789ab"}),
        ("network.switch", {}),
        ("network.switch", {"to": "second", "session": "s-0123456789ab"}),
        ("clip.fetch", {"segments": [SHA]}),
        ("config.apply", {"version": 1, "set": {}}),
        ("config.apply", {"version": 2, "set": {"media.upload_kib_s": 512}}),
        ("device.reset", {"device": "ups", "anything": 1}),
    ],
)
def test_arguments_that_are_taken(verb: str, args: dict[str, Any]) -> None:
    assert read(verb, args).args == args


@pytest.mark.parametrize(
    ("verb", "args", "where"),
    [
        ("journal.reopen", {"epoch": "x"}, "epoch"),
        ("journal.reopen", {"session": 3}, "session"),
        ("network.switch", {"to": "third"}, "to"),
        ("network.switch", {"interface": "eth1"}, "interface"),
        ("clip.fetch", {}, "segments"),
        ("clip.fetch", {"segments": []}, "segments"),
        ("clip.fetch", {"segments": ["x"]}, "segments"),
        ("clip.fetch", {"segments": [f"{n:064x}" for n in range(SEGMENTS_MAX + 1)]}, "segments"),
        ("config.apply", {"set": {}}, "version"),
        ("config.apply", {"version": 0, "set": {}}, "version"),
        ("config.apply", {"version": 1, "set": []}, "set"),
        ("config.apply", {"version": 1, "set": {}, "force": True}, "force"),
    ],
)
def test_arguments_that_are_refused_by_name(verb: str, args: dict[str, Any], where: str) -> None:
    with pytest.raises(RemoteError, match=where):
        read(verb, args)

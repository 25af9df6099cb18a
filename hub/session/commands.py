"""Commands: one act asked of one room, signed by one person, by two for an override (WIRE §7)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Any, Final

from hub.booking_link import SessionLink
from hub.free_text import free_text
from hub.keys.duty import session_signer
from hub.ports import Actor, Parts, decoding, refuse
from protocols.messages.acts import VERBS, Command, Expect
from protocols.messages.signed import parse_message
from protocols.messages.strict import Reader
from protocols.messages.topics import MESSAGE_BYTES_MAX

ID_BYTES: Final = 16
TWO_PERSONS: Final = ("locker.override",)


def issue(
    parts: Parts,
    signers: list[tuple[Actor, str]],
    link: SessionLink,
    *,
    ctl: str,
    verb: str,
    args: Mapping[str, Any],
    expect: Mapping[str, Any],
) -> dict[str, Any]:
    """Signs a command with the session keys of those on duty and queues it for one room.

    Raises:
        Problem: 403, 422 unknown verb or room, or one person where two are needed.
    """
    _check(link, ctl=ctl, verb=verb, people=len(signers))
    free_text(str(args.get("reason", "")), where="command.args.reason")
    with decoding("command.expect"):
        seen = _expect(expect)
    opened = [session_signer(parts, link.session, actor, pin) for actor, pin in signers]
    if verb in TWO_PERSONS and len({duty.role for _, duty in opened}) < len(opened):
        raise _invalid("second", "two persons in different roles", opened[0][1].role)
    command = Command(
        id=secrets.token_hex(ID_BYTES),
        verb=verb,
        args={**args, "session": link.session},
        expect=seen,
    )
    with decoding("command"):
        raw = command.seal([signer for signer, _ in opened])
        Command.read(parse_message(raw, limit=MESSAGE_BYTES_MAX))
    with parts.store.write() as conn:
        parts.fleet.send(conn, ctl, "command", command.id, raw)
        data = {
            "id": command.id,
            "ctl": ctl,
            "verb": verb,
            "by": [duty.shown() for _, duty in opened],
            "raw": base64.b64encode(raw).decode("ascii"),
        }
        parts.facts.append(conn, type="command.issued", session=link.session, data=data)
    return {"id": command.id, "ctl": ctl, "verb": verb}


def _check(link: SessionLink, *, ctl: str, verb: str, people: int) -> None:
    if verb not in VERBS:
        raise _invalid("verb", " or ".join(VERBS), verb)
    if ctl not in link.ctls:
        raise _invalid("ctl", " or ".join(link.ctls) or "a room of the session", ctl)
    if verb in TWO_PERSONS and people < 2:  # noqa: PLR2004 - two is the rule's word
        raise _invalid("second_login", "a second person in another role", "one person")


def _expect(value: Mapping[str, Any]) -> Expect | None:
    if not value:
        return None
    reader = Reader(value, where="command.expect")
    found = Expect(
        obj=reader.text("obj", chars_max=64),
        epoch=reader.text("epoch", chars_max=32),
        seq=reader.integer("seq"),
    )
    reader.end()
    return found


def _invalid(field: str, expected: str, got: str) -> Exception:
    return refuse(
        422,
        "command_invalid",
        zh="设备指令内容不完整",
        en="The command is not complete",
        where=f"command.{field}",
        expected=expected,
        got=got[:80],
        do="按所列字段更正",
    )

"""An act done once per `Idempotency-Key`: claimed before it begins, answered after it ended.

The claim is committed by itself, so of two equal requests side by side only one acts, and after a
crash between claim and answer nobody acts again without having looked: whether the act happened is
then not known here, and that is what the second request is told.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from fastapi import Request
from sqlalchemy import Connection, delete, insert, select, update

from hub.clock import iso_ms
from hub.ports import Actor, Parts, refuse
from hub.problems import Problem
from hub.store.tables_business import idempotent_reply

HEADER: Final = "Idempotency-Key"
KEY_CHARS_MAX: Final = 80
KEPT: Final = timedelta(days=7)
"""A request is repeated within minutes; a week leaves room for a person who was away."""
SECRETS: Final = frozenset({"pin", "second_pin", "password"})
"""Never kept, not even as part of a hash: eight digits are soon guessed."""

_lock = threading.Lock()
_running: set[tuple[int, str, str]] = set()
"""(store, person, key) of acts that this process is doing now."""


def once(
    parts: Parts,
    actor: Actor,
    request: Request,
    body: Mapping[str, Any],
    act: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """Does `act` once per key and person; a repeat gets the first answer.

    An act that is refused leaves the key free: nothing happened. One that breaks off keeps it.

    Args:
        parts: the hub's parts.
        actor: who asks.
        request: its path and its header `Idempotency-Key`; without one the act is just done.
        body: what is asked; its secrets take no part.
        act: the act.

    Raises:
        Problem: 409 the key is in use, was used for another request, or its act never ended;
            422 the key is too long.
    """
    key = request.headers.get(HEADER, "")
    if not key:
        return act()
    if len(key) > KEY_CHARS_MAX:
        raise refuse(
            422,
            "idempotency_key",
            zh="幂等键过长",
            en="The idempotency key is too long",
            where=f"header {HEADER}",
            expected=f"at most {KEY_CHARS_MAX} characters",
            got=f"{len(key)}",
            do="使用 UUID",
        )
    plain = {name: value for name, value in body.items() if name not in SECRETS}
    text = json.dumps(plain, ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(f"{request.url.path}\n{text}".encode()).hexdigest()
    mine = (id(parts.store), actor.person, key)
    with _lock:
        known = _claim(parts, actor, key, digest, running=mine in _running)
        if known is not None:
            return known
        _running.add(mine)
    try:
        return _act(parts, actor, key, act)
    finally:
        with _lock:
            _running.discard(mine)


def _act(parts: Parts, actor: Actor, key: str, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        answer = act()
    except Problem:
        with parts.store.write() as conn:
            conn.execute(delete(idempotent_reply).where(_of(actor, key)))
        raise
    with parts.store.write() as conn:
        values = {"answered": True, "body": answer, "at": parts.clock.wall()}
        conn.execute(update(idempotent_reply).where(_of(actor, key)).values(values))
    return answer


def _claim(
    parts: Parts, actor: Actor, key: str, digest: str, *, running: bool
) -> dict[str, Any] | None:
    """The first answer, or None: the key is ours now. Refuses what cannot be answered."""
    with parts.store.write() as conn:
        row = conn.execute(select(idempotent_reply).where(_of(actor, key))).first()
        if row is None:
            _write(conn, parts, actor, key=key, digest=digest)
            return None
    if row.request_sha256 != digest:
        raise refuse(
            409,
            "idempotency_reused",
            zh="该幂等键已用于另一请求",
            en="The idempotency key was used for another request",
            where=f"header {HEADER}",
            expected="the same body as the first time, or a new key",
            got="another body",
            do="换一个幂等键",
        )
    if row.answered:
        found: dict[str, Any] = row.body
        return found
    if running:
        raise refuse(
            409,
            "idempotency_running",
            zh="同一请求正在办理",
            en="The same request is being carried out",
            where=f"header {HEADER}",
            expected="one request at a time",
            got=f"begun {iso_ms(row.at)}",
            do="稍候以同一幂等键重试，即得首次办理的结果",
        )
    raise refuse(
        409,
        "idempotency_unfinished",
        zh="同一请求曾开始办理，但未见结果",
        en="The same request was begun and its end is not known",
        where=f"header {HEADER}",
        expected="an answer of the first time",
        got=f"begun {iso_ms(row.at)}",
        do="先查看该事项是否已经办成；确未办成的，换一个幂等键重新提交",
    )


def _write(conn: Connection, parts: Parts, actor: Actor, *, key: str, digest: str) -> None:
    now = parts.clock.wall()
    old = (idempotent_reply.c.person == actor.person) & (idempotent_reply.c.at < now - KEPT)
    conn.execute(delete(idempotent_reply).where(old))
    conn.execute(
        insert(idempotent_reply).values(
            person=actor.person,
            key=key,
            request_sha256=digest,
            answered=False,
            body={},
            at=now,
        )
    )


def _of(actor: Actor, key: str) -> Any:
    return (idempotent_reply.c.person == actor.person) & (idempotent_reply.c.key == key)

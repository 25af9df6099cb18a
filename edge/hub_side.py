"""Everything of a room that reaches the hub: broker, uploads, plans, on the line in use."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from edge.certificate import context
from edge.clock import boot_id
from edge.config import ConfigError, Credentials, RoomFile
from edge.crypto import read_private, signer
from edge.inbox import Arrived, Inbox, LinkChanged, Observed
from edge.lines import FIRST, SECOND, Line, Lines
from edge.media.spool import Spool
from edge.media.uploader import Account, Target, Uploader
from edge.pipe import Broker, Pipe
from edge.plan_fetch import PlanFetcher
from edge.renewal import Renewer
from edge.uplink import PLAN_BODY
from protocols.messages.identity import client_id, kid
from protocols.messages.status import Will
from protocols.messages.topics import UP_ST, room_subscriptions, topic

Later = Callable[[str, Callable[[], None]], None]


@dataclass(frozen=True, slots=True)
class HubSide:
    """The parts that ask the hub; all of them on one line."""

    lines: Lines
    fetcher: PlanFetcher
    uploader: Uploader
    pipe: Pipe
    renewer: Renewer | None

    def trouble(self) -> str:
        """Why the broker cannot let us in, '' for no reason of ours."""
        return "" if self.renewer is None else self.renewer.trouble()

    def switch_with(self, room: RoomFile, later: Later) -> None:
        """From here on a switch of lines reaches every part.

        Args:
            room: whose account the broker knows.
            later: does something slow beside the loop, under a name for the record.
        """

        def use(line: Line, left: Callable[[], None]) -> None:
            self.uploader.switch(Target.read(line.url, line.source))
            self.fetcher.switch(line.url, line.source)
            self.pipe.switch(_broker(room.credentials, line))
            left()

        self.lines.use = lambda line, left: later("network.switch", lambda: use(line, left))


def build_hub_side(room: RoomFile, spool: Spool, inbox: Inbox, kept: bytes | None) -> HubSide:
    """Builds the parts on the line that was kept; nothing is asked before they are started.

    Args:
        room: its file and enrolment.
        spool: what is uploaded.
        inbox: takes what arrives.
        kept: name of the line in use before a restart, None for the first.

    Raises:
        ConfigError: an address of the hub that may not be used.
        CryptoError: the signing key.
    """
    lines = lines_of(room)
    lines.recall(kept)
    line = lines.line(lines.kept)
    account = _account(room)
    uploader = _uploader(room, lines, spool, account, inbox)
    fetcher = PlanFetcher(
        url=line.url,
        take=lambda body: inbox.put(Arrived(PLAN_BODY, body, retained=False)),
        authorization=account.authorization,
        source=line.source,
    )
    pipe = _pipe(room, line, uploader, inbox)
    return HubSide(lines, fetcher, uploader, pipe, _renewer(room, lines, account, pipe))


def _renewer(room: RoomFile, lines: Lines, account: Account, pipe: Pipe) -> Renewer | None:
    """Where certificates are shown, somebody keeps ours in force."""

    def where() -> tuple[str, str]:
        line = lines.line(lines.kept)
        return line.url, line.source()

    if not room.credentials.mqtt_tls:
        return None
    return Renewer(
        folder=room.credentials.folder,
        where=where,
        account=f"Evalroom ctl={account.ctl},kid={account.kid}",
        sign=account.sign,
        up=pipe.up,
        now=lambda: datetime.now(UTC),
        mono_s=time.monotonic,
    )


def lines_of(room: RoomFile) -> Lines:
    """The line of the enrolment, and the second one where the room's file has one."""
    me = room.credentials
    first = Line(
        FIRST,
        room.get("hub", "mqtt_host") or me.mqtt_host,
        room.get("hub", "mqtt_port") or me.mqtt_port,
        str(room.get("hub", "url") or me.url),
    )
    other = room.options["second_uplink"]
    second = Line(
        SECOND,
        other["mqtt_host"] or first.mqtt_host,
        other["mqtt_port"] or first.mqtt_port,
        other["url"] or first.url,
        other["interface"],
    )
    return Lines((first, second) if any(other.values()) else (first,))


def _account(room: RoomFile) -> Account:
    me = room.credentials
    public, sign = signer(read_private(me.folder / "sign.key"))
    return Account(ctl=me.ctl, kid=kid(public), sign=sign)


def _broker(me: Credentials, line: Line) -> Broker:
    return Broker(
        host=line.mqtt_host,
        port=line.mqtt_port,
        user=me.mqtt_user,
        password=me.mqtt_password,
        client_id=client_id(me.ctl, read_private(me.folder / "sign.key")),
        source=line.source,
        tls=(lambda: context(me.folder)) if me.mqtt_tls else None,
    )


def _uploader(
    room: RoomFile, lines: Lines, spool: Spool, account: Account, inbox: Inbox
) -> Uploader:
    def uploaded(kind: str, data: dict[str, object]) -> None:
        # What was sent is the hub's to say; only damage found while sending is a fact of the room.
        if kind != "uploaded":
            inbox.put(Observed(kind, dict(data)))

    line = lines.line(lines.kept)
    try:
        targets = {one.name: Target.read(one.url, one.source) for one in lines.lines}
        uploader = Uploader(spool, line.url, account, sink=uploaded)
    except ValueError as error:
        where = "[hub] or [second_uplink] url, or url of id.json"
        raise ConfigError(f"{room.path} {where}: {error}") from error
    uploader.switch(targets[line.name])
    return uploader


def _pipe(room: RoomFile, line: Line, uploader: Uploader, inbox: Inbox) -> Pipe:
    me = room.credentials

    def link(*, up: bool) -> None:
        uploader.set_link(up=up)
        inbox.put(LinkChanged(up))

    birth = topic(me.ctl, UP_ST)
    prefix = birth.removesuffix(UP_ST)

    def arrived(topic: str, payload: bytes, *, retained: bool) -> None:
        inbox.put(Arrived(topic.removeprefix(prefix), payload, retained))

    return Pipe(
        broker=_broker(me, line),
        subscriptions=room_subscriptions(me.ctl),
        will=(birth, Will(ctl=me.ctl, boot=boot_id()).encode()),
        on_link=link,
        on_bytes=arrived,
        chance=random.SystemRandom().random,
    )

"""`python -m tests.torture.comeback --clients 1000`: all rooms come back to one broker at once.

Everybody has a certificate and the rights of a room. First all of them connect in the same moment,
as after a line that served them all; then the broker is killed under them and started again by its
keeper, and each comes back by the room's own rule: full jitter, doubling. Somebody is back when the
broker has granted the subscription and acknowledged a message. The figure is the last one's time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.pipe import BACKOFF_S
from hub.broker import Broker, BrokerTls, BrokerUser, EmbeddedBroker, MosquittoBroker
from hub.keys.authority import key_pem, make_authority, new_key
from hub.transport import certified
from protocols.messages.topics import DOWN_ACK, UP_ST, topic
from tests.torture.plain_mqtt import (
    CLEAN,
    CONNACK,
    CONNECT,
    PUBACK,
    PUBLISH,
    QOS_1,
    SUBACK,
    SUBSCRIBE,
    V3_1_1,
    packet,
    text,
)

BACK_S_MAX: Final = 60.0
ANSWER_S: Final = 30.0  # a client that is not answered tries again
REFUSED: Final = 128
HUB_ID: Final = "h-0123456789ab"
KINDS: Final = {"mosquitto": MosquittoBroker, "embedded": EmbeddedBroker}


def installed() -> list[str]:
    """The brokers of this machine, by name."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return [name for name in KINDS if name != "mosquitto" or found]


@dataclass(frozen=True, slots=True)
class Crowd:
    """Files of everybody: the authority's, the broker's, one for each room."""

    folder: Path
    users: tuple[BrokerUser, ...]

    @property
    def tls(self) -> BrokerTls:
        """What the broker shows and checks."""
        return BrokerTls(*(self.folder / one for one in ("ca.crt", "broker.pem", "crl.pem")))


def crowd(folder: Path, count: int) -> Crowd:
    """`count` rooms with a certificate each."""
    now = dt.datetime.now(dt.UTC)
    ca, key, users = make_authority(HUB_ID, now), new_key(), []
    (folder / "ca.crt").write_bytes(ca.pem)
    (folder / "crl.pem").write_bytes(ca.revoked([], now))
    broker = ca.for_broker(key.public_key(), HUB_ID, now)
    (folder / "broker.pem").write_bytes(broker.pem + key_pem(key))
    for _ in range(count):
        ctl, own = f"c-{secrets.token_hex(6)}", new_key()
        made = ca.for_controller(own.public_key(), ctl, now)
        (folder / f"{ctl}.pem").write_bytes(made.pem + key_pem(own))
        users.append(BrokerUser(ctl, "", (made.uri,)))
    return Crowd(folder, tuple(users))


class Client:
    """One room's connection, for as long as it lasts."""

    def __init__(self, who: Crowd, ctl: str, port: int) -> None:
        self.back, self.gone = asyncio.Event(), asyncio.Event()
        self._over = asyncio.Event()
        self.at = 0.0
        self.tries = 0
        self._files = (who.folder / "ca.crt", who.folder / f"{ctl}.pem")
        self._ctl, self._port = ctl, port

    async def run(self) -> None:
        """Connects, stays, and comes back by the room's rule, until it is cancelled."""
        wait_s = BACKOFF_S[0]
        while True:
            self.tries += 1
            try:
                reader, writer = await asyncio.wait_for(self._connected(), ANSWER_S)
            except (OSError, EOFError, TimeoutError):
                await self._pause(wait_s)
                wait_s = min(2 * wait_s, BACKOFF_S[1])
                continue
            self.at = time.monotonic()
            self.back.set()
            try:
                while await reader.read(4_096):
                    pass
            except OSError:
                pass
            finally:
                writer.transport.abort()
            self.back.clear()
            self.gone.set()
            wait_s = BACKOFF_S[0]
            await self._pause(wait_s)

    async def _pause(self, most_s: float) -> None:
        """The rule's own wait: any part of it; only the storm's end cuts it short."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), random.random() * most_s)  # noqa: S311

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=certified(*self._files), server_hostname=HUB_ID
        )
        try:
            await self._introduced(reader, writer)
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer

    async def _introduced(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = text("MQTT") + bytes([V3_1_1, CLEAN]) + (300).to_bytes(2, "big")
        writer.write(packet(CONNECT, 0, said + text(self._ctl)))
        if (await self._answer(reader, CONNACK))[1]:
            raise ConnectionError("refused")
        mine = b"\0\1" + text(topic(self._ctl, DOWN_ACK)) + b"\1"
        writer.write(packet(SUBSCRIBE, 2, mine))
        if (await self._answer(reader, SUBACK))[-1] == REFUSED:
            raise ConnectionError("no subscription")
        here = text(topic(self._ctl, UP_ST)) + b"\0\2" + b"here"
        writer.write(packet(PUBLISH, QOS_1, here))
        await self._answer(reader, PUBACK)

    @staticmethod
    async def _answer(reader: asyncio.StreamReader, kind: int) -> bytes:
        head = await reader.readexactly(2)  # an answer is never longer than 127 bytes
        body = await reader.readexactly(head[1])
        if head[0] >> 4 != kind:
            raise ConnectionError(f"expected packet {kind}, got {head[0] >> 4}")
        return body


async def _storm(who: Crowd, broker: Broker) -> list[float]:
    clients = [Client(who, user.name, broker.port) for user in who.users]
    began, found = time.monotonic(), []
    running = [asyncio.create_task(one.run()) for one in clients]
    try:
        for blow in (False, True):
            if blow:
                began = time.monotonic()
                for one in clients:
                    one.gone.clear()
                os.kill(broker.pid, signal.SIGKILL)
                await asyncio.gather(*(one.gone.wait() for one in clients))
            await asyncio.wait_for(
                asyncio.gather(*(one.back.wait() for one in clients)), 2 * BACK_S_MAX
            )
            found.append(max(one.at for one in clients) - began)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return found


def run(folder: Path, kind: str, count: int) -> list[float]:
    """Seconds until the last of `count` was there: all at once, and after the broker was killed.

    Raises:
        TimeoutError: somebody was not within twice the limit.
    """
    who = crowd(folder, count)
    with KINDS[kind](folder / "broker", who.users, tls=who.tls) as broker:
        return asyncio.run(_storm(who, broker))


def main(words: Sequence[str]) -> int:
    """Runs the storm on each broker that is installed; prints `n = …` last."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.comeback", description=__doc__)
    parser.add_argument("--clients", type=int, default=1000, help="how many rooms (1000)")
    args = parser.parse_args(words)
    failed = 0
    for kind in installed():
        with tempfile.TemporaryDirectory(prefix="comeback-") as folder:
            at_once, killed = run(Path(folder), kind, args.clients)
        late = max(at_once, killed) > BACK_S_MAX
        failed += late
        word = "FAILED " if late else ""
        sys.stdout.write(
            f"{word}{kind}: {args.clients} rooms back in {at_once:.1f} s, all at once; "
            f"in {killed:.1f} s after the broker was killed (at most {BACK_S_MAX:.0f} s)\n"
        )
    sys.stdout.write(f"n = {args.clients * len(installed())}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The peers' far end: a subscriber that commits each batch of what has arrived, and checks nothing.

One process, started with the kind of broker and its port. It writes the hub's own table with the
hub's own indexes, by plain SQL, with a sync per commit. A line on its output when it listens; after
each commit the number of rows and monotonic nanoseconds.
"""

from __future__ import annotations

import hashlib
import json
import queue
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from hub.store.engine import Store
from hub.store.migrate import upgrade
from tests.bench.nats_client import Nats

COMMIT_MAX = 500  # rows in one commit: what 64 rooms' pongs of a minute were measured to want
WAITING_MAX = 20_000
STREAM, CONSUMER, DOMAIN = "room", "hub", "edge"
INSERT = (
    "INSERT INTO events (ctl, epoch, seq, hash, session, type, raw, recorded_at, late)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)"
)


def row(line: bytes) -> tuple[object, ...]:
    """A line as the table wants it, read without a check."""
    event = json.loads(line)
    digest = hashlib.sha256(line).hexdigest()
    at = event["at"]
    return (
        *(event["ctl"], event["epoch"], event["seq"], digest),
        *(event["session"], event["type"], line, at),
    )


def from_mqtt(port: int) -> Iterator[tuple[list[bytes], Callable[[], None]]]:
    """Batches of whatever has arrived, and nothing to do after the commit: paho has acknowledged.

    The hub's own client library; its session is kept while the broker is away.
    """
    arrived: queue.Queue[bytes] = queue.Queue(WAITING_MAX)
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, "subscriber", clean_session=False, protocol=mqtt.MQTTv311
    )
    client.reconnect_delay_set(1, 1)
    client.on_connect = lambda one, *_: one.subscribe("room/#", qos=1)
    client.on_subscribe = lambda *_: say("ready")
    client.on_message = lambda _c, _d, message: arrived.put(bytes(message.payload))
    client.connect("127.0.0.1", port)
    client.loop_start()
    while True:
        lines = [arrived.get()]
        while len(lines) < COMMIT_MAX and not arrived.empty():
            lines.append(arrived.get_nowait())
        yield lines, lambda: None


def from_nats(port: int) -> Iterator[tuple[list[bytes], Callable[[], None]]]:
    """Batches pulled over the leaf connection; one acknowledgement ends a whole batch."""
    nats = Nats(port)
    say("ready")
    nats.consumer(STREAM, CONSUMER, DOMAIN)
    while True:
        pulled = nats.pull(STREAM, CONSUMER, DOMAIN, COMMIT_MAX)
        if pulled:
            last = pulled[-1][0]
            yield [payload for _, payload in pulled], lambda to=last: nats.publish(to, b"+ACK")  # type: ignore[misc]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    kind, port, path = words[0], int(words[1]), Path(words[2])
    store = Store(f"sqlite:///{path}")
    upgrade(store)
    store.close()
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        database.execute(f"PRAGMA {pragma}")
    for lines, done in {"mqtt": from_mqtt, "nats": from_nats}[kind](port):
        database.execute("BEGIN IMMEDIATE")
        database.executemany(INSERT, [row(line) for line in lines])
        database.execute("COMMIT")
        done()
        say(f"{len(lines)} {time.monotonic_ns()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

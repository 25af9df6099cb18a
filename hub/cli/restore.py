"""`hub backup` and `hub restore`: a hub is its backup, its mirror, and what rooms send again.

A backup is a folder: the database copied while the hub runs, keys, packages, and the media as hard
links. A restore lays the mirror's later transactions over it. What rooms recorded since then they
still have, and send again when the restored hub asks them with a newer generation. What neither
backup nor mirror has is named.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, select

from hub.app import CALENDARS, Hub, build
from hub.booking import erasure
from hub.broker import REVOKED, EmbeddedBroker, MosquittoBroker
from hub.cli.handout import write_trust
from hub.cli.sole import LOCK, sole
from hub.cli.wrapped_keys import WRAPPED, check_phrase, unwrap_keys, wrap_keys, write_keys
from hub.clock import iso_ms
from hub.config import FILE, Config, ConfigError, load
from hub.crypto import FULL, Stretch
from hub.facts import insert_fact
from hub.fleet.broker_users import write_broker_users
from hub.fleet.renewal import relearn
from hub.store.engine import Store, get_meta, set_meta
from hub.store.migrate import check, upgrade
from hub.store.mirror import Line, Mirror
from hub.store.tables_core import blobs, events
from protocols.messages.event import decode_event, event_hash
from protocols.messages.signed import parse_message
from protocols.messages.topics import MESSAGE_BYTES_MAX

MANIFEST: Final = "backup.json"
PAGES_PER_STEP: Final = 1_000
"""Pages copied before writers get a turn; 4 MB."""
COPIED: Final = (FILE, "trust.json", "demo-accounts.json")
KEYS: Final = "keys"
COPIED_FOLDERS: Final = (KEYS, "packages", "demo-system")
FOLDER_MODE: Final = 0o700
BROKER_FOLDER: Final = "broker"
REVOKED_FILE: Final = "keys/crl.pem"
END_FIRST: Final = (
    "end that hub (and keep what starts it again from doing so), or name another folder; "
    "--wait S waits for it to end"
)


@dataclass(slots=True)
class Replay:
    """What a restore took from the mirror and what it could not."""

    lines: int = 0
    facts: int = 0
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is restored from: the backup, its keys if they were wrapped, and what lies elsewhere."""

    source: Path
    manifest: dict[str, Any]
    keys: dict[str, bytes]
    mirror: Path | None
    revoked: Path | None


def backup(
    config: Config, target: Path, *, phrase: str | None = None, stretch: Stretch = FULL
) -> dict[str, Any]:
    """Copies a hub, running or not, into a new folder; returns what is in it.

    Args:
        config: the hub's.
        target: a new folder.
        phrase: wraps the keys; without one they lie there as they do in the hub's own folder.
        stretch: what a guess at the phrase costs.

    Raises:
        ConfigError: the folder exists, the database is not a file, or the phrase is too short.
    """
    if phrase is not None:
        check_phrase(phrase)
    if target.exists():
        raise ConfigError(
            f"there is something already\n  where: {target}\n  expected: a new folder\n"
            "  got: an existing path\n  do: choose another; backups are never overwritten"
        )
    if config.database:
        raise ConfigError(
            f"this database is not a file\n  where: {config.data / FILE} database\n"
            f"  expected: SQLite in the data folder\n  got: {config.database.split(':')[0]}\n"
            "  do: back PostgreSQL up with its own tools, and copy the mirror, keys and blobs"
        )
    half = target.with_name(f".{target.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True, mode=FOLDER_MODE)
    _copy_database(config.database_file, half / "hub.sqlite")
    for name in _copied(config.data):
        if (config.data / name).exists():
            shutil.copy2(config.data / name, half / name)
    for name in COPIED_FOLDERS:
        if (config.data / name).is_dir() and (name != KEYS or phrase is None):
            shutil.copytree(config.data / name, half / name)
    if phrase is not None:
        wrap_keys(config.data / KEYS, half / WRAPPED, phrase, stretch)
    manifest = {
        "hub": config.hub,
        "made_at": iso_ms(datetime.now(UTC)),
        "mirror_n": _mirror_n(half / "hub.sqlite"),
        "blobs": link_blobs(config.blobs, half / "blobs"),
        "keys": "clear" if phrase is None else "wrapped",
    }
    (half / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    os.sync()  # the rename must not outrun the files it names
    half.rename(target)
    return {**manifest, "folder": str(target.absolute())}


def _copied(folder: Path) -> list[str]:
    """Single files that belong to a hub besides its database, holiday notices included."""
    return [*COPIED, *sorted(path.name for path in folder.glob(CALENDARS))]


def restore(
    source: Path,
    data: Path,
    *,
    mirror: Path | None = None,
    revoked: Path | None = None,
    phrase: str = "",
    stretch: Stretch = FULL,
    wait_s: float = 0,
) -> dict[str, Any]:
    """Makes a data folder of a backup and the mirror; returns what was done and what is lost.

    Args:
        source: folder of `backup`.
        data: new folder; a damaged hub's folder is moved aside and its mirror and media used.
        mirror: the lost hub's mirror, if it lies elsewhere.
        revoked: its list of revoked certificates, if a broker elsewhere still has it.
        phrase: opens the backup's keys where they are wrapped.
        stretch: what a guess at the phrase costs.
        wait_s: how long to wait for a hub that still runs from the folder to end.

    Raises:
        ConfigError: the backup cannot be used, a hub runs from the folder, or the mirror does not
            fit.
    """
    asked = Asked(source, _manifest(source), _wrapped(source, phrase, stretch), mirror, revoked)
    data.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    with sole(data, wait_s=wait_s, do=END_FIRST):
        # A broker that outlived its hub writes into a folder that is about to be another one.
        for kind in (EmbeddedBroker, MosquittoBroker):
            kind(data / BROKER_FOLDER).end_left()
        aside = _move_aside(data)
        if aside is None:
            return _fill(asked, data, aside=None)
        data.mkdir(mode=FOLDER_MODE)
        # Whoever keeps the hub running may start it before the new folder is whole.
        with sole(data):
            return _fill(asked, data, aside=aside)


def _wrapped(source: Path, phrase: str, stretch: Stretch) -> dict[str, bytes]:
    """The backup's keys where they are wrapped; opened first: a wrong phrase moves nothing."""
    path = source / WRAPPED
    return unwrap_keys(path, phrase, stretch) if path.is_file() else {}


def _fill(asked: Asked, data: Path, *, aside: Path | None) -> dict[str, Any]:
    """Makes the new folder; `aside` is the damaged hub's."""
    source, manifest = asked.source, asked.manifest
    shutil.copy2(source / "hub.sqlite", data / "hub.sqlite")
    for name in _copied(source):
        if (source / name).exists():
            shutil.copy2(source / name, data / name)
    for name in COPIED_FOLDERS:
        if (source / name).is_dir():
            shutil.copytree(source / name, data / name)
    write_keys(asked.keys, data / KEYS)
    linked = link_blobs(source / "blobs", data / "blobs")
    if aside is not None:
        _newer_files(aside, data)
        linked = max(linked, link_blobs(aside / "blobs", data / "blobs"))
    config = load(data)
    found = _find_mirror(config, asked.mirror, aside)
    replay = _replay(config, found, after=int(manifest["mirror_n"]))
    left = [*_lists_left(aside), *([asked.revoked] if asked.revoked is not None else [])]
    if config.mqtt_tls and found is None and not left:
        replay.lost.append(
            "revocations after the backup: revoke those controllers again, or restore with "
            "--revoked and the list that the broker's machine has"
        )
    shut_out = _finish(config, manifest, replay, found, left)
    return {
        "hub": config.hub,
        "backup_of": manifest["made_at"],
        "mirror": str(found) if found else "",
        "transactions": replay.lines,
        "facts": replay.facts,
        "blobs": linked,
        "lost": replay.lost,
        "revoked_again": shut_out,
        "moved_aside": str(aside) if aside else "",
    }


def link_blobs(source: Path, target: Path) -> int:
    """Puts every file of a blob folder into another, as a hard link where the disk allows."""
    count = 0
    for path in _blob_files(source):
        to = target / path.parent.name / path.name
        count += 1
        if to.exists():
            continue
        to.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        try:
            os.link(path, to)
        except OSError:
            shutil.copy2(path, to)
    return count


def _blob_files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("??/*")):
        if path.is_file() and not path.name.startswith("."):
            yield path


def _copy_database(source: Path, target: Path) -> None:
    """SQLite's online copy: a consistent state, while others go on writing."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy, pages=PAGES_PER_STEP)
    target.chmod(0o600)


def _mirror_n(database: Path) -> int:
    with closing(sqlite3.connect(database)) as conn:
        row = conn.execute("SELECT value FROM meta WHERE key = 'mirror_n'").fetchone()
    return int(row[0]) if row else 0


def _manifest(source: Path) -> dict[str, Any]:
    path = source / MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        int(found["mirror_n"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"not a backup\n  where: {path}\n  expected: what `evalroom hub backup` wrote\n"
            f"  got: {error}\n  do: check the path"
        ) from error
    return found


def _move_aside(data: Path) -> Path | None:
    """A damaged hub is kept: it may be all that is left of something."""
    if all(path.name == LOCK for path in data.iterdir()):
        return None
    for n in range(1, 1000):
        aside = data.with_name(f"{data.name}.lost-{n}")
        if not aside.exists():
            data.rename(aside)
            return aside
    raise ConfigError(f"restore: expected a free name beside {data}, got 999 taken; remove some")


def _newer_files(aside: Path, data: Path) -> None:
    """Rooms enrolled since the backup still know their passwords for the broker."""
    for name in ("keys", "packages"):
        if (aside / name).is_dir():
            shutil.copytree(aside / name, data / name, dirs_exist_ok=True)
    if (aside / "broker").is_dir():
        # Not what it stores: that is on its way only, and rooms send it again.
        shutil.copytree(
            aside / "broker",
            data / "broker",
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("store", "pid", "*log*"),
        )


def _lists_left(aside: Path | None) -> list[Path]:
    """Lists of revoked certificates in what is left of the damaged hub."""
    if aside is None:
        return []
    choices = (aside / REVOKED_FILE, aside / BROKER_FOLDER / REVOKED)
    return [path for path in choices if path.is_file()]


def _find_mirror(config: Config, given: Path | None, aside: Path | None) -> Path | None:
    """The mirror to replay: given, or where the configuration puts it."""
    usual = config.mirror_file
    inside = usual.relative_to(config.data) if usual.is_relative_to(config.data) else None
    choices = [given, aside / inside if aside is not None and inside is not None else usual]
    for path in choices:
        if path is not None and path.is_file():
            return path
    if given is not None:
        raise ConfigError(
            f"no mirror there\n  where: {given}\n  expected: a file mirror.jsonl\n  got: nothing\n"
            "  do: check the path, or leave --mirror away and accept the named loss"
        )
    return None


def _replay(config: Config, found: Path | None, *, after: int) -> Replay:
    """Does again what the mirror holds and the backup does not."""
    replay = Replay()
    if found is None:
        replay.lost.append("no mirror: every change of the hub's own after the backup")
        return replay
    config.mirror_file.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    if found.resolve() != config.mirror_file.resolve():
        shutil.copy2(found, config.mirror_file)
    store = Store(config.database_url)
    upgrade(store)
    expected = after + 1
    for line in Mirror(config.mirror_file).lines(after):
        if line.n != expected:
            replay.lost.append(f"transactions {expected} to {line.n - 1} of the mirror")
        expected = line.n + 1
        _apply(store, line, replay)
    check(store)
    store.close()
    return replay


def _apply(store: Store, line: Line, replay: Replay) -> None:
    with store.write() as conn:
        for sql, rows in line.statements:
            for row in rows:
                conn.exec_driver_sql(sql, row)
        for sealed in line.facts:
            replay.facts += _fact(conn, sealed)
        set_meta(conn, "mirror_n", str(line.n))
    replay.lines += 1


def _fact(conn: Connection, sealed: bytes) -> bool:
    (raw,) = parse_message(sealed, limit=MESSAGE_BYTES_MAX).lines
    known = conn.execute(select(events.c.id).where(events.c.hash == event_hash(raw))).first()
    if known is not None:
        return False
    insert_fact(conn, raw, sealed, datetime.fromisoformat(decode_event(raw).at))
    return True


def _see_media(hub: Hub, conn: Connection) -> None:
    """A content is stored where its file is, whatever the backup knew of it."""
    for row in conn.execute(select(blobs.c.sha256, blobs.c.state)).all():
        here = hub.media.has(row.sha256)
        if here is (row.state == "stored"):
            continue
        fresh = {
            "state": "stored" if here else "expected",
            "stored_at": hub.clock.wall() if here else None,
        }
        conn.execute(blobs.update().where(blobs.c.sha256 == row.sha256).values(**fresh))


def _finish(
    config: Config,
    manifest: dict[str, Any],
    replay: Replay,
    found: Path | None,
    lists: list[Path],
) -> list[str]:
    """Marks the hub as restored, drops what is not there, and writes the restore down.

    Returns:
        The controllers that the database took for enrolled and a list names as revoked.
    """
    hub = build(config, services=False)
    useless = [path for path in lists if hub.admission.listed(path) is None]
    replay.lost += [
        f"{path}: it is no list of revoked certificates of this hub" for path in useless
    ]
    shut_out = relearn(hub, lists)
    with hub.store.write() as conn:
        set_meta(conn, "restored", "1")
        _see_media(hub, conn)
        erased = erasure.again(conn)
        data = {
            "backup_of": manifest["made_at"],
            "mirror": found is not None,
            "transactions": replay.lines,
            "facts": replay.facts,
            "lost": replay.lost,
            "erased_again": erased,
            "revoked_again": shut_out,
            "generation": int(get_meta(conn, "generation", "1")),
        }
        hub.facts.append(conn, type="hub.restored", session="", data=data)
        if hub.event_log.behind(conn):
            reason = f"restored from the backup of {manifest['made_at']}"
            hub.event_log.reopen(conn, reason=reason, by="hub restore")
    write_broker_users(hub)
    write_trust(hub)
    hub.close()
    return shut_out

"""Puts the hub together and runs it: the one place that knows every part by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from sqlalchemy.exc import ArgumentError, OperationalError

from hub import crypto
from hub.accounts.actor import ROLES
from hub.accounts.provider import provider_of
from hub.accounts.service import Accounts
from hub.broker import Broker
from hub.bus import Bus
from hub.clock import Clock
from hub.config import FILE, Config, ConfigError
from hub.crypto import FULL, Stretch
from hub.facts import Facts
from hub.fleet.outbound import Fleet
from hub.fleet.rooms import LiveRooms
from hub.guard import Guard
from hub.keys.admission import Admission
from hub.keys.keyring import Keys
from hub.media.blobs import Blobs
from hub.projection import Projector
from hub.recording.ingest import Ingest
from hub.store.engine import Store
from hub.store.migrate import check, upgrade
from hub.store.mirror import Mirror
from hub.transparency.log import EventLog, Period
from hub.transparency.witnesses import Witnesses
from protocols.messages.topics import UP_COSIGN
from protocols.policy.errors import PolicyError
from protocols.policy.pack import Pack
from protocols.policy.workdays import Calendar

if TYPE_CHECKING:
    from hub.archive.service import Archive
    from hub.booking.service import Booking
    from hub.contingency.service import Contingency
    from hub.session.service import Sessions

POLICY: Final = Path(__file__).resolve().parent.parent / "protocols" / "policy"
CALENDARS: Final = "calendar-*.json"
"""Holiday notices, one file a year, in the program and in the hub's data folder."""
COSIGNED_S: Final = 10
"""A witness answers within a second; one that is away makes the package wait no longer."""


@dataclass(slots=True)
class Hub:
    """Every part of one hub. Services get the whole of it and use what they need."""

    config: Config
    clock: Clock
    store: Store
    facts: Facts
    keys: Keys
    admission: Admission
    bus: Bus
    projector: Projector
    rooms: LiveRooms
    fleet: Fleet
    ingest: Ingest
    accounts: Accounts
    media: Blobs
    event_log: EventLog
    pack: Pack
    calendar: Calendar
    demo: bool
    booking: Booking = field(init=False)
    sessions: Sessions = field(init=False)
    contingency: Contingency = field(init=False)
    archive: Archive = field(init=False)
    broker: Broker | None = None
    timers: list[Callable[[], object]] = field(default_factory=list)
    beginnings: list[Callable[[], object]] = field(default_factory=list)
    guard: Guard = field(default_factory=Guard)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.config.data

    def close(self) -> None:
        """Writes what was only counted, and gives the database back."""
        self.accounts.log.flush()
        self.store.close()


@cache
def load_pack(name: str) -> Pack:
    """The policy pack of this file name; read once, for it comes with the program.

    Raises:
        ConfigError: no such pack.
        PolicyError: the pack is not valid.
    """
    path = POLICY / "packs" / name
    if Path(name).name != name or not path.is_file():
        known = ", ".join(sorted(one.name for one in (POLICY / "packs").glob("*.yaml")))
        raise ConfigError(
            f"no such policy pack\n  where: {path}\n  expected: one of {known}\n  got: {name}\n"
            "  do: change `pack` in hub.toml"
        )
    return Pack.parse(_read_yaml(path.read_text(encoding="utf-8")))


def _read_yaml(text: str) -> object:
    """YAML of plain values only; by libyaml, which takes a tenth of the time at each start."""
    loader = yaml.CSafeLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def load_calendar(data: Path) -> tuple[Calendar, list[Any]]:
    """The working-day notices: read, and as plain data for the plans.

    Those of the program first, then those an administrator has put into the hub's data folder:
    next year's notice comes out each November, and of two that name one day the later one holds.

    Raises:
        ConfigError: a file that is not a notice.
    """
    notices: list[Any] = []
    for path in [*_notices_in(POLICY / "data"), *_notices_in(data)]:
        try:
            notices.append(json.loads(path.read_text(encoding="utf-8")))
            Calendar.from_json(notices)
        except (ValueError, PolicyError) as error:
            raise ConfigError(
                f"the holiday notice cannot be read\n  where: {path}\n  expected: a file such as "
                f"{POLICY / 'data' / 'calendar-2026.json'}\n  got: {error}\n"
                "  do: mend the file, or take it out of the folder"
            ) from error
    return Calendar.from_json(notices), notices


def _notices_in(folder: Path) -> list[Path]:
    return sorted(folder.glob(CALENDARS))


def open_store(config: Config) -> Store:
    """The database of this hub with its mirror, migrated and compared with the program."""
    config.mirror_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        store = Store(config.database_url, Mirror(config.mirror_file))
        upgrade(store)
    except (OperationalError, ArgumentError) as error:
        raise ConfigError(
            "the database cannot be opened\n"
            f"  where: {FILE} [hub] database\n"
            "  expected: SQLite in the data folder, or a PostgreSQL server that answers\n"
            f"  got: {str(error.__cause__ or error).strip().splitlines()[0]}\n"
            "  do: start the server, or mend the address"
        ) from error
    check(store)
    return store


def build(config: Config, *, services: bool = True, stretch: Stretch = FULL) -> Hub:
    """Every part, wired; nothing runs yet.

    Args:
        config: checked.
        services: False leaves out booking, session, contingency and archive, which administration
            from the command line does not need.
        stretch: what guessing a secret costs; every command takes the default.

    Raises:
        ConfigError, SchemaError, CryptoError: with what, where, expected, got, do.
    """
    offset = Path(config.clock_offset_file) if config.clock_offset_file else None
    clock, bus, store = Clock(offset), Bus(), open_store(config)
    seed = crypto.read_private(config.hub_key)
    keys = Keys(
        store=store,
        clock=clock,
        hub=config.hub,
        hub_seed=seed,
        hub_orders=config.hub_orders,
        checkpoint=config.checkpoint,
        stretch=stretch,
    )
    facts = Facts(store=store, clock=clock, hub=config.hub, signer=keys.hub_signer())
    rooms = LiveRooms(store=store, clock=clock, bus=bus)
    pack, (calendar, notices) = load_pack(config.pack), load_calendar(config.data)
    policy = {"pack": json.loads(pack.canonical()), "calendar": notices}
    fleet = Fleet(store=store, clock=clock, keys=keys, facts=facts, rooms=rooms, policy=policy)
    projector = Projector(store=store, clock=clock, bus=bus)
    media = Blobs(store=store, folder=config.blobs, clock=clock)
    hub = Hub(
        config=config,
        clock=clock,
        store=store,
        facts=facts,
        keys=keys,
        admission=Admission(config, Clock().wall),
        bus=bus,
        projector=projector,
        rooms=rooms,
        fleet=fleet,
        ingest=Ingest(
            store=store, clock=clock, keys=keys, facts=facts, rooms=rooms, fleet=fleet, bus=bus
        ),
        accounts=_accounts(config, store=store, facts=facts, seed=seed),
        media=media,
        event_log=_event_log(config, store=store, clock=clock, keys=keys, facts=facts),
        pack=pack,
        calendar=calendar,
        demo=config.demo,
    )
    fleet.register(projector)
    media.register(projector)
    if services:
        _services(hub)
    _react(hub)
    return hub


def _event_log(config: Config, *, store: Store, clock: Clock, keys: Keys, facts: Facts) -> EventLog:
    period = Period(
        seconds=config.checkpoint_s,
        rows=config.checkpoint_rows,
        wait_s=COSIGNED_S if config.checkpoint == "cosigned" else 0,
    )
    return EventLog(store=store, clock=clock, keys=keys, facts=facts, period=period)


def _accounts(config: Config, *, store: Store, facts: Facts, seed: bytes) -> Accounts:
    needed = config.needing_second_factor
    if not set(needed) <= set(ROLES):
        raise ConfigError(
            f"no such role\n  where: {FILE} [hub] second_factor_roles\n"
            f"  expected: some of {', '.join(ROLES)}\n  got: {', '.join(needed)}\n"
            "  do: change that value, then start again"
        )
    own = Clock()
    secret = crypto.derived_from(seed, "er1/accounts")
    return Accounts(
        store=store,
        facts=facts,
        clock=own,
        secure=config.secure,
        secret=secret,
        needed=needed,
        provider=provider_of(config, secret=secret, wall=own.wall, mono_ms=own.mono_ms),
    )


def _services(hub: Hub) -> None:
    # Loaded only where they run: the command line's administration starts in half the time.
    from hub.archive.service import Archive  # noqa: PLC0415
    from hub.booking.retention import Retention  # noqa: PLC0415
    from hub.booking.service import Booking  # noqa: PLC0415
    from hub.contingency.service import Contingency  # noqa: PLC0415
    from hub.session.service import Sessions  # noqa: PLC0415

    hub.booking = Booking(hub)
    hub.sessions = Sessions(hub)
    hub.contingency = Contingency(hub)
    hub.archive = Archive(hub)
    for service in (hub.booking, hub.sessions, hub.contingency, hub.archive):
        register = getattr(service, "register", None)
        if register is not None:
            register(hub.projector)
        for name in ("expire", "tick"):
            timer = getattr(service, name, None)
            if timer is not None:
                hub.timers.append(timer)
    hub.timers.append(Retention(hub, hub.config.identity_keep_days).tick)
    hub.beginnings.append(hub.contingency.begin)
    hub.rooms.on_link(hub.contingency.on_link)
    hub.rooms.on_hearing(hub.contingency.on_hearing)


def _react(hub: Hub) -> None:
    """What follows a commit: projections, then the boards."""
    hub.facts.on_append(hub.projector.wake)
    hub.ingest.on_recorded(hub.projector.wake)
    hub.ingest.on_backlog(hub.projector.let_catch_up)
    hub.projector.before_turn(hub.rooms.refresh)
    witnesses = Witnesses(
        store=hub.store, clock=hub.clock, keys=hub.keys, fleet=hub.fleet, log=hub.event_log
    )
    hub.ingest.on_leaf(UP_COSIGN, witnesses.heard)
    hub.timers += [hub.event_log.tick, witnesses.tick, hub.accounts.log.tick]

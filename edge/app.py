"""Composition: the only file that names concrete drivers. Builds a room from its file."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.clock import Clock, boot_id
from edge.code_side import CodeSide, build_code_side
from edge.config import RoomFile
from edge.credentials import check_credentials, read_trust
from edge.crypto import member_tag, read_private, signer
from edge.devices import Device, LockBoard, Mono, Reading, Sink
from edge.drivers.cu16 import LockBoardCu16
from edge.drivers.gpio_inputs import GpioInputs
from edge.drivers.idcard import CardReader
from edge.drivers.ld2410 import SeatRadar
from edge.drivers.lockboard import LockBoard8a80
from edge.drivers.megatec import Ups
from edge.duty import DutyRoster
from edge.effects import Effects
from edge.hub_side import HubSide, build_hub_side
from edge.identify import Identifier
from edge.inbox import Inbox, Observed
from edge.intake import Intake
from edge.journal import DiskFullError, Journal, StorageError
from edge.keeping import Keeping
from edge.lines import KV_UPLINK
from edge.media import sandbox
from edge.media.recorder import Recorder, Source
from edge.media.spool import Spool
from edge.media.uploader import Uploader
from edge.packs import KV_PACK, kept_pack
from edge.pipe import Pipe
from edge.remote import KV_CLOSED, Hands
from edge.runtime import CALL_S, Runtime
from edge.screen_port import Bell, Facts, RoomDesk
from edge.service import RoomService
from edge.telemetry import Gauges, Reporter
from edge.tuning import KV_CONFIG, Tuning
from edge.uplink import Identity, Uplink, Vitals
from edge.watchdog import Watchdog
from edge.witness import Witness
from protocols.messages.identity import kid
from protocols.messages.signed import Signer
from protocols.messages.status import RoomKeys
from protocols.messages.trust import ROLE_CONTROLLER
from protocols.policy.pack import Pack
from protocols.policy.room_fields import is_by_code
from protocols.policy.room_model import DeviceConfig, RoomConfig
from protocols.policy.session import Phase
from protocols.wire.lockboard import BitOrder, Feedback

SOFTWARE = "evalroom 0.1.0"
KV_TRIES = "pin-tries"
MS_PER_S = 1000
BYTES_PER_KIB = 1024
FULL_RETRY_S = 1.0
log = logging.getLogger("evalroom.edge.app")


def room_config(room: RoomFile) -> RoomConfig:
    """The room as the core sees it."""
    devices = [
        DeviceConfig("idcard", "idcard"),
        DeviceConfig("locker", "lockboard" if room.get("locker", "board") == "8a80" else "cu16"),
        DeviceConfig("ups", "ups"),
        DeviceConfig("gpio", "gpio"),
        *(DeviceConfig(f"radar{seat.station}", "radar") for seat in room.seats),
    ]
    return RoomConfig(
        ctl=room.credentials.ctl,
        place=room.credentials.place,
        stations=tuple(seat.station for seat in room.seats),
        lockers=tuple(range(1, room.get("locker", "count") + 1)),
        item_sensor=room.get("locker", "board") == "cu16" and room.get("locker", "item_sensor"),
        streams=tuple(camera.stream for camera in room.cameras),
        devices=tuple(devices),
    )


def build_board(room: RoomFile, sink: Sink, mono: Mono) -> LockBoard:
    """The room's lock board, by the word in its file."""
    port, count = room.get("locker", "port"), room.get("locker", "count")
    baud, address = room.get("locker", "baud"), room.get("locker", "address")
    if room.get("locker", "board") == "cu16":
        return LockBoardCu16(
            device="locker",
            port=port,
            sink=sink,
            mono=mono,
            count=count,
            baud=baud or 19_200,
            address=address,
            item_sensor=room.get("locker", "item_sensor"),
        )
    return LockBoard8a80(
        device="locker",
        port=port,
        sink=sink,
        mono=mono,
        count=count,
        baud=baud or 9_600,
        address=address or 1,
        feedback=Feedback(room.get("locker", "feedback")),
        bit_order=BitOrder(room.get("locker", "bit_order")),
    )


def build_devices(room: RoomFile, board: LockBoard, sink: Sink, mono: Mono) -> list[Device]:
    """Every device of the room, the lock board first; nothing is opened before `start`.

    Raises:
        DeviceError: an option does not fit a board, or a pin cannot be opened.
    """
    control = room.get("gpio", "control")
    devices: list[Device] = [
        board,
        CardReader(
            device="idcard",
            port=room.get("id_reader", "port"),
            sink=sink,
            mono=mono,
            baud=room.get("id_reader", "baud"),
        ),
        Ups(
            device="ups",
            port=room.get("power", "ups_port"),
            sink=sink,
            mono=mono,
            baud=room.get("power", "ups_baud"),
            charge_table=tuple((volts, int(pct)) for volts, pct in room.get("power", "ups_table")),
        ),
        GpioInputs(
            device="gpio",
            sink=sink,
            mono=mono,
            mains_pin=room.get("power", "mains_pin"),
            mat_pins={seat.station: seat.mat_pin for seat in room.seats},
            backend=room.get("gpio", "backend"),
            control=(room.path.parent / control) if control else None,
            mains_back_ms=room.get("power", "mains_back_s") * MS_PER_S,
        ),
    ]
    return devices + [
        SeatRadar(
            device=f"radar{seat.station}",
            port=seat.radar_port,
            sink=sink,
            mono=mono,
            station=seat.station,
            baud=seat.radar_baud,
        )
        for seat in room.seats
    ]


def build(room: RoomFile) -> RoomService:
    """Opens journal and keys, folds the record, wires everything; starts nothing.

    Raises:
        DeviceError, CryptoError, JournalError: what cannot be opened, and what to do.
    """
    return _Builder(room).build()


def _room_path(room: RoomFile, section: str, name: str) -> Path:
    return (room.path.parent / str(room.get(section, name))).resolve()


@dataclass(slots=True)
class _Builder:
    """The order of wiring; what one part needs of another is built before it."""

    room: RoomFile
    clock: Clock = field(init=False)
    inbox: Inbox = field(default_factory=Inbox)
    bell: Bell = field(default_factory=Bell)

    def build(self) -> RoomService:
        room, me = self.room, self.room.credentials
        check_credentials(room)
        offset = room.get("clock", "offset_file")
        self.clock = Clock(Path(offset) if offset else None)
        state = _room_path(room, "controller", "state_dir")
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        journal = self._open_journal(state / "journal.sqlite", me.ctl)
        try:
            return self._wire(journal)
        except BaseException:
            # Also when a person ends it here: the file's lock is freed, the error goes on.
            journal.close()
            raise

    def _open_journal(self, path: Path, ctl: str) -> Journal:
        """Waits for room on a full disk: ending would only be started again, and again be full."""
        pause, watchdog, told = threading.Event(), Watchdog.from_environment(), False
        while True:
            try:
                return Journal.open(
                    path,
                    ctl=ctl,
                    boot=boot_id(),
                    clock=self.clock,
                    entropy=secrets.token_bytes,
                )
            except DiskFullError as error:
                if not told:
                    log.warning("%s\n  do: free space on the disk; the room waits for it", error)
                told = True
            watchdog.waiting()
            pause.wait(FULL_RETRY_S)

    def _wire(self, journal: Journal) -> RoomService:
        room, me = self.room, self.room.credentials
        identifier = Identifier(member_tag)
        roster = DutyRoster(self.clock.mono_ms)
        sink = self._sink(identifier)
        board = build_board(room, sink, self.clock.mono_ms)
        devices = build_devices(room, board, sink, self.clock.mono_ms)
        spool = Spool(_room_path(room, "media", "dir") / "spool")
        recorder = self._recorder(spool)
        effects = Effects(
            board=board,
            devices=devices,
            recorder=recorder,
            spool=spool,
            inbox=self.inbox,
            wall=self.clock.wall,
        )
        watchdog = Watchdog.from_environment()
        runtime = self._runtime(journal, effects, watchdog)
        self._keep_tries(roster, journal, runtime)
        side = build_hub_side(room, spool, self.inbox, journal.kv_get(KV_UPLINK))
        intake = self._intake(journal, identifier, roster, runtime)
        intake.fetch = side.fetcher.want
        mine = self._keys()
        codes = self._codes(intake, runtime, effects, mine[1])
        uplink = self._uplink(journal, side.pipe, intake, runtime, mine)
        uplink.on_rollback = side.uploader.start_over
        runtime.uplink = uplink
        runtime.hands = hands = self._hands(runtime, effects, side, uplink, devices)
        runtime.keeping = Keeping(
            runtime, spool, lambda: intake.receipted, intake.closed, effects.later
        )
        effects.remote = hands.run
        gauges = Gauges(
            runtime, journal, spool, self.clock, uplink.waiting, SOFTWARE, side.lines.standing
        )
        uplink.reporter = Reporter(gauges.facts, gauges.figures, self.clock.mono_ms)
        desk = RoomDesk(
            runtime=runtime,
            inbox=self.inbox,
            intake=intake,
            roster=roster,
            codes=codes,
            bell=self.bell,
            about=Facts(me.place_name, me.org_name, {one.stream: one.name for one in room.cameras}),
            entropy=secrets.token_bytes,
            link_up=side.pipe.up,
            waiting=uplink.waiting,
            trouble=lambda: side.trouble() or uplink.trouble(),
        )
        return RoomService(
            room=room,
            clock=self.clock,
            journal=journal,
            inbox=self.inbox,
            runtime=runtime,
            intake=intake,
            devices=devices,
            recorder=recorder,
            uploader=side.uploader,
            pipe=side.pipe,
            uplink=uplink,
            effects=effects,
            desk=desk,
            watchdog=watchdog,
            fetcher=side.fetcher,
            lines=side.lines,
            renewer=side.renewer,
        )

    def _sink(self, identifier: Identifier) -> Sink:
        """Readings on their way into the inbox; an ID number ends here, in the reader's thread."""

        def take(reading: Reading) -> None:
            data = dict(reading.data)
            if reading.kind == "selftest":
                return  # whoever asked for it gets it as an answer
            if reading.kind == "card":
                matches = identifier.match(str(data["number"]))
                data = {"matches": matches, "layout": data["layout"]}
            self.inbox.put(Observed(reading.kind, {**data, "device": reading.device}))

        return take

    def _recorder(self, spool: Spool) -> Recorder:
        room, lacking = self.room, sandbox.missing()
        if lacking:
            log.warning("%s", lacking)
        return Recorder(
            [Source(one.stream, one.source) for one in room.cameras],
            folder=_room_path(room, "media", "dir"),
            spool=spool,
            sink=lambda kind, data: self.inbox.put(Observed(kind, data)),
            clock=self.clock,
            segment_s=room.get("media", "segment_s"),
            mark=room.credentials.ctl,
            boxed=room.get("media", "box") == "must",
        )

    def _hands(
        self,
        runtime: Runtime,
        effects: Effects,
        side: HubSide,
        uplink: Uplink,
        devices: list[Device],
    ) -> Hands:
        """What the hub may ask of the controller itself, joined with what carries it out."""
        journal, tuning = runtime.journal, self._tuning(side.uploader, devices)
        said = tuning.recall(journal.kv_get(KV_CONFIG))
        if said:
            log.warning("the kept configuration is not in force, the room's file is: %s", said)
        side.switch_with(self.room, effects.later)
        return Hands(
            lines=side.lines,
            tuning=tuning,
            spool=effects.spool,
            mono_ms=self.clock.mono_ms,
            reopen=runtime.reopen,
            later=effects.later,
            wake=side.uploader.first,
            ask=uplink.again,
            answered_ms=lambda: uplink.answered_ms,
            stored=journal.result_get,
        )

    def _tuning(self, uploader: Uploader, devices: list[Device]) -> Tuning:
        """Options that may change while the room runs, and the parts they belong to."""
        (gpio,) = (device for device in devices if isinstance(device, GpioInputs))
        parts: dict[str, Callable[[int], None]] = {
            "media.upload_kib_s": lambda kib_s: uploader.set_rate(kib_s * BYTES_PER_KIB),
            "power.mains_back_s": lambda back_s: gpio.set_mains_back(back_s * MS_PER_S),
        }
        return Tuning(self.room, dict(parts))

    def _runtime(self, journal: Journal, effects: Effects, watchdog: Watchdog) -> Runtime:
        kept = journal.kv_get(KV_PACK)
        configured = self.room.path.read_bytes() + (journal.kv_get(KV_CONFIG) or b"")
        return Runtime(
            config=room_config(self.room),
            pack=kept_pack(kept),
            journal=journal,
            clock=self.clock,
            inbox=self.inbox,
            run_effect=effects.run,
            on_change=self.bell.ring,
            heartbeat=watchdog.beat,
            software=SOFTWARE,
            config_hash=hashlib.sha256(configured).hexdigest(),
        )

    def _keep_tries(self, roster: DutyRoster, journal: Journal, runtime: Runtime) -> None:
        """PIN tries live in the journal's small state and are counted in the room's steady time."""

        def keep(tries: bytes) -> None:
            # On a full disk they count in memory only: nothing can be acted there anyway.
            with contextlib.suppress(StorageError):
                self.inbox.ask(lambda: journal.kv_put(KV_TRIES, tries), CALL_S)

        roster.now_ms, roster.keep = runtime.now_ms, keep
        roster.recall(journal.kv_get(KV_TRIES))

    def _intake(
        self, journal: Journal, identifier: Identifier, roster: DutyRoster, runtime: Runtime
    ) -> Intake:

        def use_pack(pack: Pack) -> None:
            if pack.hash != runtime.pack.hash:
                journal.kv_put(KV_PACK, pack.canonical())
                runtime.pack = pack

        def numbers(session: str) -> tuple[int, str]:
            known = runtime.state.sessions.get(session)
            if known is None:
                return 0, ""
            last = next((one.id for one in known.orders if one.n == known.last_n), "")
            return known.last_n, last

        def coded(session: str) -> frozenset[int]:
            known = runtime.state.sessions.get(session)
            return (
                frozenset(one.n for one in known.orders if is_by_code(one))
                if known
                else frozenset()
            )

        def closed(session: str) -> bool:
            known = runtime.state.sessions.get(session)
            if known is None:
                return journal.kv_get(KV_CLOSED + session) is not None
            return known.phase is Phase.CLOSED

        return Intake(
            ctl=self.room.credentials.ctl,
            trust=read_trust(self.room),
            seal_key=read_private(self.room.credentials.folder / "seal.key"),
            journal=journal,
            identifier=identifier,
            roster=roster,
            at_trust=self.clock.trust,
            order_numbers=numbers,
            coded=coded,
            closed=closed,
            use_pack=use_pack,
            trial=runtime.plan_trial,
        )

    def _codes(
        self, intake: Intake, runtime: Runtime, effects: Effects, signers: tuple[Signer, ...]
    ) -> CodeSide:
        """Offline codes come with a plan and are wiped with the session's other secrets."""
        entropy, closed = secrets.token_bytes, intake.closed
        codes = build_code_side(runtime.journal, runtime.now_ms, entropy, signers, closed)
        intake.codes = codes.learn
        effects.forget = (intake.forget, codes.book.forget)
        return codes

    def _keys(self) -> tuple[RoomKeys, tuple[Signer, ...]]:
        public, sign = signer(read_private(self.room.credentials.folder / "sign.key"))
        mine = Signer(kid=kid(public), role=ROLE_CONTROLLER, sign=sign)
        return RoomKeys(sign=public.hex()), (mine,)

    def _uplink(
        self,
        journal: Journal,
        pipe: Pipe,
        intake: Intake,
        runtime: Runtime,
        mine: tuple[RoomKeys, tuple[Signer, ...]],
    ) -> Uplink:
        me = self.room.credentials
        return Uplink(
            me=Identity(
                ctl=me.ctl,
                boot=boot_id(),
                software=SOFTWARE,
                keys=mine[0],
                signers=mine[1],
            ),
            journal=journal,
            pipe=pipe,
            intake=intake,
            mono_ms=self.clock.mono_ms,
            entropy=secrets.token_bytes,
            vitals=lambda: Vitals(runtime.journal_ok(), runtime.take_loop_ms()),
            witness=Witness(
                ctl=me.ctl,
                hub=intake.trust.hub,
                journal=journal,
                public=bytes.fromhex(mine[0].sign),
                sign=mine[1][0].sign,
                wall_s=lambda: int(self.clock.wall().timestamp()),
                mono_ms=self.clock.mono_ms,
            ),
        )

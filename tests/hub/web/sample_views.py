"""One day of views: 2026-11-24, a mains fault in a guest room, decision, resumption, signing.

The console's pages are rendered from these in tests and for pictures; `SampleSource` answers as
the services would. The people are posts, the day is invented.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.web.i18n import Both, Text, say
from hub.web.views_board import (
    AlarmRow,
    BoardView,
    DeviceMark,
    Look,
    Tile,
    TodayRow,
    Venue,
)
from hub.web.views_common import Shape, State, Viewer

HUBEI = Both("湖北省公共资源交易中心", "Hubei Public Resources Trading Centre")
CHANGSHA = Both("长沙公共资源交易中心", "Changsha Public Resources Trading Centre")
SESSION = "s-0123456789ab"
CASE = "k-0123456789ab"

VIEWER = Viewer(
    person="p-00000000000a",
    login="hubei.home_manager",
    post="HB-07",
    org="hubei",
    org_name=Both("湖北中心", "Hubei centre"),
    role="home_manager",
    roles=frozenset({"home_manager", "fault_handler"}),
    csrf="token",
)


GUEST = Viewer(
    person="p-00000000000c",
    login="changsha.guest_coordinator",
    post="CS-12",
    org="changsha",
    org_name=Both("长沙中心", "Changsha centre"),
    role="guest_coordinator",
    roles=frozenset({"guest_coordinator"}),
    csrf="token",
)


def at(clock: str, day: int = 24) -> datetime:
    """The venue's clock time on the sample day, as UTC."""
    hour, minute, *rest = (int(part) for part in clock.split(":"))
    local = datetime(2026, 11, day, hour, minute, rest[0] if rest else 0, tzinfo=UTC)
    return local - timedelta(hours=8)


NOW = at("10:42:07")
LATER = at("15:26:31")


def room(zh: str) -> Text:
    """A room's name as the venues write it."""
    words = {
        "一室": "Room 1",
        "二室": "Room 2",
        "三室": "Room 3",
        "四室": "Room 4",
        "五室": "Room 5",
    }
    return Both(zh, words.get(zh, zh))


def marks(**levels: str) -> tuple[DeviceMark, ...]:
    """The device strip; what is not named is ok."""
    keys = ("power", "network", "recording", "locker")
    default = levels.get("all", "ok")
    return tuple(DeviceMark(key, levels.get(key, default)) for key in keys)


def tile(
    name: str,
    title: Text,
    foot: Text,
    *,
    look: Look = Look.NORMAL,
    badge: State | None = None,
    right: Text = "",
    seats: str = "",
    seats_text: Text | None = None,
    devices: tuple[DeviceMark, ...] | None = None,
    since: datetime | None = None,
    href: str = f"/sessions/{SESSION}",
) -> Tile:
    """One tile; `seats` is a string of 1 and 0."""
    taken = tuple(mark == "1" for mark in seats)
    text = seats_text or say("board.tile.seats", on=sum(taken), all=len(taken))
    return Tile(
        name=room(name),
        href=href,
        look=look,
        title=title,
        badge=badge,
        right=right,
        since=since,
        devices=devices or marks(),
        seats=taken,
        seats_text=text,
        foot=foot,
    )


def ph(name: str) -> Text:
    """A phase's word."""
    return say(f"phase.{name}")


def home_tiles() -> tuple[Tile, ...]:
    """The home venue's six rooms."""
    note = "board.tile.session_note"
    return (
        tile(
            "301",
            ph("suspended"),
            Both("等候副场恢复供电", "waits for the guest's power"),
            badge=State(Shape.PAUSE, say("board.tile.wait")),
            right=say("board.tile.session", no="03"),
            seats="11",
        ),
        tile(
            "302",
            ph("evaluating"),
            say(note, no="02", text=Both("走备用网络", "on spare line")),
            look=Look.P2,
            badge=State(Shape.P2, "P2"),
            right="01:39",
            seats="1111",
            devices=marks(network="p2"),
        ),
        tile("303", ph("idle"), say("board.tile.next", at="11-25 09:00"), seats="0000"),
        tile(
            "305",
            ph("evaluating"),
            say(note, no="04", text=Both("3 号机位码率低", "camera 3 bit rate low")),
            look=Look.P3,
            badge=State(Shape.P3, "P3", acked=True),
            right="01:08",
            seats="111",
            devices=marks(recording="p3"),
        ),
        tile(
            "306",
            ph("check_in"),
            say(note, no="05", text=Both("待 2号评委", "waits for no. 2")),
            right=say("board.tile.since", at="10:30"),
            seats="10",
        ),
        tile(
            "308",
            ph("prepared"),
            say(note, no="06", text=say("board.tile.selftest", at="10:15")),
            right=say("board.tile.starts", at="11:00"),
            seats="000",
        ),
    )


def guest_tiles() -> tuple[Tile, ...]:
    """The guest venue's five rooms, one in trouble and one silent."""
    note = "board.tile.session_note"
    return (
        tile(
            "一室",
            ph("evaluating"),
            say(note, no="02", text=Both("录制 4 路", "4 streams")),
            right="01:39",
            seats="111",
        ),
        tile(
            "二室",
            say("term.fault.power"),
            say(
                "board.tile.case",
                no="03",
                phase=ph("suspended"),
                case="#0417",
                state=say("term.case.decision_due"),
            ),
            look=Look.P1,
            since=at("10:34:44"),
            href=f"/cases/{CASE}",
            seats="111",
            badge=State(Shape.P1, say("board.tile.acked", level="P1"), acked=True),
            seats_text=say("board.tile.seats_ups", on=3, all=3, charge="78%"),
            devices=marks(power="p1"),
        ),
        tile(
            "三室",
            say("board.tile.silent"),
            say("board.tile.asof", at="10:31:40"),
            look=Look.OLD,
            badge=State(Shape.UNKNOWN, say("unknown")),
            since=at("10:31:40"),
            seats_text=say("last_known", text=ph("idle")),
            devices=marks(all="un"),
        ),
        tile(
            "四室",
            ph("check_in"),
            say(note, no="05", text=Both("07 号柜无回读", "locker 07 gives no reading")),
            look=Look.P3,
            badge=State(Shape.P3, "P3", acked=True),
            right=say("board.tile.since", at="10:30"),
            seats="110",
            devices=marks(locker="p3"),
        ),
        tile(
            "五室",
            say("board.tile.out"),
            Both("更换摄像机", "camera being replaced"),
            look=Look.OUT,
            right=Both("至 11-25", "to 11-25"),
            seats_text=Both("不可预约", "cannot be booked"),
            devices=marks(all="na"),
        ),
    )


def alarm_row(
    level: str, place: Text, since: str, what: Text, consequence: Text, **more: object
) -> AlarmRow:
    values: dict[str, object] = {
        "alarm": f"a-{since}",
        "acked": True,
        "ack_due": False,
        "may_ack": True,
        "case_href": "",
        "case_text": "",
        "ack_text": "",
    }
    values.update(more)
    return AlarmRow(
        level=level, place=place, since=at(since), what=what, consequence=consequence, **values
    )


def alarms() -> tuple[AlarmRow, ...]:
    """Five alarms of three levels."""
    return (
        alarm_row(
            "p1",
            Both("长沙 二室", "Changsha Room 2"),
            "10:34:44",
            Both("市电中断，UPS 供电", "Mains lost, on UPS"),
            Both(
                "约 26 分钟后录制停止。由此引起的 11 项已并入。",
                "recording stops in about 26 minutes. 11 alarms caused by it are merged.",
            ),
            ack_text=say("alarm.acked_by", post="CS-12", at="10:35:20"),
            case_href=f"/cases/{CASE}",
            case_text=say("alarm.case", case="#0417"),
        ),
        alarm_row(
            "p2",
            Both("湖北 302", "Hubei 302"),
            "10:38:49",
            Both("主用网络中断，已走备用", "Main line lost, on the spare line"),
            Both(
                "再断一路即与中心失联；现场照常记录。",
                "one more failure cuts the room off from the hub; the room goes on recording.",
            ),
            acked=False,
            ack_due=True,
            ack_text=say("alarm.ack_before", at="10:48:49"),
        ),
        alarm_row(
            "p2",
            Both("长沙 三室", "Changsha Room 3"),
            "10:31:40",
            Both("失联，原因待确认", "Not reachable, cause unknown"),
            Both(
                "二室的备用评标室，转入前须现场核实。",
                "it is the spare for Room 2 and must be checked on site first.",
            ),
            acked=False,
            ack_due=True,
            ack_text=say("alarm.ack_late", n="00:27"),
        ),
        alarm_row(
            "p3",
            Both("湖北 305", "Hubei 305"),
            "10:01:02",
            Both("3 号机位摄像机码率偏低", "Camera of station 3 has a low bit rate"),
            Both("画面可能不清；1 号机位覆盖。", "the picture may be poor; station 1 covers it."),
            ack_text=say("alarm.acked_by", post="HB-21", at="10:04:12"),
        ),
        alarm_row(
            "p3",
            Both("长沙 四室", "Changsha Room 4"),
            "10:32:17",
            Both("07 号柜门无回读", "Locker 07 gives no reading"),
            Both("该柜不可分配。", "that locker cannot be assigned."),
            ack_text=say("alarm.acked_by", post="CS-12", at="10:36:40"),
        ),
    )


def today_row(
    clock: str, n: str, home: str, guests: Text, phase: str, members: Text, st: State
) -> TodayRow:
    number = f"2026-1124-{n}"
    return TodayRow(
        at(clock),
        number,
        f"1124-{n}",
        f"/sessions/{SESSION}",
        home,
        guests,
        ph(phase),
        members,
        st,
    )


def seated(n: int) -> Text:
    return say("board.members.seated", n=n, all=n)


def city(zh: str, en: str) -> Text:
    return Both(zh, en)


def today() -> tuple[TodayRow, ...]:
    """The day's six sessions."""
    return (
        today_row(
            "08:30",
            "01",
            "303",
            city("南京市", "Nanjing"),
            "ended",
            say("board.members.left", n=5, all=5),
            State(Shape.OK, say("board.att.handover", date="11-27")),
        ),
        today_row(
            "09:00",
            "02",
            "302",
            city("长沙 一室", "Changsha Room 1"),
            "evaluating",
            seated(7),
            State(Shape.P2, Both("备用网络", "Spare line")),
        ),
        today_row(
            "09:00",
            "03",
            "301",
            city("长沙 二室", "Changsha Room 2"),
            "suspended",
            seated(5),
            State(
                Shape.P1,
                say("board.att.case", case="#0417", state=say("term.case.decision_due")),
                acked=True,
            ),
        ),
        today_row(
            "09:30",
            "04",
            "305",
            city("达州市", "Dazhou"),
            "evaluating",
            seated(5),
            State(Shape.P3, Both("码率偏低", "Low bit rate"), acked=True),
        ),
        today_row(
            "10:30",
            "05",
            "306",
            city("长沙 四室", "Changsha Room 4"),
            "check_in",
            say("board.members.in", n=3, all=5),
            State(Shape.P3, Both("柜门无回读", "Locker gives no reading"), acked=True),
        ),
        today_row(
            "11:00",
            "06",
            "308",
            city("四川省", "Sichuan"),
            "prepared",
            say("board.members.not_yet", n=0, all=5),
            State(Shape.OK, say("board.tile.selftest", at="10:15")),
        ),
    )


def board() -> BoardView:
    """The board of the sample day."""
    names = ("sessions", "evaluating", "suspended", "check_in", "waiting", "ended")
    counts = tuple(
        (say(f"board.count.{name}"), n) for name, n in zip(names, (6, 2, 1, 1, 1, 1), strict=True)
    )

    def venue(name: Text, role: str, tiles: tuple[Tile, ...], rec: str, online: str) -> Venue:
        on, streams = rec.split("/")
        up, controllers = online.split("/")
        return Venue(
            name,
            say(role),
            say(
                "board.venue",
                rooms=len(tiles),
                rec=on,
                streams=streams,
                online=up,
                controllers=controllers,
            ),
            tiles,
        )

    return BoardView(
        now=NOW,
        counts=counts,
        p1=1,
        p2=2,
        p3=2,
        shelved=1,
        venues=(
            venue(HUBEI, "home", home_tiles(), "18/18", "6/6"),
            venue(CHANGSHA, "guest", guest_tiles(), "11/12", "3/4"),
        ),
        today=today(),
        alarms=alarms(),
        unacked=2,
        shelf=(
            Both("湖北 303 读卡器偶发重连，至 12:00", "Hubei 303 card reader reconnects, to 12:00"),
        ),
    )

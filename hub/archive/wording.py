"""How a filed document writes times, posts, sizes and the values of official lists, in Chinese.

Records keep RFC 3339 in UTC; only what people read is turned into Beijing time, cut to the second
and never rounded up, so that no act seems later than the record says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final

from protocols.policy.booking import SHANGHAI
from protocols.terms import TERMS

NONE: Final = "—"
ZONE: Final = "北京时间 UTC+08:00"
WEEKDAYS: Final = ("一", "二", "三", "四", "五", "六", "日")
KIB: Final = 1024

Stamp = Callable[[object], str]
"""An instant of the record as a person reads it; '—' for none."""

METHODS: Final = {"card": "读取证件", "two_staff": "两名工作人员核验"}
PAPERS: Final = {"id_card": "居民身份证", "resident": "居民身份证", "passport": "护照"}
VIAS: Final = {"hub": "中心签发", "screen": "现场屏幕签发", "code": "离线指令码"}
NO_PERSON: Final = {"hub": "中心密钥，无人签名", "code": "离线指令码"}
"""Who an order is by when no person's signature came with it."""
CONSENTS: Final = {"lead": "组长"}
CHECKS: Final = {"health": "健康申报", "recusal": "回避询问", "commitment": "承诺书"}
GAP_KINDS: Final = {"media.gap": "缺口", "media.lost": "缺失", "media.damaged": "损坏"}
CAUSES: Final = {
    "mains_lost": "市电中断",
    "disagree": "市电触点与 UPS 读数不一致",
    "unstable": "反复出现，不稳定",
    "power": "市电中断",
    "network": "网络故障",
    "device": "设备故障",
    "system": "评标系统故障",
    "reported": "人工上报",
    "restart": "程序重新启动",
    "unknown": "原因待确认",
    "carrier": "网线无信号",
    "route": "无可用路由",
    "gateway": "网关无应答",
    "wan": "外网不通",
    "dns": "域名解析失败",
    "tcp": "无法连接中心",
    "tls": "安全连接失败",
    "mqtt": "与中心的消息连接中断",
    "echo": "中心无应答",
    "silent": "设备失联",
    "ups_failed": "UPS 自报故障",
    "start": "程序启动",
    "gap": "记录存在缺口",
}

DEVICES: Final = {
    "locker": "手机柜",
    "idcard": "证件阅读器",
    "ups": "UPS",
    "gpio": "输入输出板",
    "radar": "机位雷达",
    "disk": "存储盘",
    "camera": "摄像机",
    "clock": "时钟",
}


def moment_of(at: object) -> datetime | None:
    """An instant in Beijing time, or None where there is none to read."""
    try:
        found = datetime.fromisoformat(str(at)) if at else None
    except ValueError:
        return None
    return None if found is None or found.tzinfo is None else found.astimezone(SHANGHAI)


def full(at: object) -> str:
    """`2026-11-24 09:00:21`."""
    moment = moment_of(at)
    return NONE if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def of_day(day: date | None) -> Stamp:
    """Only the time on the session's own day; on another day the date stands before it."""

    def stamp(at: object) -> str:
        moment = moment_of(at)
        if moment is None:
            return NONE
        return f"{moment:%H:%M:%S}" if moment.date() == day else f"{moment:%m-%d %H:%M:%S}"

    return stamp


def day_heading(day: date) -> str:
    """`2026年11月24日（星期二）`."""
    return f"{day.year}年{day.month}月{day.day}日（星期{WEEKDAYS[day.weekday()]}）"


def duration(seconds: object) -> str:
    """`1小时02分03秒`, `21秒`."""
    try:
        whole = int(float(str(seconds)))
    except ValueError:
        return NONE
    hours, rest = divmod(max(whole, 0), 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}小时{minutes:02d}分{left:02d}秒"
    return f"{minutes}分{left:02d}秒" if minutes else f"{left}秒"


def size(count: int) -> str:
    """`40.6 KiB`; bytes below one KiB as they are."""
    if count < KIB:
        return f"{count} B"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        value /= KIB
        if value < KIB:
            return f"{value:.1f} {unit}"
    return f"{value / KIB:.1f} TiB"


def label(prefix: str, key: object) -> str:
    """The official word of a value; a value without one as it stands, none as '—'."""
    found = TERMS.get(f"{prefix}.{key}")
    if found is not None:
        return found.zh
    return str(key) if key else NONE


def labels(prefix: str, keys: object) -> str:
    """Official words joined; '无' where the list is empty."""
    if not isinstance(keys, Iterable) or isinstance(keys, (str, bytes, Mapping)):
        return label(prefix, keys)
    return "、".join(label(prefix, key) for key in keys) or "无"


def cause(value: object) -> str:
    """A cause in words; `power-1` is the first fault of kind power."""
    text = str(value or "")
    return CAUSES.get(text) or CAUSES.get(text.partition("-")[0], text) or "原因待确认"


def post(person: object) -> str:
    """Who acted, by post: `HB-01（主场值班负责人）`; a system by its role."""
    if isinstance(person, str):
        return person or NONE
    if not isinstance(person, Mapping):
        return NONE
    name, role = str(person.get("post") or ""), str(person.get("role") or "")
    if person.get("person") in NO_PERSON:
        return NO_PERSON[str(person["person"])]
    if role == "system":
        return "评标系统"
    known = label("role", role) if role else ""
    if name and known:
        return f"{name}（{known}）"
    return name or known or NONE


def posts(people: object) -> str:
    """Several persons by post; '—' where nobody is named."""
    if isinstance(people, (list, tuple)):
        return "、".join(post(one) for one in people) or NONE
    return post(people)


def codes(people: object) -> str:
    """Posts without their roles, where the column is narrow."""
    if not isinstance(people, (list, tuple)):
        return ""
    return "、".join(str(one.get("post") or "") for one in people if isinstance(one, Mapping))


def on_duty(person: object) -> str:
    """A post of the roster; whoever manages a guest venue is not the home venue's manager."""
    if isinstance(person, Mapping) and person.get("role") == "home_manager":
        return f"{person.get('post') or NONE}（{TERMS['manager_on_duty'].zh}）"
    return post(person)


def device(name: object) -> str:
    """`radar2` is 机位雷达2; a device without a word keeps its own name."""
    text = str(name or "")
    bare = text.rstrip("0123456789")
    known = DEVICES.get(bare)
    return f"{known}{text[len(bare) :]}" if known else f"设备 {text or NONE}"


def paper(value: object) -> str:
    """The document somebody showed."""
    return PAPERS.get(str(value), str(value or NONE))


def member(number: object) -> str:
    """`4号评委`; never a name."""
    return f"{number}号评委"


def mapping(value: Any) -> Mapping[str, Any]:
    """A JSON object, or an empty one where something else stands."""
    return value if isinstance(value, Mapping) else {}

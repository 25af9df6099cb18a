"""Templates of the console: environment, filters, and the values every page has.

Times in views are aware UTC datetimes; screens show the venues' one civil time, UTC+08:00.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from hub.web.i18n import HTML_LANG, Say, catalogue, in_full

HERE: Final = Path(__file__).parent
STATIC_DIR: Final = HERE / "static"
VENUE_TIME: Final = timezone(timedelta(hours=8), "UTC+08:00")  # all venues of the plan share it
_HASH_CHARS: Final = 12  # enough to tell two releases of one file apart


def local(at: datetime) -> datetime:
    """The instant in the venues' civil time."""
    return at.astimezone(VENUE_TIME)


def hm(at: datetime | None) -> str:
    """`09:02`; nothing for no time."""
    return "" if at is None else local(at).strftime("%H:%M")


def hms(at: datetime | None) -> str:
    """`15:26:31`; nothing for no time."""
    return "" if at is None else local(at).strftime("%H:%M:%S")


def md(at: datetime | None) -> str:
    """`11-24`; nothing for no time."""
    return "" if at is None else local(at).strftime("%m-%d")


def ymd(at: datetime | None) -> str:
    """`2026-11-24`; nothing for no time."""
    return "" if at is None else local(at).strftime("%Y-%m-%d")


def ymdhm(at: datetime | None) -> str:
    """`2026-11-24 09:00`; nothing for no time."""
    return "" if at is None else local(at).strftime("%Y-%m-%d %H:%M")


def duration(seconds: float | None) -> str:
    """`00:07:23` of a number of seconds; nothing for none."""
    if seconds is None:
        return ""
    whole = max(0, int(seconds))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def epoch_ms(at: datetime | None) -> str:
    """The instant as milliseconds for a ticking clock of the page; nothing for no time."""
    return "" if at is None else str(int(at.timestamp() * 1000))


def iso(at: datetime | None) -> str:
    """RFC 3339 in UTC for `<time datetime>`."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def static_url(name: str) -> str:
    """Address of a static file that changes when its bytes change, so it may be cached for long."""
    digest = hashlib.sha256((STATIC_DIR / name).read_bytes()).hexdigest()[:_HASH_CHARS]
    return f"/static/{name}?v={digest}"


@pass_context
def _t(context: Context, key: str, /, **args: object) -> str:
    return catalogue().text(str(context["lang"]), key, args)


@pass_context
def _say(context: Context, value: object) -> str:
    return catalogue().render(str(context["lang"]), value)


@pass_context
def _full(context: Context, value: object) -> str:
    return catalogue().render(str(context["lang"]), in_full(value))


@pass_context
def _day(context: Context, at: datetime | None) -> str:
    if at is None:
        return ""
    moment = local(at)
    weekday = Say(f"weekday.{moment.isoweekday()}")
    args = {"month": moment.month, "day": moment.day, "weekday": weekday}
    return catalogue().text(str(context["lang"]), "date.day", args)


@pass_context
def _words(context: Context, prefix: str) -> dict[str, str]:
    return catalogue().part(str(context["lang"]), prefix)


def shape(name: str, label: str = "") -> Markup:
    """One shape of the state table; with a label it is read aloud, else hidden beside its word."""
    if label:
        return Markup('<svg class="i" role="img" aria-label="{}"><use href="#i-{}"/></svg>').format(
            label, name
        )
    return Markup('<svg class="i" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)


@cache
def environment() -> Environment:
    """The template environment: escaping on, an unknown value is an error."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        auto_reload=False,  # a page and its view are of one release, also while files are exchanged
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(t=_t, words=_words, static=static_url, shape=shape)
    env.filters.update(
        say=_say,
        full=_full,
        day=_day,
        hm=hm,
        hms=hms,
        md=md,
        ymd=ymd,
        ymdhm=ymdhm,
        dur=duration,
        ms=epoch_ms,
        iso=iso,
    )
    return env


def render(name: str, *, lang: str, values: Mapping[str, object]) -> str:
    """One page in one language."""
    page = {"lang": lang, "html_lang": HTML_LANG[lang], **values}
    return environment().get_template(name).render(page)

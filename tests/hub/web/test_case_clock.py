"""The clock of a case says what is true of it: running, restored in time, restored too late."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.web.i18n import catalogue
from hub.web.views_case_make import clock_view

NOW = datetime(2026, 11, 24, 2, 40, tzinfo=UTC)


def told(elapsed_s: float, limit_s: float | None, *, running: bool) -> str:
    clock: dict[str, Any] = {
        "started_at": "2026-11-24T10:34:44.000+08:00",
        "elapsed_s": elapsed_s,
        "remaining_s": (limit_s or 0) - elapsed_s,
        "counts_from": None,
        "limit_s": limit_s,
        "running": running,
        "exact": True,
        "article": {"zh": "第十六条", "en": "article 16"},
        "consequence": {"zh": "届满后提议封存。", "en": "sealing is proposed."},
        "verified": False,
    }
    view = clock_view({"clock": clock, "stage": "before_start", "session": "s-1"}, NOW)
    return catalogue().render("zh", view.at_zero)


@pytest.mark.parametrize(
    ("elapsed_s", "limit_s", "running", "expected"),
    [
        (10, 40, True, "届满后提议封存。"),
        (39, 40, False, "已在时限内恢复。"),
        (71, 40, False, "超过时限后恢复。"),
        (71, None, False, "已恢复。"),
    ],
)
def test_a_stopped_clock_says_whether_it_kept_the_limit(
    elapsed_s: float, limit_s: float | None, running: bool, expected: str
) -> None:
    assert told(elapsed_s, limit_s, running=running) == expected


def test_a_limit_that_runs_from_the_planned_start_says_so_before_it() -> None:
    clock: dict[str, Any] = {
        "started_at": "2026-11-24T02:30:00.000Z",
        "elapsed_s": 0,
        "remaining_s": 7200,
        "counts_from": "2026-11-24T03:00:00.000Z",
        "limit_s": 7200,
        "running": True,
        "exact": False,
        "article": {"zh": "第十五条", "en": "article 15"},
        "consequence": {"zh": "由招标人决定。", "en": "the tenderer decides."},
        "verified": False,
    }
    view = clock_view({"clock": clock, "stage": "before_start", "session": "s-1"}, NOW)
    said = catalogue().render("zh", view.limit)
    assert said == "时限 02:00:00，自计划开始 11:00 起算，13:00:00 届满"
    assert (NOW - view.since).total_seconds() == 600
    assert catalogue().render("zh", view.used_text) == "至少已用 0%（起点待确认）"

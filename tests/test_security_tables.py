"""Every threat, provision and control point has its row, and every test named there is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mutants.bank import BANK
from tests.named_tests import NAMED, missing, rows
from tests.source import ROOT

THREATS = ROOT / "SECURITY.md"
EUROPEAN = ROOT / "docs" / "compliance" / "en303645.md"
CHINESE = ROOT / "docs" / "compliance" / "dengbao-3.md"
# How many provisions each clause of EN 303 645 V2.1.1 has, 5.1 to 5.13; clause 6 has five.
PROVISIONS = [
    *(
        f"5.{clause}-{n}"
        for clause, most in enumerate((5, 3, 16, 4, 8, 9, 2, 3, 3, 1, 4, 3, 1), start=1)
        for n in range(1, most + 1)
    ),
    *(f"6-{n}" for n in range(1, 6)),
]
# Named in SECURITY.md, and no fault is planted before them.
WITHOUT_A_FAULT = {
    # What they look at is no module: units, the list of dependencies, the text of the rules.
    "tests/test_deploy.py::test_a_unit_is_shut_in_and_without_an_unknown_word",
    "tests/test_packaging.py::test_every_dependency_is_pinned_by_hash_and_none_says_where_it_comes_from",
    "tests/test_style.py::test_the_rules_never_ask_what_time_it_is",
    # They judge what looks: the search for names in files, the judge of a verifier.
    "tests/system/test_demo_identities.py::test_what_is_written_down_is_found",
    "tests/fuzz/test_hostile_packages.py::test_a_verifier_that_does_what_it_must_not_is_noticed",
    # They take minutes; the simulation notices what the second would.
    "tests/system/test_demo_identities.py::test_names_and_numbers_of_a_day_are_in_no_file_and_no_message",
    "tests/torture/test_torture.py::test_whatever_dies_every_row_arrives_once_as_it_was_written",
    "tests/torture/test_comeback.py::test_everybody_is_back_after_an_outage",
}
CONTROL_POINTS = {
    "8.1.2": "网络架构 通信传输 可信验证",
    "8.1.3": "边界防护 访问控制 入侵防范 恶意代码和垃圾邮件防范 安全审计 可信验证",
    "8.1.4": "身份鉴别 访问控制 安全审计 入侵防范 恶意代码防范 可信验证 数据完整性 数据保密性 "
    "数据备份恢复 剩余信息保护 个人信息保护",
    "8.1.5": "系统管理 审计管理 安全管理 集中管控",
}
STATUS = re.compile(r"yes|(?:partly|no|not applicable): \S.*")


def judged(row: list[str]) -> list[str]:
    """What is wrong with a row of the European table."""
    number, status, tests = row[0], row[2], row[4]
    wrong = [] if STATUS.fullmatch(status) else [f"{number}: status {status}"]
    if status.startswith(("yes", "partly")) and not NAMED.search(tests) and tests != "no test":
        wrong.append(f"{number}: neither a test nor the word that there is none")
    return wrong


@pytest.mark.parametrize("path", [THREATS, EUROPEAN, CHINESE], ids=lambda path: path.stem)
def test_every_test_named_there_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert NAMED.search(text)
    assert missing(text) == []
    # A name in another form would be looked at by nobody.
    assert text.count("tests/") == len(NAMED.findall(text))


def test_every_threat_has_its_row_with_a_test_or_the_word_that_there_is_none_yet() -> None:
    found = rows(THREATS.read_text(encoding="utf-8"), r"\d+")

    assert [row[0] for row in found] == [str(n) for n in range(1, 22)]
    assert {len(row) for row in found} == {4}
    assert [row[0] for row in found if not NAMED.search(row[3]) and "not yet" not in row[3]] == []


def test_each_named_test_fails_when_its_control_is_taken_out() -> None:
    planted = {name.partition("[")[0] for one in BANK for name in one.tests}
    table = rows(THREATS.read_text(encoding="utf-8"), r"\d+")
    named = {"::".join(one) for row in table for one in NAMED.findall(row[3])}

    assert sorted(named - planted) == sorted(WITHOUT_A_FAULT)


def test_every_provision_has_its_row_with_a_status_and_its_tests() -> None:
    found = rows(EUROPEAN.read_text(encoding="utf-8"), r"[56][.\d]*-\d+")

    assert [row[0] for row in found] == PROVISIONS
    assert {len(row) for row in found} == {5}
    assert [what for row in found for what in judged(row)] == []


def test_every_control_point_has_its_row_with_what_falls_to_whom() -> None:
    text = CHINESE.read_text(encoding="utf-8")

    for number, names in CONTROL_POINTS.items():
        part = text.split(f"## {number} ", 1)[1].split("\n## ", 1)[0]
        found = [row for row in rows(part, r"\S+") if len(row) > 1][1:]
        assert [row[0] for row in found] == names.split()
        assert {len(row) for row in found} == {4}
        assert [row[0] for row in found if not NAMED.search(row[3]) and row[3] != "无测试"] == []


@pytest.mark.parametrize(
    ("status", "tests", "count"),
    [
        ("yes", "`tests/test_style.py::test_no_test_sleeps`", 0),
        ("yes", "no test", 0),
        ("no: not built", "", 0),
        ("partly: half of it", "", 1),
        ("yes", "", 1),
        ("yes, almost", "no test", 1),
        ("no", "", 1),
        ("planned", "", 1),
    ],
)
def test_the_judge_above_sees_what_it_should(status: str, tests: str, count: int) -> None:
    assert len(judged(["5.1-1", "asks", status, "how", tests])) == count

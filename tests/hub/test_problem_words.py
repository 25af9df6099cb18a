"""Every refusal a person can meet says its details in Chinese and English."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.booking import body
from hub.problem_words import (
    PARTS,
    by_code,
    chinese,
    details,
    organisation_names,
    phrases,
    place,
    words_of,
)
from hub.problems import Problem
from protocols.messages import strict
from protocols.messages.errors import RemoteError

ROOT = Path(__file__).parents[2]
WORD = re.compile(r"[a-z]+")
REFUSING = ("Problem", "refuse", "bad_request")
SOURCES = sorted(
    path for path in (ROOT / "hub").rglob("*.py") if "demo" not in path.relative_to(ROOT).parts
)
FOR_PROGRAMS = frozenset({"upload_not_signed", "hash_invalid", "media_differs"})
"""Only rooms upload; what they are told is read in a log."""
CJK = re.compile(r"[\u3400-\u9fff]")


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and name_of(node) in REFUSING:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def name_of(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def literal(node: ast.expr | None) -> str | None:
    """A text as it may come, `7` for what varies; None for a mere variable."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(one) or "7" for one in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (literal(node.left) or "7") + (literal(node.right) or "7")
    return None


def said(text: str) -> bool:
    """Whether Chinese readers get words: a lone English word must not pass for an id."""
    zh = chinese(text)
    return zh is not None and not (zh == text and WORD.fullmatch(text))


def told() -> Iterator[tuple[str, str, str, str]]:
    """Where, code, part and text of every literal detail of every refusal."""
    for where, node in calls():
        given = {one.arg: one.value for one in node.keywords}
        code = next((t for t in map(literal, node.args) if t), None)
        if code is None or code in FOR_PROGRAMS:
            continue
        for part in ("expected", "got"):
            text = literal(given.get(part))
            if text and part not in words_of(code):
                yield where, code, part, text


def helper_texts() -> Iterator[tuple[str, str]]:
    """What the services hand to their own short refusing helpers: field, expected, got."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and name_of(node) in {"_invalid", "fail"}:
                for one in node.args[1:3]:
                    if text := literal(one):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def policy_texts() -> Iterator[tuple[str, str]]:
    """What strict decoding and the rules of a booking or decision expect and advise."""
    for name in (
        "policy/booking",
        "policy/booking_states",
        "policy/contingency",
        "messages/strict",
    ):
        path = ROOT / "protocols" / f"{name}.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            given = [one.value for one in node.keywords if one.arg == "expected"]
            given += node.args[1:2] if name_of(node) == "fail" else []
            for one in given:
                if text := literal(one):
                    yield f"{name}:{node.lineno}", text


def test_every_code_says_what_to_do_in_both_languages() -> None:
    codes = {
        code for _, node in calls() if (code := next((t for t in map(literal, node.args) if t), ""))
    }
    silent = sorted(
        code for code in codes if not ({"do", "else"} & set(words_of(code.replace("7", "x"))))
    )
    assert silent == []


@pytest.mark.parametrize(("where", "code", "part", "text"), list(told()))
def test_a_detail_has_chinese_words(where: str, code: str, part: str, text: str) -> None:
    assert said(text), f"{where} {code}.{part}: {text!r} is not in phrases.json"


@pytest.mark.parametrize(("where", "text"), sorted({*policy_texts(), *helper_texts()}))
def test_what_the_rules_expect_has_chinese_words(where: str, text: str) -> None:
    assert said(text), f"{where}: {text!r} is not in phrases.json"


def test_words_are_pairs_and_phrases_keep_their_slots() -> None:
    for code, parts in by_code().items():
        assert set(parts) <= {*PARTS, "else"}, code
        for part, (zh, en) in parts.items():
            assert CJK.search(zh), f"{code}.{part}"
            assert en, f"{code}.{part}"
            assert not CJK.search(en), f"{code}.{part}"
    for pattern, zh, _ in phrases():
        assert zh.count("{}") == pattern.groups, pattern.pattern


def test_a_wrong_pin_says_how_many_tries_are_left() -> None:
    problem = Problem(
        403,
        "secret_wrong",
        title="口令或 PIN 不正确",
        title_en="The password or PIN is not right",
        where="p-70ea1eccae29",
        expected="the PIN",
        got="another",
        do="try again",
        more={"tries_left": 4},
    )
    told_ = problem.document()
    assert told_["zh"]["got"] == "不正确；还可再试 4 次"
    assert told_["en"]["got"] == "another; 4 tries left"
    assert told_["zh"]["where"] == "签署 PIN 或密码"


def test_details_follow_the_reader() -> None:
    given = {
        "title_en": "The decision is not complete",
        "what": "The decision is not complete",
        "where": "decision.second_login",
        "expected": "another person in another role",
        "got": "{HB-01}",
        "do": "按所列字段补充",
    }
    told_ = details("decision_invalid", given, {})
    assert told_["zh"] == {
        "what": "",
        "where": "第二签署人账号",
        "expected": "不同岗位的另一个人",
        "got": "{HB-01}",
        "do": "按所列字段补充",
    }
    assert told_["en"]["where"] == "second signer's login"
    assert told_["en"]["do"] == "Complete the named field, then sign."


@pytest.mark.parametrize(
    ("where", "zh"),
    [
        ("booking 2026-1126-01, venue hubei", "预约 2026-1126-01，场地 hubei"),
        ("booking.venues[1].stations", "机位"),
        ("/api/v1/nothing", "/api/v1/nothing"),
        ("home venue hubei, phase check_in", "主场 venue hubei，阶段 check_in"),
    ],
)
def test_a_place_is_named(where: str, zh: str) -> None:
    assert place("zh", where) == zh


def test_an_organisation_is_called_by_its_name_and_a_station_by_its_id() -> None:
    given = {"title_en": "", "what": "", "where": "booking", "do": ""}
    given |= {"expected": "a station of changsha", "got": "changsha-2-9"}
    told_ = details("unknown_station", given, {})
    assert told_["zh"]["expected"] == "长沙公共资源交易中心 的机位"
    assert told_["en"]["expected"] == "a station of Changsha Public Resources Trading Center"
    assert {told_[lang]["got"] for lang in told_} == {"changsha-2-9"}


def test_the_names_are_those_of_the_units() -> None:
    raw = json.loads((ROOT / "protocols/policy/data/units.json").read_text("utf-8"))
    units = [*raw["implementing_units"], *raw["assisting_units"]]
    names = {key: pair[0] for key, pair in organisation_names().items()}
    assert names == {one["id"]: one["name"] for one in units}


@pytest.mark.parametrize(
    ("raw", "got"),
    [
        (b"{", "此处应有双引号括起的字段名（第 1 行第 2 列，第 1 字符）"),
        (b"[]", "list，不是对象"),
        (b"{} {}", "此处起为多余内容（第 1 行第 4 列，第 3 字符）"),
    ],
)
def test_what_is_wrong_with_json_is_said_in_chinese(raw: bytes, got: str) -> None:
    with pytest.raises(RemoteError) as refused:
        strict.load(raw, where="body")
    assert chinese(refused.value.got) == got


@pytest.mark.parametrize(
    "rule",
    [
        getattr(module, name)
        for module in (strict, body)
        for name in dir(module)
        if name.isupper() and name[0] != "_"
    ],
)
def test_a_form_is_asked_for_in_words(rule: object) -> None:
    if not isinstance(rule, re.Pattern):
        return
    with pytest.raises(RemoteError) as refused:
        strict.Reader({"x": "\n"}, where="body").text("x", rule)
    assert refused.value.expected == rule.pattern.partition("(?#")[2][:-1]
    assert CJK.search(chinese(refused.value.expected) or "")

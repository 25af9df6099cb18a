"""Policy packs: every value has its source, and nothing wrong gets in."""

import json
from datetime import date

import jsonschema
import pytest

from protocols.policy.errors import SHOWN_CHARS_MAX, PolicyError, shorten
from protocols.policy.pack import FORMAT, PACK_BYTES_MAX, Pack, schema
from protocols.policy.pack_spec import is_key


class Missing:
    """A field to be taken out; its name in a test id is the same in every process."""

    def __repr__(self) -> str:
        return "missing"


MISSING = Missing()


def at(raw, path):
    *parents, last = path.split(".")
    for name in parents:
        raw = raw[name]
    return raw, last


def put(raw, path, value):
    holder, last = at(raw, path)
    if value is MISSING:
        del holder[last]
    else:
        holder[last] = value
    return raw


def test_the_shipped_packs_are_valid(hubei, demo):
    assert (hubei.id, demo.id) == ("hubei-2020", "demo")
    assert not hubei.verified
    assert not demo.verified
    assert hubei.legal_status == "reconstructed"


def test_the_numbers_other_parts_rely_on(hubei):
    """RULES §1.3, plan §4, §7, §10, DESIGN §6."""
    assert (hubei.booking.working_days, hubei.booking.count_mode) == (3, "clear_days")
    assert hubei.booking.excluded_project_kinds == ("prequalification",)
    assert hubei.gate.documents == ("personal_sheet", "summary", "report")
    assert hubei.gate.documents_quantifier == "member"
    assert (hubei.gate.next_door_s, hubei.gate.uncollected_s) == (60, 600)
    assert hubei.seat.clear_s == 20
    assert hubei.custody.items == ("phone", "watch", "earphone", "tablet", "other")
    assert hubei.late.after_s == 900
    assert (hubei.av.gap_warn_s, hubei.av.gap_pause_s) == (10, 120)
    assert hubei.ups.pause_pct == 30
    assert hubei.start.needs == ("members_seated", "av_recording", "system_reachable")
    assert hubei.retention.keep_days == 35
    assert hubei.handover.working_days == hubei.fees.pay_working_days == 3
    assert hubei.contingency.before_start.limit_s == 7200
    assert hubei.contingency.during.limit_s == 14400
    assert hubei.faults.power.raise_s < hubei.faults.power.clear_s


def test_every_value_says_what_it_rests_on(hubei):
    """The four-hour limit is another place's text, and says so."""
    assert hubei.source_of("contingency.during.limit_s").status == "placeholder"
    assert hubei.source_of("booking.working_days").status == "read"
    assert hubei.source_of("gate.next_door_s").status == "design"
    assert set(hubei.sources.values()) == set(hubei.references)


def test_the_demonstration_differs_only_in_seconds(raw_hubei, raw_demo):
    for name in ("id", "title", "legal_status"):
        raw_hubei.pop(name)
        raw_demo.pop(name)
    raw_demo["references"].pop("demo")
    changed = []

    def walk(path, one, two):
        if isinstance(one, dict) and "value" in one and one != two:
            assert two["source"] == "demo"
            assert two["value"] < one["value"] <= 24 * 3600
            changed.append(path)
        elif isinstance(one, dict):
            assert one.keys() == two.keys()
            for key in one:
                walk(f"{path}.{key}", one[key], two[key])
        else:
            assert one == two

    walk("", raw_hubei, raw_demo)
    assert ".late.after_s" in changed
    assert all(path.endswith("_s") for path in changed)


@pytest.mark.parametrize("name", ["raw_hubei", "raw_demo"])
def test_the_published_schema_accepts_the_shipped_packs(request, name, policy_folder):
    text = (policy_folder / "packs" / "pack.schema.json").read_text("utf-8")
    published = json.loads(text)
    raw = request.getfixturevalue(name)

    assert published == schema()
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.Draft202012Validator(published).validate(raw)


def test_canonical_bytes_are_one_spelling(hubei, raw_hubei):
    shuffled = {key: raw_hubei[key] for key in reversed(raw_hubei)}

    again = Pack.from_canonical(hubei.canonical())

    assert again == hubei
    assert again.hash == hubei.hash
    assert Pack.parse(shuffled).canonical() == hubei.canonical()
    assert len(hubei.hash) == 64
    assert "第十六条".encode() in hubei.canonical()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[",
        b"\xff",
        b"[" * 50_000,
        b"{}",
        b" {}",
        b'"x"',
        b" " * (PACK_BYTES_MAX + 1),
    ],
)
def test_bytes_that_are_no_pack_are_refused(data):
    with pytest.raises(PolicyError):
        Pack.from_canonical(data)


def test_a_pack_in_another_spelling_is_refused(hubei):
    with pytest.raises(PolicyError, match="sorted keys"):
        Pack.from_canonical(hubei.canonical() + b"\n")


BAD = [
    ("surprise", 1, "surprise"),
    ("gate.surprise", 1, r"gate\.surprise"),
    ("gate", MISSING, "gate"),
    ("gate", [], "gate"),
    ("gate.next_door_s", MISSING, r"gate\.next_door_s"),
    ("gate.next_door_s", 60, r"gate\.next_door_s"),
    ("gate.next_door_s.source", MISSING, r"gate\.next_door_s\.source: .* source it rests on"),
    ("gate.next_door_s.source", "nobody", r"gate\.next_door_s\.source"),
    ("gate.next_door_s.source", 7, r"gate\.next_door_s\.source"),
    ("gate.next_door_s.value", "60", r"gate\.next_door_s: expected a whole number"),
    ("gate.next_door_s.value", True, r"gate\.next_door_s"),
    ("gate.next_door_s.value", 6.0, r"gate\.next_door_s"),
    ("gate.next_door_s.value", -1, r"gate\.next_door_s"),
    ("gate.next_door_s.value", 10**9, r"gate\.next_door_s"),
    ("gate.documents_quantifier.value", "both", r"documents_quantifier: expected one of member"),
    ("gate.documents_quantifier.value", ["member"], "documents_quantifier"),
    ("gate.documents.value", [], r"gate\.documents"),
    ("gate.documents.value", "report", r"gate\.documents"),
    ("gate.documents.value", ["report", "report"], r"gate\.documents: expected each item once"),
    ("gate.documents.value", ["report", "poem"], r"gate\.documents\[1\]"),
    ("signing.lead_last.value", "yes", r"signing\.lead_last: expected true or false"),
    ("title.zh", "", r"title\.zh"),
    ("title.en", "x" * 401, r"title\.en"),
    ("title.fr", "x", r"title\.fr"),
    ("format", "evalroom-pack/2", "format"),
    ("version", 0, "version"),
    ("references", {}, "references"),
    ("references.Bad Key", {"title": "t", "status": "read"}, "references row name"),
    ("references.design.status", "hearsay", r"references\.design\.status"),
    ("effective_from", "soon", "effective_from"),
    ("contingency.scope.value.power", MISSING, r"contingency\.scope\.power"),
    ("contingency.scope.value.power", "planet", r"contingency\.scope\.power"),
    ("contingency.checklists.value.power.during", ["nap"], r"checklists\.power\.during"),
    ("contingency.option_sets.value.power.during", ["nap"], r"option_sets\.power\.during"),
    ("contingency.steps.decide.owner_role", "king", r"steps\.decide\.owner_role"),
    ("contingency.steps.decide.source", "nobody", r"steps\.decide\.source"),
    ("contingency.options.postpone.effect", "sleep", r"options\.postpone\.effect"),
    ("handover.items.value", ["av"], r"handover\.carried_outside"),
    ("booking.morning_from_min.value", 800, r"booking\.morning_from_min"),
    ("av.gap_warn_s.value", 500, r"av\.gap_warn_s"),
    ("clock.alarm_ms.value", 5000, r"clock\.alarm_ms"),
    ("verified_by", {"name": "n", "post": "p", "on": "2026-01-01"}, "verified_by"),
    ("verified", True, "a verified pack cannot rest on a placeholder"),
]


@pytest.mark.parametrize(("path", "value", "where"), BAD, ids=[f"{b[0]}={b[1]}"[:40] for b in BAD])
def test_a_wrong_pack_is_refused_with_the_path(raw_hubei, path, value, where):
    with pytest.raises(PolicyError, match=where) as caught:
        Pack.parse(put(raw_hubei, path, value))

    error = caught.value
    assert error.where
    assert error.expected
    assert error.got
    assert error.do


@pytest.mark.parametrize("raw", [None, [], "pack", 7])
def test_something_that_is_no_object_is_refused(raw):
    with pytest.raises(PolicyError, match="pack"):
        Pack.parse(raw)


def test_a_date_without_quotes_is_named(raw_hubei):
    """YAML turns 2020-05-01 into a date; the message says what to do."""
    with pytest.raises(PolicyError, match="quotes"):
        Pack.parse(put(raw_hubei, "effective_from", date(2020, 5, 1)))


@pytest.mark.parametrize("value", [float("nan"), "\ud800"])
def test_what_json_cannot_carry_is_refused(raw_hubei, value):
    with pytest.raises(PolicyError, match="pack"):
        Pack.parse(put(raw_hubei, "title.en", value))


def test_an_endless_object_is_refused():
    raw = {}
    raw["self"] = raw

    with pytest.raises(PolicyError, match="pack"):
        Pack.parse(raw)


def test_a_pack_that_does_not_fit_a_plan_is_refused(raw_hubei):
    raw_hubei["title"]["en"] = "x" * PACK_BYTES_MAX

    with pytest.raises(PolicyError, match="bytes"):
        Pack.parse(raw_hubei)


def verified(raw):
    """What a legal owner would hand in: texts read, a name, the official status."""
    for reference in raw["references"].values():
        if reference["status"] == "placeholder":
            reference["status"] = "read"
    raw["verified"] = True
    raw["legal_status"] = "official"
    raw["effective_from"] = "2020-05-01"
    raw["verified_by"] = {"name": "李华", "post": "法规处处长", "on": "2026-12-01"}
    return raw


def test_a_named_person_makes_a_pack_verified(raw_hubei):
    pack = Pack.parse(verified(raw_hubei))

    assert pack.verified
    assert pack.verified_by.name == "李华"


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("verified_by", None, "verified_by"),
        ("legal_status", "demo", "legal_status"),
        ("verified_by.on", "yesterday", r"verified_by\.on"),
    ],
)
def test_verified_by_nobody_is_not_verified(raw_hubei, path, value, where):
    with pytest.raises(PolicyError, match=where):
        Pack.parse(put(verified(raw_hubei), path, value))


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a", True),
        ("late_2", True),
        ("", False),
        ("2a", False),
        ("A", False),
        ("a-b", False),
        ("迟到", False),
        ("a" * 49, False),
        ("_a", False),
        ("aé", False),
    ],
)
def test_what_is_an_identifier(text, valid):
    assert is_key(text) is valid


def test_the_format_is_named():
    assert schema()["properties"]["format"] == {"enum": [FORMAT]}


def test_a_message_stays_short_whatever_came_in():
    assert len(shorten("x" * 10_000)) == SHOWN_CHARS_MAX
    assert shorten("x") == "'x'"


def test_the_bounds_themselves_are_allowed(raw_hubei):
    put(raw_hubei, "title.en", "x" * 400)
    put(raw_hubei, "av.gap_warn_s.value", 120)
    put(raw_hubei, "handover.carried_outside.value", [])
    row = raw_hubei["appraisal"]["remark"]
    for n in range(200 - len(raw_hubei["appraisal"])):
        raw_hubei["appraisal"][f"item_{n}"] = row

    pack = Pack.parse(raw_hubei)

    assert len(pack.appraisal) == 200
    assert pack.av.gap_warn_s == pack.av.gap_pause_s


@pytest.mark.parametrize("rows", [0, 201])
def test_a_catalogue_has_one_to_two_hundred_rows(raw_hubei, rows):
    row = raw_hubei["appraisal"]["remark"]
    raw_hubei["appraisal"] = {f"item_{n}": row for n in range(rows)}

    with pytest.raises(PolicyError, match="appraisal: expected 1 to 200"):
        Pack.parse(raw_hubei)


@pytest.mark.parametrize("count", [64, 65])
def test_a_list_has_at_most_sixty_four_items(raw_hubei, count):
    step = raw_hubei["contingency"]["steps"]["decide"]
    names = [f"step_{n}" for n in range(count)]
    raw_hubei["contingency"]["steps"] |= dict.fromkeys(names, step)
    raw_hubei["contingency"]["checklists"]["value"]["av"]["after"] = names

    if count == 64:
        assert Pack.parse(raw_hubei).contingency.checklists["av"]["after"] == tuple(names)
    else:
        with pytest.raises(PolicyError, match=r"checklists\.av\.after"):
            Pack.parse(raw_hubei)


def test_an_identifier_of_forty_eight_letters_is_one():
    assert is_key("a" * 48)


@pytest.mark.parametrize("more", [0, 1])
def test_a_pack_may_fill_its_size_but_not_pass_it(raw_hubei, more):
    """Beyond the size nothing else is looked at; at the size the fields are."""
    raw_hubei["title"]["en"] = ""
    spare = PACK_BYTES_MAX - len(
        json.dumps(raw_hubei, ensure_ascii=False, separators=(",", ":")).encode()
    )
    raw_hubei["title"]["en"] = "x" * (spare + more)

    with pytest.raises(PolicyError, match="bytes" if more else r"title\.en"):
        Pack.parse(raw_hubei)


def test_bytes_at_the_limit_are_read():
    with pytest.raises(PolicyError, match="canonical JSON"):
        Pack.from_canonical(b"x" * PACK_BYTES_MAX)
    with pytest.raises(PolicyError, match="bytes"):
        Pack.from_canonical(b"x" * (PACK_BYTES_MAX + 1))

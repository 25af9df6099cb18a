"""Contingency cases: states, clocks, checklists, decisions (plan §8; RULES §1.3 and §8)."""

import itertools
from dataclasses import replace

import pytest

from protocols.policy.contingency import (
    CASE_TABLE,
    DECISIONS,
    ELAPSED_MS_MAX,
    PHASES,
    CaseClock,
    CaseInput,
    CaseState,
    Decision,
    Signer,
    Stamp,
    case_input,
    check_decision,
    clock,
    may_start_real,
    next_case_state,
    opens_case,
    priority,
    propose_scope,
    stacked_ms,
    stage_of,
    template,
)
from protocols.policy.errors import PolicyError
from protocols.policy.pack import Pack
from protocols.terms import TERMS, FaultKind

MINUTE = 60_000
HOUR = 60 * MINUTE
LEGAL = {
    "fault_open": "contain>contained pause>paused limit>decision_due postpone>postponed "
    "terminate>terminated close>closed",
    "contained": "pause>paused resume>resumed limit>decision_due postpone>postponed "
    "terminate>terminated",
    "paused": "contain>contained resume>resumed limit>decision_due postpone>postponed "
    "terminate>terminated",
    "resumed": "pause>paused close>closed",
    "decision_due": "continue>continue_ordered postpone>postponed terminate>terminated",
    "continue_ordered": "resume>resumed postpone>postponed terminate>terminated close>closed",
    "postponed": "reconstitute>reconstituted close>closed",
    "terminated": "reconstitute>reconstituted close>closed",
    "reconstituted": "close>closed",
}
PAIRS = list(itertools.product(CaseState, CaseInput))


@pytest.mark.parametrize(("state", "what"), PAIRS)
def test_every_pair_of_state_and_input_moves_or_is_refused(state, what):
    legal = dict(pair.split(">") for pair in LEGAL.get(state, "").split())
    by_clock = what is CaseInput.LIMIT

    if what in legal:
        assert next_case_state(state, what, decided=True, by_clock=by_clock) == legal[what]
    else:
        with pytest.raises(PolicyError, match=f"case in state {state}"):
            next_case_state(state, what, decided=True, by_clock=by_clock)


def test_a_decision_is_due_only_by_the_clock_and_left_only_by_a_decision():
    into = [(state, what) for (state, what), to in CASE_TABLE.items() if to == "decision_due"]
    out = {what for state, what in CASE_TABLE if state is CaseState.DECISION_DUE}

    assert {what for _, what in into} == {CaseInput.LIMIT}
    assert out == DECISIONS


@pytest.mark.parametrize("what", sorted(DECISIONS))
def test_no_decision_without_its_record(what):
    with pytest.raises(PolicyError, match="a decision record"):
        next_case_state(CaseState.DECISION_DUE, what)


def test_nobody_but_the_clock_brings_the_limit_and_the_clock_nothing_else():
    with pytest.raises(PolicyError, match="limit from the clock"):
        next_case_state(CaseState.PAUSED, CaseInput.LIMIT)
    with pytest.raises(PolicyError, match="limit from the clock"):
        next_case_state(CaseState.PAUSED, CaseInput.RESUME, by_clock=True)


def test_every_case_state_has_its_word():
    assert all(f"case.{state}" in TERMS for state in CaseState)


@pytest.mark.parametrize(
    ("effect", "state", "what"),
    [
        ("pause", "fault_open", "pause"),
        ("pause", "paused", None),
        ("contain", "paused", "contain"),
        ("resume", "fault_open", "contain"),
        ("resume", "paused", "resume"),
        ("resume", "continue_ordered", "resume"),
        ("resume", "decision_due", "continue"),
        ("pause", "decision_due", "continue"),
        ("postpone", "decision_due", "postpone"),
        ("terminate", "paused", "terminate"),
        ("close", "fault_open", "close"),
        ("close", "paused", None),
    ],
)
def test_what_a_decided_option_does_to_a_case(effect, state, what):
    assert case_input(effect, CaseState(state)) == what


@pytest.mark.parametrize(
    ("phase", "stage"),
    [
        ("idle", "before_start"),
        ("prepared", "before_start"),
        ("check_in", "before_start"),
        ("evaluating", "during"),
        ("on_break", "during"),
        ("suspended", "during"),
        ("adjourned", "during"),
        ("signing", "during"),
        ("ended", "after"),
        ("closed", "after"),
        ("postponed", "after"),
        ("terminated", "after"),
    ],
)
def test_the_start_order_and_the_end_order_divide_the_stages(phase, stage):
    assert stage_of(phase) == stage


def test_an_unknown_phase_or_fault_is_refused(hubei):
    with pytest.raises(PolicyError, match="phase"):
        stage_of("lunch")
    with pytest.raises(PolicyError, match="fault kind"):
        template(hubei, "earthquake", "evaluating")


@pytest.mark.parametrize(("kind", "phase"), list(itertools.product(FaultKind, PHASES)))
def test_every_fault_in_every_phase_has_a_case(hubei, kind, phase):
    case = template(hubei, kind, phase)

    assert case.steps
    assert case.options
    assert len({step.key for step in case.steps}) == len(case.steps)
    assert (case.priority, case.scope) == (priority(hubei, kind, phase), propose_scope(hubei, kind))
    assert case.decider == case.deciders[0]
    assert case.verified is False
    assert TERMS[f"fault.{kind}"].zh in case.title.zh


def test_a_power_fault_during_the_evaluation(hubei):
    """The case a fault handler sees: article 16, four hours, nothing automatic."""
    case = template(hubei, "power", "evaluating")

    assert case.article.zh.startswith("第十六条")
    assert (case.limit_s, case.priority, case.scope) == (14400, "P1", "venue")
    assert case.steps[0].key == "people_safe"
    assert "代用" in case.source
    assert "系统不自动终止" in case.consequence.zh
    sealing = [option for option in case.options if option.needs_seal]
    assert [(o.order, o.effect) for o in sealing] == [
        ("postpone", "postpone"),
        ("terminate", "terminate"),
    ]
    assert any(step.kind == "seal" and step.needs_two for step in case.steps)


@pytest.mark.parametrize("phase", ["check_in", "evaluating", "closed"])
def test_lost_rows_borrow_no_article(hubei, phase):
    case = template(hubei, "record", phase)

    assert case.article.zh.startswith("证据记录")
    assert "第十" not in case.article.zh.replace("第十五至十七条均未列", "")
    assert case.consequence.zh.endswith("系统不自动决定。")
    assert (case.verified, case.scope) == (False, "venue")
    assert "hole_range" in [step.key for step in case.steps]


@pytest.mark.parametrize(
    ("kind", "sensed", "reported"),
    [
        ("power", True, True),
        ("network", True, True),
        ("device", True, True),
        ("system", True, True),
        ("av", True, True),
        ("record", True, True),
        ("station", False, True),
        ("expert", False, True),
    ],
)
def test_the_pack_says_which_faults_open_a_case(hubei, kind, sensed, reported):
    assert opens_case(hubei, kind, reported=False) is sensed
    assert opens_case(hubei, kind, reported=True) is reported


def test_a_pack_may_open_no_case_for_a_kind(raw_hubei):
    raw_hubei["contingency"]["opens"]["value"]["device"] = "never"

    assert not opens_case(Pack.parse(raw_hubei), "device", reported=True)


def test_the_tenderer_decides_before_the_start(hubei):
    case = template(hubei, "network", "check_in")

    assert case.article.zh.startswith("第十五条")
    assert (case.limit_s, case.decider) == (7200, "tenderer_agent")


def test_only_the_evaluation_system_stops_every_venue(hubei):
    assert [kind for kind in FaultKind if propose_scope(hubei, kind) == "all"] == ["system"]


@pytest.mark.parametrize(
    ("cured_at_min", "expired", "remaining_s"), [(119, False, 60), (120, False, 0), (121, True, 0)]
)
def test_before_the_start_two_hours_from_the_planned_start(
    hubei, cured_at_min, expired, remaining_s
):
    """Fault at 09:00, planned start 09:00: cured 10:59 start; 11:00 still within; 11:01 due."""
    view = clock(template(hubei, "power", "check_in"), cured_at_min * MINUTE)

    assert (view.expired, view.remaining_s) == (expired, remaining_s)
    assert view.at_limit_inclusive


def test_exactly_at_the_limit_is_a_key_of_the_pack(raw_hubei):
    raw_hubei["contingency"]["before_start"]["at_limit"]["value"] = "exclusive"
    case = template(Pack.parse(raw_hubei), "power", "check_in")

    assert clock(case, 2 * HOUR).expired
    assert not clock(case, 2 * HOUR - 1).expired


@pytest.mark.parametrize(
    ("elapsed_ms", "expired"),
    [(3 * HOUR + 59 * MINUTE, False), (4 * HOUR, False), (4 * HOUR + 1, True)],
)
def test_during_the_evaluation_four_hours(hubei, elapsed_ms, expired):
    """Fault at 14:00: cured 17:59 resume is offered, 18:00 is within, later is a proposal."""
    view = clock(template(hubei, "power", "evaluating"), elapsed_ms)

    assert view.expired is expired
    assert view.article.en == "Article 16 (after the start)"
    assert "proposed" in view.consequence.en


def test_a_fault_before_the_planned_start_counts_from_the_planned_start(hubei):
    """Opened 08:30 for 09:00: at 09:10 ten minutes have run; at 08:50 none."""
    case = template(hubei, "power", "check_in")

    assert clock(case, 40 * MINUTE, after_planned_start_ms=-30 * MINUTE).elapsed_s == 600
    assert clock(case, 20 * MINUTE, after_planned_start_ms=-30 * MINUTE).elapsed_s == 0
    assert clock(case, 10 * MINUTE, after_planned_start_ms=15 * MINUTE).elapsed_s == 1500


def test_the_planned_start_means_nothing_during_the_evaluation(hubei):
    case = template(hubei, "power", "evaluating")

    assert clock(case, MINUTE, after_planned_start_ms=5 * HOUR).elapsed_s == 60


def test_after_the_end_no_limit_runs(hubei):
    view = clock(template(hubei, "power", "ended"), 100 * HOUR)

    assert (view.limit_s, view.remaining_s, view.expired) == (None, None, False)


def test_the_remaining_time_rounds_up(hubei):
    view = clock(template(hubei, "power", "evaluating"), 4 * HOUR - 1)

    assert (view.elapsed_s, view.remaining_s) == (14399, 1)


def test_a_demonstration_counts_in_seconds(demo):
    assert template(demo, "power", "check_in").limit_s == 20
    assert template(demo, "power", "evaluating").limit_s == 40


T0 = Stamp("boot-1", 1_000_000, 1_800_000_000_000, trusted=True)


def later(stamp, ms, **changes):
    return replace(stamp, mono_ms=stamp.mono_ms + ms, wall_ms=stamp.wall_ms + ms, **changes)


def test_a_step_of_the_clock_changes_nothing():
    """Stepped back one hour at 10:30 during a fault: elapsed unchanged."""
    half = later(T0, 30 * MINUTE)
    stepped = replace(half, wall_ms=half.wall_ms - HOUR)

    run = CaseClock().run(T0).run(half).run(stepped).run(later(stepped, 10 * MINUTE))

    assert (run.elapsed_ms, run.exact) == (40 * MINUTE, True)


def test_a_restart_keeps_what_was_counted_and_adds_the_time_off():
    reborn = Stamp("boot-2", 20_000, T0.wall_ms + 15 * MINUTE, trusted=True)

    run = CaseClock().run(T0).run(later(T0, 10 * MINUTE)).run(reborn)

    assert (run.elapsed_ms, run.exact) == (15 * MINUTE, True)


@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True), (False, False)])
def test_a_restart_without_a_trusted_clock_is_a_lower_bound(before, after):
    first = replace(T0, trusted=before)
    reborn = Stamp("boot-2", 20_000, 0, trusted=after)

    run = CaseClock().run(first).run(later(first, 10 * MINUTE)).run(reborn)

    assert (run.elapsed_ms, run.exact) == (10 * MINUTE + 20_000, False)
    assert run.run(later(reborn, MINUTE)).exact is False


def test_a_wall_clock_behind_the_last_stamp_still_counts_the_time_since_the_boot():
    reborn = Stamp("boot-2", 20_000, T0.wall_ms - HOUR, trusted=True)

    assert CaseClock().run(T0).run(reborn).elapsed_ms == 20_000


def test_time_runs_only_while_the_evaluation_cannot_go_on():
    held = CaseClock().run(T0).stop(later(T0, 10 * MINUTE))
    again = held.run(later(T0, 60 * MINUTE)).run(later(T0, 65 * MINUTE))

    assert held.elapsed_ms == 10 * MINUTE
    assert held.stop(later(T0, 30 * MINUTE)) == held
    assert again.elapsed_ms == 15 * MINUTE


def test_time_never_runs_backwards_and_has_an_end():
    assert CaseClock().run(T0).run(later(T0, -5)).elapsed_ms == 0
    assert CaseClock().run(T0).run(later(T0, 2 * ELAPSED_MS_MAX)).elapsed_ms == ELAPSED_MS_MAX


def test_nested_faults_join_their_clocks_as_the_pack_says(hubei, raw_hubei):
    raw_hubei["contingency"]["stack"]["value"] = "sum"

    assert stacked_ms(hubei, (5, 9)) == 9
    assert stacked_ms(hubei, ()) == 0
    assert stacked_ms(Pack.parse(raw_hubei), (5, 9)) == 14
    assert hubei.contingency.restart_on_new_fault is None


MANAGER = Signer("p-1", "home_manager", "HB-07")
STAFF = Signer("p-2", "room_staff", "CS-12")
AGENT = Signer("p-3", "tenderer_agent", "ZB-01")
GOOD = Decision(
    option="continue",
    decided_by=MANAGER,
    recorded_by=STAFF,
    basis="第十六条",
    reason="供电已恢复",
    proof="电话录音 0417",
    at="2026-11-24T02:52:00.000Z",
)


def wrong(decision, hubei, state=CaseState.PAUSED, phase="evaluating"):
    return [p.where for p in check_decision(decision, template(hubei, "power", phase), state)]


def test_a_complete_decision_may_be_recorded(hubei):
    assert wrong(GOOD, hubei) == []
    assert wrong(GOOD, hubei, CaseState.DECISION_DUE) == []


@pytest.mark.parametrize("name", ["basis", "reason", "proof", "at"])
def test_a_decision_needs_all_its_parts(hubei, name):
    assert wrong(replace(GOOD, **{name: " "}), hubei) == [f"decision.{name}"]


def test_a_decision_chooses_what_the_case_offers(hubei):
    assert wrong(replace(GOOD, option="delay_start"), hubei) == ["decision.option"]


@pytest.mark.parametrize(
    "second", [MANAGER, replace(STAFF, person="p-1"), replace(STAFF, role="home_manager")]
)
def test_a_second_person_of_another_role_signs(hubei, second):
    assert wrong(replace(GOOD, recorded_by=second), hubei) == ["decision.recorded_by"]


def test_after_the_limit_before_the_start_the_decision_is_the_tenderers(hubei):
    due = CaseState.DECISION_DUE
    mine = replace(GOOD, option="postpone")
    theirs = replace(mine, decided_by=AGENT, recorded_by=MANAGER)

    assert wrong(mine, hubei, due, "check_in") == ["decision.decided_by"]
    assert wrong(theirs, hubei, due, "check_in") == []
    assert wrong(mine, hubei, CaseState.PAUSED, "check_in") == []


@pytest.mark.parametrize(
    ("demo_hub", "kind", "allowed"),
    [
        (False, "evaluation", False),
        (False, "re_evaluation", False),
        (False, "review", False),
        (False, "drill", True),
        (True, "evaluation", True),
        (True, "drill", True),
    ],
)
def test_an_unverified_pack_starts_only_drills_or_a_demonstration(hubei, demo_hub, kind, allowed):
    assert may_start_real(hubei, demo_hub, kind) is allowed


def test_a_verified_pack_starts_a_real_session(hubei):
    assert may_start_real(replace(hubei, verified=True), False, "evaluation")


def test_a_refused_move_says_what_is_legal():
    with pytest.raises(PolicyError, match="expected pause, close, got"):
        next_case_state(CaseState.RESUMED, CaseInput.CONTAIN)
    with pytest.raises(PolicyError, match="expected nothing, got"):
        next_case_state(CaseState.CLOSED, CaseInput.RESUME)

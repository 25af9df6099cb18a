"""Which lines of a room's epochs live, against the same said in a plainer and slower way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.recording.family import Family, Kin, line
from hub.recording.liveness import Liveness

NAMES = [f"{n:032x}" for n in range(7)]
TREES = st.fixed_dictionaries({name: st.sampled_from(["", "f" * 32, *NAMES]) for name in NAMES})
SIGNS = st.lists(st.tuples(st.booleans(), st.sampled_from(NAMES)), max_size=16)


def _alive(signs: list[tuple[bool, str]]) -> Liveness:
    alive = Liveness()
    for opened, epoch in signs:
        if opened:
            alive.opened("c", epoch)
        alive.heard("c", epoch)
    return alive


def _plainly(preds: dict[str, str], alive: Liveness, epoch: str) -> bool:
    heard = [one for one in preds if alive.last("c", one)]
    own = line(preds, epoch)
    mine = [one for one in heard if epoch in line(preds, one)]
    for other in heard:
        beside = [one for one in line(preds, other) if one not in own]
        if other in mine or not beside or not alive.later("c", other, epoch):
            continue
        if any(alive.later("c", one, beside[-1]) for one in mine):
            return True
    return False


@given(preds=TREES, signs=SIGNS)
def test_two_lines_live_beside_each_other_as_the_plain_rule_says(
    preds: dict[str, str], signs: list[tuple[bool, str]]
) -> None:
    order = list(preds)
    for place, name in enumerate(order):  # nobody goes back to what came after: hashes forbid it
        if preds[name] in order[place:]:
            preds[name] = ""
    alive = _alive(signs)
    family = Family(
        "c", lambda: [Kin(one, pred, opened=True) for one, pred in preds.items()], alive
    )
    for epoch in preds:
        assert family.lives_beside(epoch) == _plainly(preds, alive, epoch)


def test_epochs_that_name_each_other_end() -> None:
    """Made up by whoever holds the keys: no journal has them."""
    one, other, third = NAMES[:3]
    kin = [Kin(one, other, opened=True), Kin(other, one, opened=True), Kin(third, "", opened=True)]
    alive = _alive([(True, one), (True, other), (True, third), (False, other)])
    family = Family("c", lambda: kin, alive)
    assert [family.lives_beside(epoch) for epoch in (one, third)] == [False, True]
    assert family.firsts == {third}


def test_where_an_epoch_began_is_unclear_until_its_first_row_and_its_predecessor_are_there() -> (
    None
):
    def unclear(*kin: Kin) -> bool:
        return Family("c", lambda: list(kin), Liveness()).unclear

    known = Kin(NAMES[0], "", opened=True)
    assert not unclear(known, Kin(NAMES[1], NAMES[0], opened=True))
    assert unclear(known, Kin(NAMES[1], NAMES[2], opened=True))
    assert unclear(known, Kin(NAMES[1], "", opened=False))

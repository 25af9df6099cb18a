"""A fast slice of the fuzzing, the same at every run, without atheris; old finds are replayed."""

from __future__ import annotations

from argparse import Namespace
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from tests.fuzz import engine, seeds
from tests.fuzz.__main__ import shards
from tests.fuzz.judge import INPUT_MS_MAX, Judge, TooSlowError
from tests.fuzz.targets import FOUND, TARGETS, found, opened

pytestmark = pytest.mark.slow

INPUTS: Final = {"ingest": 150, "package_whole": 150, "package_record": 500, "idcard": 600}
"""So many each that all take a few seconds; 1 500 where nothing is said."""


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_target(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    first = target.seeds()
    given = engine.plain_inputs(first, seeds.words(first), seed=7, bytes_max=target.bytes_max)
    with opened(name, tmp_path) as run:
        judge = Judge(run, INPUTS.get(name, 1_500))
        for data in islice(given, judge.runs):
            judge(data)

    assert judge.close()["runs"] == judge.runs


@pytest.mark.parametrize("name", TARGETS)
def test_what_once_broke_a_target_does_so_no_more(name: str, tmp_path: Path) -> None:
    with opened(name, tmp_path) as run:
        for path in found(name):
            Judge(run, 1)(path.read_bytes())


def test_every_find_belongs_to_a_target() -> None:
    assert {path.parent.name for path in FOUND.glob("*/*.bin")} <= set(TARGETS)


def test_the_plain_mutator_finds_a_planted_fault() -> None:
    def planted(data: bytes) -> None:
        assert not (len(data) > 3 and data[1] == 0xFF and data.endswith(b"\n"))

    given = engine.plain_inputs([b"abcdef", b"ghi\n"], [b"\r\n"], seed=1, bytes_max=9)

    with pytest.raises(AssertionError):
        list(map(planted, islice(given, 20_000)))


def test_a_shard_without_coverage_changes_what_those_with_it_found(tmp_path: Path) -> None:
    corpus, given = tmp_path / "corpus", list[bytes]()
    corpus.mkdir()
    (corpus / "find").write_bytes(b"far from every seed")
    told = Namespace(runs=300, seed=1, corpus=corpus, out=tmp_path / "out.json", counted=False)

    engine._shard(told, TARGETS["cu16"], given.append)

    assert len(set(given)) > 250
    assert sum(b"far from" in one for one in given) > 3
    assert sorted(map(len, given))[150] > 8


def test_an_input_that_takes_long_is_a_fault() -> None:
    def slow(_data: bytes) -> None:
        sum(range(200_000 * INPUT_MS_MAX))

    with pytest.raises(TooSlowError):
        Judge(slow, 1)(b"")


def test_the_work_is_cut_into_shards_of_which_the_first_are_guided() -> None:
    work = shards(["cu16"], 3_000_000, 5)

    assert sum(one.runs for one in work) == 3_000_000
    assert [one.seed for one in work] == list(range(5, 5 + len(work)))
    guided = sum(one.runs for one in work if one.counted)
    assert guided == 60_000
    assert work[0].counted
    assert not work[-1].counted

"""A policy pack: every number and word of the procedure that differs between provinces.

A pack is data. The hub parses its YAML, the room gets the same object as canonical JSON in its
plan; both read it here, strictly, into frozen dataclasses. Each leaf names the source it rests
on. A pack that no named person has verified (`verified: false`) starts only drills, or any
session on a demonstration hub (`contingency.may_start_real`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, cast

from protocols.policy.pack_sections import (
    PLACEHOLDER,
    AppraisalRule,
    AvRules,
    AwayRules,
    BookingRules,
    CheckInRules,
    ClockRules,
    ContingencyRules,
    CustodyRules,
    FaultRules,
    FeeRules,
    GateRules,
    HandoverRules,
    LateRules,
    Reference,
    RetentionRules,
    SeatRules,
    SigningRules,
    StartRules,
    UpsRules,
    VerifiedBy,
)
from protocols.policy.pack_spec import (
    Catalogue,
    Choice,
    Flag,
    Label,
    Maybe,
    Reading,
    Section,
    Text,
    Whole,
    refuse,
)
from protocols.terms import Term

FORMAT = "evalroom-pack/1"
SCHEMA_ID = "evalroom-pack-1"
PACK_BYTES_MAX = 96 * 1024
"""A pack travels inside a plan message of at most 128 KiB, beside the sessions."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A policy pack, read and checked. Build it with `parse` or `from_canonical`."""

    format: Annotated[str, Choice((FORMAT,))]
    id: Annotated[str, Text()]
    version: Annotated[int, Whole(1, 1_000_000)]
    title: Annotated[Term, Label()]
    legal_status: Annotated[str, Choice(("official", "reconstructed", "demo"))]
    effective_from: Annotated[str | None, Maybe(Text())]
    verified: Annotated[bool, Flag()]
    verified_by: Annotated[VerifiedBy | None, Maybe(Section(VerifiedBy))]
    references: Annotated[Mapping[str, Reference], Catalogue(Section(Reference))]
    booking: Annotated[BookingRules, Section(BookingRules)]
    start: Annotated[StartRules, Section(StartRules)]
    late: Annotated[LateRules, Section(LateRules)]
    check_in: Annotated[CheckInRules, Section(CheckInRules)]
    custody: Annotated[CustodyRules, Section(CustodyRules)]
    seat: Annotated[SeatRules, Section(SeatRules)]
    away: Annotated[AwayRules, Section(AwayRules)]
    gate: Annotated[GateRules, Section(GateRules)]
    signing: Annotated[SigningRules, Section(SigningRules)]
    faults: Annotated[FaultRules, Section(FaultRules)]
    av: Annotated[AvRules, Section(AvRules)]
    ups: Annotated[UpsRules, Section(UpsRules)]
    clock: Annotated[ClockRules, Section(ClockRules)]
    contingency: Annotated[ContingencyRules, Section(ContingencyRules)]
    handover: Annotated[HandoverRules, Section(HandoverRules)]
    fees: Annotated[FeeRules, Section(FeeRules)]
    retention: Annotated[RetentionRules, Section(RetentionRules)]
    appraisal: Annotated[Mapping[str, AppraisalRule], Catalogue(Section(AppraisalRule))]
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    canonical_bytes: bytes = field(default=b"", repr=False)

    @classmethod
    def parse(cls, raw: object) -> Pack:
        """Read a pack from a plain object, as YAML or JSON give it.

        Raises:
            PolicyError: with path, expected, got and what to do.
        """
        encoded = _encode(raw)
        reading = Reading(sources={})
        pack = cast("Pack", Section(cls).read(raw, "", reading))
        pack = replace(pack, sources=reading.sources, canonical_bytes=encoded)
        _check_origin(pack)
        _check_links(pack)
        _check_order(pack)
        return pack

    @classmethod
    def from_canonical(cls, data: bytes) -> Pack:
        """Read a pack from the bytes `canonical` gave.

        Raises:
            PolicyError: not JSON, not canonical, or not a valid pack.
        """
        if len(data) > PACK_BYTES_MAX:
            raise refuse("pack", f"at most {PACK_BYTES_MAX} bytes", len(data))
        try:
            raw = json.loads(data)
        except (ValueError, RecursionError):
            raise refuse("pack", "canonical JSON", data, "send the pack again") from None
        pack = cls.parse(raw)
        if pack.canonical_bytes != data:
            raise refuse(
                "pack", "sorted keys, no spaces, each key once", data, "send the pack again"
            )
        return pack

    def canonical(self) -> bytes:
        """Return the one spelling of this pack: UTF-8 JSON, sorted keys, no spaces."""
        return self.canonical_bytes

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical bytes, hex: names this pack in plans, cases and packages."""
        return hashlib.sha256(self.canonical_bytes).hexdigest()

    def source_of(self, path: str) -> Reference:
        """Return the reference that the field at `path` rests on (``late.after_s``)."""
        return self.references[self.sources[path]]


def schema() -> dict[str, object]:
    """JSON Schema (2020-12) of a pack: what `Pack.parse` accepts but for cross-checks."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "evalroom policy pack",
        **Section(Pack).schema(),
    }


def _encode(raw: object) -> bytes:
    try:
        text = json.dumps(
            raw, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        encoded = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise refuse(
            "pack",
            "only texts, whole numbers, true, false, null, lists and objects",
            str(error),
            "put dates into quotes",
        ) from None
    if len(encoded) > PACK_BYTES_MAX:
        raise refuse("pack", f"at most {PACK_BYTES_MAX} bytes", len(encoded))
    return encoded


def _check_origin(pack: Pack) -> None:
    """Every source is listed, and only a named person makes a pack verified."""
    for path, source in pack.sources.items():
        if source not in pack.references:
            raise refuse(
                f"{path}.source", "one of the pack's references", source, "add it to references"
            )
        if pack.verified and pack.references[source].status == PLACEHOLDER:
            raise refuse(
                f"{path}.source",
                "a text that was read",
                source,
                "a verified pack cannot rest on a placeholder",
            )
    if pack.verified != (pack.verified_by is not None):
        raise refuse("verified_by", "a named person exactly if verified", pack.verified_by)
    if pack.verified and pack.legal_status != "official":
        raise refuse("legal_status", "official, as the pack is verified", pack.legal_status)
    _check_day("effective_from", pack.effective_from)
    if pack.verified_by is not None:
        _check_day("verified_by.on", pack.verified_by.on)


def _check_day(path: str, text: str | None) -> None:
    if text is None:
        return
    try:
        date.fromisoformat(text)
    except ValueError:
        raise refuse(path, "a date YYYY-MM-DD", text) from None


def _check_links(pack: Pack) -> None:
    """Checklists and options name only rows that exist."""
    rules = pack.contingency
    for name, table, rows in (
        ("checklists", rules.checklists, rules.steps.keys()),
        ("option_sets", rules.option_sets, rules.options.keys()),
    ):
        for kind, stages in table.items():
            for stage, keys in stages.items():
                for key in keys:
                    if key not in rows:
                        raise refuse(
                            f"contingency.{name}.{kind}.{stage}",
                            "rows of the catalogue",
                            key,
                            "add the row or correct it",
                        )
    for item in pack.handover.carried_outside:
        if item not in pack.handover.items:
            raise refuse("handover.carried_outside", "items of handover.items", item)


def _check_order(pack: Pack) -> None:
    """Pairs of numbers of which one must not exceed the other."""
    pairs = (
        ("booking.morning_from_min", pack.booking.morning_from_min, pack.booking.morning_until_min),
        ("av.gap_warn_s", pack.av.gap_warn_s, pack.av.gap_pause_s),
        ("clock.alarm_ms", pack.clock.alarm_ms, pack.clock.refuse_start_ms),
    )
    for path, low, high in pairs:
        if low > high:
            raise refuse(path, f"at most {high}", low)

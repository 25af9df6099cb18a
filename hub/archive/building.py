"""Builds a venue's hand-over package: records, streams, media, reports, manifests, signature."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

from hub.archive import records, reports, selection
from hub.archive.filing import CENTRE, Filing
from hub.archive.folder import Folder
from hub.archive.selection import StreamFiles
from hub.booking_link import SessionLink
from hub.clock import iso_ms
from hub.ports import Parts
from hub.session_record import fold
from hub.transparency import proofs
from protocols.evidence.package import bag_files, sign_package, standalone_source
from protocols.evidence.tally import HUB_TYPE
from protocols.evidence.verifier import CERTIFICATES, CLAIMED_TRUST, CODES, SESSION_FILE, TAGS
from protocols.messages.signed import Signer

BAG_VERSION: Final = "evalroom-package/1"
MEDIA_SUFFIXES: Final = {b"\x1a\x45\xdf\xa3": ".mkv"}
"""Files that begin so are Matroska; all others are MP4."""
MAGIC_BYTES: Final = 4
STAGES: Final = ("records", "streams", "media", "reports", "manifests", "signature")

Progress = Callable[[str, int, int], None]
"""(stage, done, total)."""


@dataclass(frozen=True, slots=True)
class Built:
    """A package that stands: hash of its tag manifest, counts, and what had to be left out."""

    tag_sha256: str
    files: int
    bytes: int
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sources:
    """What was read in one consistent view of the database."""

    session: dict[str, Any]
    witness: dict[str, Any]
    appraisal: dict[str, Any]
    decisions: dict[str, Any]
    streams: list[StreamFiles]
    certificates: bytes
    codes: bytes
    media: list[dict[str, Any]]


def build(
    parts: Parts,
    link: SessionLink,
    *,
    org: str,
    signer: Signer,
    public: bytes,
    package: str,
    target: Path,
    progress: Progress,
) -> Built:
    """Writes the package of one venue and signs its tag manifest.

    Args:
        parts: the hub's parts.
        link: the session.
        org: the venue that hands over.
        signer: the venue's key, open for this act.
        public: its raw public key.
        package: package id, for the bag's description.
        target: the folder the package gets; written beside it and renamed.
        progress: told at every stage.
    """
    progress("records", 0, len(STAGES))
    _count(parts, link, org=org, package=package, kid=signer.kid)
    sources = read(parts, link, org=org)
    folder = Folder(target.with_name(f".{target.name}.part"))
    notes = _log(folder, parts, link, sources)
    _records(folder, parts, sources)
    progress("streams", 1, len(STAGES))
    for stream in sources.streams:
        folder.write_all(stream.named())
    progress("media", 2, len(STAGES))
    kept = _media(folder, parts, sources.media, notes)
    index = records.av_index(org, sources.media, kept)
    folder.write("data/av/index.json", records.as_json(index))
    progress("reports", 3, len(STAGES))
    notes += _reports(folder, parts, sources, index, package=package)
    progress("manifests", 4, len(STAGES))
    tag_manifest = _manifests(folder, parts, link, org=org, package=package)
    progress("signature", 5, len(STAGES))
    name, signature = sign_package(
        org=org, session=link.session, tag_manifest=tag_manifest, public=public, sign=signer.sign
    )
    folder.unlisted(name, signature)
    folder.settle(target)
    return Built(
        tag_sha256=json.loads(signature.split(b"\n", 1)[0])["sha256"],
        files=folder.files,
        bytes=folder.bytes,
        notes=notes,
    )


def read(parts: Parts, link: SessionLink, *, org: str) -> Sources:
    """Everything a package is made of but the media files."""
    ctls = _ctls(link, org)
    with parts.store.read() as conn:
        record = fold(conn, link.session)
        files = selection.streams(conn, link, ctls=ctls, hub=parts.facts.hub)
        events = sorted(selection.shown_events(files), key=lambda one: (one.at, one.ctl, one.seq))
        members = link.members(conn)
        return Sources(
            session=records.session_json(link, record, org=org, members=members),
            witness=records.witness_json(conn, link, record, org=org, events=events),
            appraisal=records.appraisal_json(conn, link, org=org),
            decisions=records.decisions_json(conn, link.session),
            streams=files,
            certificates=selection.certificate_lines(conn, link.orgs),
            codes=selection.code_lines(conn, link.session, org, events),
            media=list(selection.segments(files)),
        )


def _count(parts: Parts, link: SessionLink, *, org: str, package: str, kid: str) -> None:
    """The hub counts its own record of the session: nobody can leave a row of it out later."""
    with parts.store.write() as conn:
        data = {
            "package": package,
            "org": org,
            "kid": kid,
            **selection.hub_count(conn, link.session, parts.facts.hub, _ctls(link, org)),
        }
        parts.facts.append(conn, type=HUB_TYPE, session=link.session, data=data)


def _log(folder: Folder, parts: Parts, link: SessionLink, sources: Sources) -> list[str]:
    """Checkpoint and proof; everything read so far is in the log when this begins."""

    def both() -> bool:
        with parts.store.read() as conn:
            newest = proofs.newest(conn)
        return newest is not None and newest.by_both(link.home_org)

    signed = parts.event_log.close_up(both, wait_s=parts.event_log.wait_s)
    rows = {(one.ctl, one.epoch): one.seqs for one in sources.streams}
    with parts.store.read() as conn:
        folder.write_all(proofs.files(conn, rows, home=link.home_org))
    if signed or not parts.event_log.wait_s:
        return []
    return ["no checkpoint over all records is co-signed by home and guest yet"]


def _ctls(link: SessionLink, org: str) -> tuple[str, ...]:
    venue = link.venue(org)
    return (venue.ctl,) if venue is not None and venue.ctl else ()


def verifier_program() -> bytes:
    """The one-file verifier each package carries."""
    folder = resources.files("protocols.evidence")
    source = folder.joinpath("verifier.py").read_text(encoding="utf-8")
    tail = folder.joinpath("verify_tail.txt").read_text(encoding="utf-8")
    return standalone_source(source, tail).encode("utf-8")


def _records(folder: Folder, parts: Parts, sources: Sources) -> None:
    calendar = {
        "years": sorted(parts.calendar.years),
        "days": {day.isoformat(): off for day, off in sorted(parts.calendar.days.items())},
        "papers": list(parts.calendar.papers),
    }
    folder.write_all(
        {
            SESSION_FILE: records.as_json(sources.session),
            "data/record/witness.json": records.as_json(sources.witness),
            "data/record/appraisal.json": records.as_json(sources.appraisal),
            "data/record/decisions.json": records.as_json(sources.decisions),
            "data/record/policy.json": parts.pack.canonical(),
            "data/record/calendar.json": records.as_json(calendar),
            CLAIMED_TRUST: parts.keys.trust().encode(),
            CERTIFICATES: sources.certificates,
            **({CODES: sources.codes} if sources.codes else {}),
        }
    )


def _media(
    folder: Folder, parts: Parts, media: list[dict[str, Any]], notes: list[str]
) -> dict[str, str]:
    """Links every stored segment under its hash; returns hash -> name in the package."""
    kept: dict[str, str] = {}
    for one in media:
        digest = str(one.get("sha256", ""))
        if one["type"] != "media.segment" or digest in kept:
            continue
        source = parts.media.path(digest)
        if not source.is_file():
            notes.append(f"segment {digest} of {one.get('stream')} is not at the hub")
            continue
        name = f"data/av/{one.get('stream')}/{digest}{_suffix(source)}"
        folder.link(name, source)
        kept[digest] = name
    return kept


def _suffix(source: Path) -> str:
    with source.open("rb") as file:
        return MEDIA_SUFFIXES.get(file.read(MAGIC_BYTES), ".mp4")


def _reports(
    folder: Folder, parts: Parts, sources: Sources, av: Mapping[str, Any], *, package: str
) -> list[str]:
    """Writes the reports; returns what had to be left out."""
    filing = Filing(
        session=sources.session,
        witness=sources.witness,
        appraisal=sources.appraisal,
        decisions=sources.decisions,
        av=av,
        package=package,
        made_at=iso_ms(parts.clock.wall()),
        catalogue={key: one.zh for key, one in parts.pack.appraisal.items()},
        fingerprints=_fingerprints(parts, sources),
        files=dict(folder.payload),
    )
    notes = []
    folder.write("data/report/ledger.xlsx", reports.ledger_xlsx(filing))
    try:
        minutes = reports.minutes_pdf(filing)
    except reports.UnprintableError as error:
        # The record is whole without its printed form; a deadline is not missed for a page.
        notes.append(f"the minutes could not be typeset: {error}")
    else:
        if minutes is None:
            notes.append("no Chinese font on this machine: the minutes are not there as PDF")
        else:
            folder.write("data/report/minutes.pdf", minutes)
    reports.index_sqlite(folder.root / "index.sqlite", witness=sources.witness, media=sources.media)
    folder.adopt("index.sqlite")
    return notes


def _fingerprints(parts: Parts, sources: Sources) -> dict[str, str]:
    """Keys of the trust file that this session rests on, to be compared with the file itself."""
    trust = parts.keys.trust()
    names = {one["org"]: str(one["name"]) for one in sources.session["venues"]}
    found = {CENTRE: trust.hub.kid}
    found |= {names[one.org]: one.kid for one in trust.venues if one.org in names}
    for one in trust.witnesses:
        if one.org in names:
            found[f"{names[one.org]}见证控制器 {one.ctl}"] = one.kid
    return found


def _manifests(folder: Folder, parts: Parts, link: SessionLink, *, org: str, package: str) -> bytes:
    folder.write("verify.py", verifier_program())
    info: Mapping[str, str] = {
        "Source-Organization": org,
        "External-Identifier": package,
        "Internal-Sender-Identifier": link.number,
        "Bagging-Date": iso_ms(parts.clock.wall())[:10],
        "Bag-Software-Agent": BAG_VERSION,
    }
    texts = bag_files(folder.payload, info=info, tags=folder.tags)
    for name, content in texts.items():
        folder.unlisted(name, content)
    return texts[TAGS]

"""The package reader: its parts, a whole package with one file changed, any record behind seals."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Final

from protocols.evidence import verifier as v
from protocols.evidence.chain import Tip, check_chain
from tests.fuzz.judge import Run
from tests.protocols.evidence import sample_log
from tests.protocols.evidence import sample_package as sample
from tests.protocols.messages.wire_keys import CTL, HUB, HUB_KEY, ROOM, SESSION

CONTEXTS: Final = ("er1/package", "er1/cert", "er1/batch", "er1/order", "er1/statement", "er1/cmd")


def _files(content: dict[str, bytes]) -> v.MemoryFiles:
    return v.MemoryFiles(content)


def _check(content: dict[str, bytes]) -> v._Check:
    return v._Check(_files(content), None, v.available_digests())


def _manifest(data: bytes) -> None:
    with suppress(v._Stop):
        _check({v.PAYLOAD: data}).manifest(v.PAYLOAD, payload=True)


def _names(data: bytes) -> None:
    names = {part.decode("utf-8", "surrogateescape"): b"" for part in data.split(b"\n")}
    check = _check(names)
    with suppress(v._Stop):
        check.check_names()
        assert all(".." not in name.split("/") and name[:1] != "/" for name in names)
    printed(v.Report(v.ALTERED, tuple(check.items), "zh", {}))


def _message(data: bytes) -> None:
    for ctx in CONTEXTS:
        with suppress(v.FormError):
            v.parse_message(data, ctx).payload()


def _certify(data: bytes) -> None:
    v.read_trust(_trust()).certify(data)


def _object(data: bytes) -> None:
    value = v.load_object(data)
    v._tally(value)
    v._at(value, "at")
    str(value)


def _signature(data: bytes) -> None:
    if len(data) >= 96:
        v.verify_ed25519(data[:32], data[32:96], data[96:])


def _note(data: bytes) -> None:
    note = v.read_note(data)
    v.log_signed(note, HUB, HUB_KEY.pub)
    v.cosigned(note, CTL, ROOM.pub)


PARTS: Final[tuple[Callable[[bytes], Any], ...]] = (
    _object, v.read_trust, v.read_signature, _message, _certify, _manifest, _names, v.lines_of,
    _signature, lambda data: check_chain(Tip(CTL, "e" * 32, 0, "0" * 64), data.split(b"\n")),
    _note,
)  # fmt: skip


def parts(data: bytes) -> None:
    """Each reader gives a value or a `FormError`; the first byte says which."""
    with suppress(v.FormError):
        PARTS[max(data[:1], default=0) % len(PARTS)](data[1:])


def printed(report: v.Report) -> None:
    """A report can be printed: no line holds what moves a terminal or has no bytes."""
    for line in report.lines():
        line.encode("utf-8")
        assert line.isprintable(), ascii(line)


@cache
def _trust() -> bytes:
    return sample_log.trust().encode()


@cache
def _sound() -> dict[str, bytes]:
    return sample.bag({**sample.payload(), **sample_log.Log().files()})


def whole(data: bytes) -> None:
    """One file of a sound package replaced: altered with the trust file, never sound without.

    First byte: which file. Second: whether the manifests are written again around it.
    """
    files = dict(_sound())
    names = sorted(files)
    name, again = names[max(data[:1], default=0) % len(names)], data[1:2] > b"\x7f"
    content = data[2:]
    again = again and name.startswith("data/")
    if content == files[name] and not again:
        return
    if again:
        payload = {one: raw for one, raw in files.items() if one.startswith("data/")}
        files = _rebagged({**payload, name: content})
        report = v.verify_package(_files(files), None, "en")
        assert report.code in (v.ALTERED, v.INCOMPLETE, v.UNPROVEN)
    else:
        report = v.verify_package(_files({**files, name: content}), _trust(), "zh")
        assert report.code == v.ALTERED
    printed(report)


def _rebagged(payload: dict[str, bytes]) -> dict[str, bytes]:
    infos = {name: sample.make.file_info(raw) for name, raw in payload.items()}
    return {**payload, **sample.make.bag_files(infos, info={}, tags={})}


def contents(data: bytes) -> None:
    """What a room and a hub wrote may be anything that a key of theirs sealed.

    Each line is an event's type, session and data; those that begin with `h` are the hub's.
    """
    keys = v.read_trust(_trust())
    check = _check({})
    check.session, check.home_org, check.org, check.signer = SESSION, "hubei", "changsha", "f" * 16
    check.streams = {
        (CTL, "1" * 32): v.Stream(CTL, "1" * 32),
        (CTL, "2" * 32): v.Stream(CTL, "2" * 32),
        (HUB, "3" * 32): v.Stream(HUB, "3" * 32),
    }
    streams = list(check.streams.values())
    for number, line in enumerate(data.split(b"\n"), start=1):
        stream = streams[max(line[:1], default=0) % len(streams)]
        with suppress(v.FormError):
            event = v.load_object(line[1:])
            stream.events[number] = event
            stream.hashes[number] = f"{number:064x}"
            if event.get("type") == "record.gap" and isinstance(event.get("data"), dict):
                check.declare(stream.ctl, "events.jsonl:1", event["data"])
    with suppress(v._Stop):
        check.read_closing()
        for stream in streams:
            check.check_links(stream)
            check.check_holes(stream)
            check.check_acts(stream, keys)
        check.check_recorders()
        check.check_media()
    printed(v.Report(v.ALTERED, tuple(check.items), "en", check.counts))


RUNS: Final[dict[str, Run]] = {
    "package_parts": parts,
    "package_whole": whole,
    "package_record": contents,
}


def seeds_of_parts() -> list[bytes]:
    """Each reader's own food, from the sample."""
    files = _sound()
    trust = _trust()
    certs = sample.certificates()
    event = files[f"data/streams/{CTL}/{'1' * 32}/events.jsonl"].split(b"\n")
    of: dict[int, list[bytes]] = {
        0: [files["data/record/session.json"], *event[:3]],
        1: [trust],
        2: [files[v.SIGNATURE]],
        3: [files[v.SIGNATURE], certs[0], sample.order_raw()],
        4: [certs[0], certs[3]],
        5: [files[v.PAYLOAD]],
        6: ["\n".join(files).encode(), b"../a\n/b\na\nA\n\xff"],
        7: [files[v.PAYLOAD]],
        8: [bytes(range(128))],
        9: [b"\n".join(event[:3])],
        10: [files[v.CHECKPOINT]],
    }
    return [bytes((kind,)) + raw for kind, raws in of.items() for raw in raws]


def seeds_of_whole() -> list[bytes]:
    """Every file of the sample as it is, and its manifests written again."""
    files = _sound()
    again = (b"\x00", b"\xff")
    return [
        bytes((at,)) + mode + files[name]
        for at, name in enumerate(sorted(files))
        for mode in again
        if name.startswith("data/") or mode == again[0]
    ]


def seeds_of_record() -> list[bytes]:
    """The sample's events, a day of media with holes, clock steps and gaps."""
    found = []
    for number, one in enumerate((*sample.room(), sample.hub_stream())):
        lines = [bytes((number,)) + line for line in one.lines.values()]
        found += [b"\n".join(lines), *lines]
    at = "2026-05-07T01:00:0{}.000Z"
    day = [
        ("phase.changed", {"to": "evaluating"}, 0),
        ("recording.state", {"stream": "cam1", "state": "off"}, 1),
        ("clock.fix", {"step_ms": 5000}, 2),
        ("recording.state", {"stream": "cam1", "state": "on"}, 3),
        ("media.gap", {"stream": "cam1", "from_at": at.format(4), "to_at": at.format(5)}, 4),
        ("media.lost", {"stream": "", "seconds": 5}, 5),
        ("media.damaged", {"stream": "cam1", "sha256": "a" * 64}, 6),
        ("record.gap", {"epoch": "1" * 32, "from": 1, "to": 2, "cause": "rot"}, 7),
        ("phase.changed", {"to": "ended"}, 9),
    ]
    lines = [
        {"session": SESSION, "at": at.format(s), "type": kind, "data": data}
        for kind, data, s in day
    ]
    found.append(b"\n".join(b"\x00" + json.dumps(one).encode() for one in lines))
    return found

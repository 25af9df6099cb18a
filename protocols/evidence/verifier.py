"""Checks a hand-over package offline: this one file and Python's standard library are enough.

It stands alone on purpose and imports nothing of ours: it travels inside every package as
`verify.py` and must still run, and be read by a stranger, decades from now. That is also why it
is one long file. What a package holds is written down in docs/package-format.md.

Order of checks: names · the venue's signature over the exact bytes of `tagmanifest-sha256.txt` ·
tag files · payload · only then is anything parsed: keys, seals, events, signed acts, media.
A stage that finds something altered is the last one.

Verdicts: 2 altered, outranks 3 incomplete, outranks 4 consistent but of unproven origin (no trust
file), outranks 0 sound. Pure: no files, clock or network; the caller brings a reader.
"""

from __future__ import annotations

import base64
import bisect
import contextlib
import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

SOUND, ALTERED, INCOMPLETE, UNPROVEN, USAGE, INTERNAL = 0, 2, 3, 4, 64, 70

# Bounds: far above a day's package, far below what would stop a reader's machine.
FILES_MAX = 200_000
FILE_BYTES_MAX = 512 * 1024 * 1024
PARSED_BYTES_MAX = 128 * 1024 * 1024
NAME_BYTES_MAX = 512
EVENT_BYTES_MAX = 16 * 1024
SIGNATURES_MAX = 8
CERTIFICATES_MAX = 4096
OBJECT_BYTES_MAX = 32 * 1024 * 1024
OBJECT_DEPTH_MAX = 24
INTEGER_MAX = 2**53 - 1
SEAL_LINES_MAX = 8192
STREAMS_MAX = 4096  # epochs of all recorders
NOTE_BYTES_MAX = 4096  # a checkpoint with 16 signatures
NOTE_SIGNATURES_MAX = 16
WITNESSES_MAX = 4096  # all venues' controllers of decades
AV_STREAMS_MAX = 256
DETAIL_CHARS_MAX = 300
ITEMS_MAX = 1000  # items in a report; more are counted, not listed

TAGS = "tagmanifest-sha256.txt"
SIGNATURE = "tagmanifest-sha256.txt.sig"
PAYLOAD = "manifest-sha256.txt"
PAYLOAD_SM3 = "manifest-sm3.txt"
FETCH = "fetch.txt"
BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
SESSION_FILE = "data/record/session.json"
CLAIMED_TRUST = "data/keys/trust.json"
CERTIFICATES = "data/keys/certificates.jsonl"
CODES = "data/keys/codes.jsonl"
CHECKPOINT = "data/checkpoints/checkpoint.txt"
LOG_PLACES = "data/checkpoints/places.txt"
LOG_PROOF = "data/checkpoints/proof.txt"
REQUIRED = {
    "data/record/witness.json": "no_witness",
    "data/record/appraisal.json": "no_appraisal",
    "data/av/index.json": "no_av",
}
SESSION_RECORDS = ("data/record/witness.json", "data/record/appraisal.json")
RAW_TYPES = (
    "order.issued",
    "order.accepted",
    "order.confirmed",
    "statement.received",
    "statement.accepted",
    "command.issued",
)
ORDER_ROLES = ("home_manager", "deputy")
OVER_PHASES = ("ended", "postponed", "terminated")
END_PHASES = (*OVER_PHASES, "closed")
TALLIES = {"c-": "session.sealed", "h-": "record.closed"}  # a recorder's count of its own rows
AV_HOLE_S = 1.5  # recorders declare what is missing from 1 s on; the rest is reading of clocks
SEGMENT_S_MAX = 10.0  # a damaged file held at most one segment
STEP_MS_MIN = 1000  # clock steps above this are recorded as what they are

TEXTS = {
    "bad_name": ("文件名不安全或重复", "the name is unsafe or doubled"),
    "fetch": ("引用包外文件，不予采信", "refers to files outside the package"),
    "link": ("是链接，不是文件", "is a link, not a file"),
    "too_many": ("文件数超过上限", "more files than allowed"),
    "too_large": ("文件大小超过上限", "larger than allowed"),
    "missing": ("清单列出的文件缺失", "listed but missing"),
    "unlisted": ("不在清单之内", "not in any manifest"),
    "hash": ("内容与清单的校验值不符", "its content differs from the manifest"),
    "sm3": ("内容与 SM3 校验值不符", "its content differs from the SM3 manifest"),
    "sm3_skipped": ("本机不支持 SM3，未校验", "SM3 is not available here: not checked"),
    "manifest": ("清单格式不正确", "the manifest is malformed"),
    "no_signature": ("缺少场所签名", "the venue's signature is missing"),
    "signature_form": ("签名文件格式不正确", "the signature file is malformed"),
    "signature": ("场所签名无效", "the venue's signature does not hold"),
    "signature_key": (
        "签名密钥不在信任文件内",
        "signed with a key that the trust file does not know",
    ),
    "signed_other": ("与签名所指内容不符", "is not what the venue signed"),
    "bag": ("不符合 BagIt 1.0", "is not as BagIt 1.0 says"),
    "oxum": ("文件数或字节数与 Payload-Oxum 不符", "Payload-Oxum does not match"),
    "form": ("内容格式不正确", "the content is malformed"),
    "other_session": ("属于另一场次", "belongs to another session"),
    "certificate": ("证书无效，不予采信", "the certificate counts for nothing"),
    "seal_form": ("封签格式不正确", "the seal is malformed"),
    "seal_hashes": ("封签与校验值列表不符", "the seal does not cover the hash list"),
    "seal_key": ("封签密钥未经认证", "sealed with a key nobody certified"),
    "seal": ("封签的签名无效", "the seal's signature does not hold"),
    "seal_others": (
        "封签还包括未记入的内容，行号",
        "the seal also covers lines that are not in the record, rows",
    ),
    "unsealed": ("记录没有封签", "a record without a seal"),
    "event_place": ("记录不属于此处或顺序有误", "a record out of its place"),
    "event_hash": ("记录与封签的校验值不符", "a record differs from its sealed hash"),
    "event_chain": ("记录链断开", "the chain of records is broken"),
    "unreadable": ("记录无法解读（原样保留）", "a record that cannot be read (kept as it is)"),
    "hole": ("记录缺失且未申报", "records are missing and nobody declared it"),
    "epoch_missing": (
        "此前的一段现场记录不在包内",
        "the record before it is not in the package",
    ),
    "cut": ("现场记录缺少场次的开始或结束", "the room's record lacks the session's begin or end"),
    "no_tally": (
        "现场没有清点过本场次记录，无法确认是否齐全",
        "nobody counted this session's records: whether all are shown cannot be told",
    ),
    "untold": ("场次记录未全部展示", "records of this session are not shown"),
    "tally_gap": (
        "未展示的场次记录在已申报缺口内",
        "the session's records not shown lie in a declared gap",
    ),
    "tally_more": (
        "清点之后现场丢失过记录",
        "more records than the room still had when it counted",
    ),
    "head": ("中心所记与现场记录不符", "differs from what the hub recorded"),
    "retired_before": (
        "签名密钥后来停用，本记录在停用之前",
        "signed with a key that was retired later",
    ),
    "retired_after": (
        "密钥在此之前已停用",
        "the key had been retired before this was recorded",
    ),
    "retired_unknown": (
        "密钥已停用，无法确认记录是否在停用之前",
        "the key is retired and nothing tells whether this was recorded before",
    ),
    "signature_other": (
        "中心记录所列的打包密钥是另一把",
        "the hub's record names another key for this package",
    ),
    "av_hole": ("音视频中断且未申报", "audio or video is missing and nobody declared it"),
    "hidden": ("只列校验值、未展示内容的记录", "records listed by their hash only"),
    "gap": ("已申报的记录缺口", "a declared gap in the record"),
    "act_form": ("指令或声明格式不正确", "a signed act is malformed"),
    "act_missing": (
        "记录为已接受的指令未附原件，无从核验发令人",
        "an accepted order without its signed original: nothing shows who gave it",
    ),
    "act": ("指令或声明的签名无效", "the signature of an act does not hold"),
    "no_codes": (
        "缺少主场现场所签的离线指令码校验值",
        "the hashes of the offline codes, signed by the home room, are missing",
    ),
    "code": (
        "离线指令码不在主场现场为此指令所签的校验值之内",
        "the offline code is none that the home room drew and signed for this order",
    ),
    "code_twice": ("离线指令码重复使用", "an offline code was used a second time"),
    "by_hub": ("由中心密钥签发", "signed with the hub's key"),
    "no_streams": ("缺少现场记录", "the rooms' record is missing"),
    "no_room": ("缺少现场控制器的记录", "no room's record"),
    "no_hub": ("缺少中心的记录", "the hub's record is missing"),
    "no_session": ("缺少场次信息", "the session's description is missing"),
    "no_keys": ("缺少密钥声明", "the keys are missing"),
    "no_witness": ("缺少见证记录", "the witness record is missing"),
    "no_appraisal": ("缺少考核记录", "the appraisal record is missing"),
    "no_av": ("缺少音视频", "the audio and video are missing"),
    "no_segment": ("记录所列音视频片段缺失", "a recorded segment is missing"),
    "av_gap": ("已申报的音视频缺口", "a declared gap in audio or video"),
    "av_unrecorded": (
        "音视频文件没有现场记录",
        "no room recorded this audio or video",
    ),
    "av_name": ("音视频文件名与内容不符", "its name is not its content's hash"),
    "no_checkpoint": ("缺少联合签名的检查点", "no co-signed checkpoint"),
    "log_form": ("检查点或其证明格式不正确", "the checkpoint or its proof is malformed"),
    "log_signature": ("检查点不是中心签发的", "the hub did not sign this checkpoint"),
    "log_head": (
        "记录与检查点不符，存证日志里不是这些记录",
        "the log under this checkpoint does not hold these records",
    ),
    "not_in_log": ("检查点未涵盖的记录数", "records that the checkpoint does not cover"),
    "cosignature": ("见证控制器的联合签名无效", "a witness' co-signature does not hold"),
    "no_cosignature": (
        "检查点缺少见证控制器的联合签名，缺少的一方",
        "the checkpoint lacks the co-signature of a pinned controller of the",
    ),
    "cosigned": ("检查点已由见证控制器联合签名", "the checkpoint is co-signed by"),
    "log_anew": (
        "存证日志曾重新开始，本检查点属于第几份",
        "the log was begun anew; this is number",
    ),
    "no_trust": (
        "自身一致，但没有信任文件，来源未证实",
        "consistent in itself; without a trust file its origin is not proven",
    ),
    "more": ("还有更多条目未列出", "more items are not listed"),
    "sound": ("完好，来源已证实", "sound, its origin proven"),
}
WORDS = {
    SOUND: ("完好", "SOUND"),
    ALTERED: ("被改动", "ALTERED"),
    INCOMPLETE: ("不完整", "INCOMPLETE"),
    UNPROVEN: ("来源未证实", "ORIGIN NOT PROVEN"),
}
NOTE_WORDS = ("说明", "note")


class Files(Protocol):
    """What the caller brings; names are relative, with `/`.

    `is_link(name) -> bool` is optional: a reader without it promises that it has no links.
    """

    def names(self) -> Iterable[str]:
        """All files, and links if any."""
        ...

    def size(self, name: str) -> int:
        """Bytes of one file."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        ...


class TrustError(ValueError):
    """The trust file given cannot be used: nothing was checked (exit code 64)."""


class FormError(ValueError):
    """Bytes are not what the format says."""


@dataclass(frozen=True, slots=True)
class MemoryFiles:
    """A package held in memory."""

    content: Mapping[str, bytes]

    def names(self) -> Iterable[str]:
        """All files."""
        return list(self.content)

    def size(self, name: str) -> int:
        """Bytes of one file."""
        return len(self.content[name])

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        return self.content[name]


@dataclass(frozen=True, slots=True)
class Item:
    """One finding. `verdict` 0 is a note; `name` is the file, with `:line` or `#seq` behind."""

    verdict: int
    name: str
    key: str
    detail: str = ""

    def text(self, lang: str) -> str:
        """The finding in words, zh or en."""
        words = TEXTS[self.key][lang == "en"]
        return f"{words} ({self.detail})" if self.detail else words


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict and all findings, the worst first of all named by `first_bad`."""

    code: int
    items: tuple[Item, ...]
    lang: str
    counts: Mapping[str, int]

    @property
    def first_bad(self) -> str:
        """Name of the first item of the verdict's kind, '' if there is none."""
        return next((one.name for one in self.items if one.verdict == self.code != SOUND), "")

    def lines(self) -> list[str]:
        """The report as text: verdict, counts, then each finding."""
        en = self.lang == "en"
        counted = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        named = f": {self.first_bad}" if self.first_bad else ""
        found = [f"{WORDS[self.code][en]}{named}", counted]
        for item in self.items:
            word = WORDS[item.verdict][en] if item.verdict else NOTE_WORDS[en]
            found.append(f"[{word}] {item.name}: {item.text(self.lang)}")
        return found


# --- Ed25519, RFC 8032 -----------------------------------------------------------------------
# Cofactorless, as OpenSSL and libsodium check: encode([S]B - [k]A) must be the bytes R. Canonical
# S, A and R; small-order A and R are refused. Points: (X, Y, Z, T), x = X/Z, y = Y/Z, xy = T/Z.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
D2 = 2 * D % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
WINDOW_BASE = 7
WINDOW_KEY = 5
SIGNATURES_KEPT = 4096
"""Certificates and seals are asked about again; the bytes of so many are a few MiB."""

Point = tuple[int, int, int, int]
Cached = tuple[int, int, int, int]
IDENTITY: Point = (0, 1, 1, 0)


def _decode_point(raw: bytes) -> Point | None:
    """RFC 8032 §5.1.3; None for anything that is not the one encoding of a point."""
    number = int.from_bytes(raw, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * SQRT_M1 % P
        if v * x * x % P != u:
            return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _encode_point(point: Point) -> bytes:
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _cache(point: Point) -> Cached:
    x, y, z, t = point
    return (y + x) % P, (y - x) % P, 2 * z % P, t * D2 % P


def _add(point: Point, other: Cached) -> Point:
    x, y, z, t = point
    plus, minus, double_z, t2d = other
    a, b, c, d = (y - x) * minus % P, (y + x) * plus % P, t * t2d % P, z * double_z % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _subtract(point: Point, other: Cached) -> Point:
    return _add(point, (other[1], other[0], other[2], -other[3]))


def _double(point: Point) -> Point:
    x, y, z, _ = point
    a, b, c = x * x % P, y * y % P, 2 * z * z % P
    h = a + b
    e, g = h - (x + y) * (x + y), a - b
    f = c + g
    return e * f % P, g * h % P, f * g % P, e * h % P


def _odd_multiples(point: Point, window: int) -> list[Cached]:
    """1P, 3P, 5P … (2^(window-1) - 1)P."""
    twice = _cache(_double(point))
    found = [_cache(point)]
    for _ in range(2 ** (window - 2) - 1):
        point = _add(point, twice)
        found.append(_cache(point))
    return found


@functools.cache
def _base_multiples() -> list[Cached]:
    base = _decode_point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    return _odd_multiples(base or IDENTITY, WINDOW_BASE)


def _digits(scalar: int, window: int) -> list[int]:
    """Non-adjacent form: each digit 0 or odd, below 2^(window-1) in size."""
    found = []
    while scalar:
        digit = 0
        if scalar & 1:
            digit = scalar & (2**window - 1)
            if digit >= 2 ** (window - 1):
                digit -= 2**window
            scalar -= digit
        found.append(digit)
        scalar >>= 1
    return found


def _combine(s: int, k: int, key: Point) -> Point:
    """[s]B - [k]key, both in one run of doublings (Straus)."""
    base_table, key_table = _base_multiples(), _odd_multiples(key, WINDOW_KEY)
    s_digits, k_digits = _digits(s, WINDOW_BASE), _digits(k, WINDOW_KEY)
    length = max(len(s_digits), len(k_digits))
    s_digits += [0] * (length - len(s_digits))
    k_digits += [0] * (length - len(k_digits))
    total = IDENTITY
    for a, b in zip(reversed(s_digits), reversed(k_digits), strict=True):
        total = _double(total)
        if a:
            step = _add if a > 0 else _subtract
            total = step(total, base_table[abs(a) >> 1])
        if b:
            step = _subtract if b > 0 else _add
            total = step(total, key_table[abs(b) >> 1])
    return total


def _small_order(point: Point) -> bool:
    x, y, z, _ = _double(_double(_double(point)))
    return x % P == 0 and (y - z) % P == 0


@functools.lru_cache(SIGNATURES_KEPT)
def verify_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature holds. About 2 ms, the same one again nothing; never raises."""
    if len(public) != 32 or len(signature) != 64:  # noqa: PLR2004
        return False
    key = _decode_point(public)
    s = int.from_bytes(signature[32:], "little")
    if key is None or s >= ORDER or _small_order(key):
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    result = _combine(s, int.from_bytes(digest, "little") % ORDER, key)
    return _encode_point(result) == signature[:32] and not _small_order(result)


# --- strict reading --------------------------------------------------------------------------

HEX16 = re.compile(r"[0-9a-f]{16}\Z")
HEX64 = re.compile(r"[0-9a-f]{64}\Z")
HEX128 = re.compile(r"[0-9a-f]{128}\Z")
ROLE = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
STREAM = re.compile(r"data/streams/([ch]-[0-9a-f]{12})/([0-9a-f]{32})/([a-z]+\.[a-z]+)\Z")
MEDIA = re.compile(r"data/av/[^/]+/([0-9a-f]{64})\.(?:mp4|mkv)\Z")
DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)
LISTED = re.compile(r"([0-9a-f]{64})  ([^\n]+)\Z")
HASH_LINE = re.compile(r"([1-9][0-9]{0,15}) ([0-9a-f]{64})\Z")


def load_object(raw: bytes | str) -> dict[str, Any]:
    """A JSON object without doubled keys, NaN, broken text or huge numbers, not nested deeply.

    `FormError` otherwise.
    """
    if len(raw) > OBJECT_BYTES_MAX:
        raise FormError(f"larger than {OBJECT_BYTES_MAX} bytes")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise FormError("a key stands twice")
        return found

    def constant(name: str) -> None:
        raise FormError(f"{name} is not a number")

    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise FormError(str(error)[:200]) from None
    if not isinstance(value, dict):
        raise FormError("not a JSON object")
    _check_value(value)
    return value


def _check_value(value: dict[str, Any]) -> None:
    """Refuse what cannot be counted with, printed or walked through. `FormError`."""
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        group, depth = waiting.pop()
        if depth > OBJECT_DEPTH_MAX:
            raise FormError(f"nested deeper than {OBJECT_DEPTH_MAX}")
        inner = [*group, *group.values()] if isinstance(group, dict) else group
        for one in inner:
            if isinstance(one, dict | list):
                waiting.append((one, depth + 1))
            elif isinstance(one, str):
                if not one.isascii() and any("\ud800" <= char <= "\udfff" for char in one):
                    raise FormError("a lone surrogate")
            elif isinstance(one, int | float) and not -INTEGER_MAX <= one <= INTEGER_MAX:
                raise FormError("a number beyond 2^53")


def unbase64(text: str) -> bytes:
    """The bytes that have this one form in base64. `FormError` for any other form."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise FormError(str(error)) from None
    if base64.b64encode(raw).decode("ascii") != text:
        raise FormError("not the one base64 form")
    return raw


def plain(text: str) -> str:
    """A text of the package as it may stand in a report: bounded, nothing a terminal obeys."""
    shown = text if len(text) <= DETAIL_CHARS_MAX else text[:DETAIL_CHARS_MAX] + "…"
    if shown.isprintable():
        return shown
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown)


def text_of(value: Mapping[str, Any], key: str, rule: re.Pattern[str] | None = None) -> str:
    """A text field. `FormError` if it is absent, another type, or does not match."""
    found = value.get(key)
    if not isinstance(found, str) or (rule is not None and rule.match(found) is None):
        raise FormError(f"{key}: {found!r:.80}")
    return found


def count_of(value: Mapping[str, Any], key: str) -> int:
    """An integer field from 1 on. `FormError` otherwise."""
    found = value.get(key)
    if type(found) is not int or not 1 <= found < 2**53:
        raise FormError(f"{key}: {found!r:.80}")
    return found


def others_of(seal: Mapping[str, Any]) -> dict[int, str]:
    """Seq -> hash of what a seal covers and the record has not. `FormError` if malformed."""
    said = seal.get("others", [])
    if not isinstance(said, list):
        raise FormError("others")
    rows = [HASH_LINE.match(one) if isinstance(one, str) else None for one in said]
    if None in rows:
        raise FormError("others")
    return {int(row[1]): row[2] for row in rows if row is not None}


def lines_of(raw: bytes) -> list[bytes]:
    """Lines of a text file that ends with a line feed. `FormError` otherwise."""
    return list(each_line(raw))


def each_line(raw: bytes) -> Iterator[bytes]:
    """The same, one at a time: a file of line feeds alone must not fill the memory."""
    if raw and not raw.endswith(b"\n"):
        raise FormError("the last line has no end")
    at = 0
    while at < len(raw):
        end = raw.index(b"\n", at)
        yield raw[at:end]
        at = end + 1


@dataclass(frozen=True, slots=True)
class Message:
    """A signed message (one header line, body lines, one signature line), taken apart."""

    header: dict[str, Any]
    header_line: bytes
    lines: tuple[bytes, ...]
    sigs: tuple[tuple[str, str, bytes], ...]

    def payload(self, hashes: Iterable[bytes] | None = None) -> bytes:
        """The signed bytes: `ctx 00 header 0A SHA-256(line hashes)`."""
        if hashes is None:
            hashes = (hashlib.sha256(line).digest() for line in self.lines)
        body = hashlib.sha256(b"".join(hashes)).digest()
        ctx = str(self.header["ctx"]).encode()
        return ctx + b"\x00" + self.header_line + b"\x0a" + body


def parse_parts(header_line: bytes, lines: tuple[bytes, ...], trailer: bytes, ctx: str) -> Message:
    """A message from its lines, of this ctx and the suite INTL. `FormError` otherwise."""
    header, last = load_object(header_line), load_object(trailer)
    if header.get("ctx") != ctx or header.get("suite") != "INTL":
        raise FormError(f"not a {ctx} message of suite INTL")
    entries = last.get("sigs")
    if set(last) != {"sigs"} or not isinstance(entries, list):
        raise FormError("no signatures")
    sigs = []
    for entry in entries[: SIGNATURES_MAX + 1]:
        if not isinstance(entry, dict) or set(entry) != {"kid", "role", "sig"}:
            raise FormError("a malformed signature")
        sig = bytes.fromhex(text_of(entry, "sig", HEX128))
        sigs.append((text_of(entry, "kid", HEX16), text_of(entry, "role", ROLE), sig))
    if not 1 <= len(sigs) <= SIGNATURES_MAX or len({kid for kid, *_ in sigs}) != len(sigs):
        raise FormError("not 1 to 8 signatures of different keys")
    return Message(header, header_line, lines, tuple(sigs))


def parse_message(raw: bytes, ctx: str) -> Message:
    """A whole signed message. `FormError` if it is not one of this ctx."""
    parts = lines_of(raw)
    if len(parts) < 2 or b"" in parts:  # noqa: PLR2004
        raise FormError("not a signed message")
    return parse_parts(parts[0], tuple(parts[1:-1]), parts[-1], ctx)


def key_id(public: bytes) -> str:
    """First 16 hex digits of SHA-256 of the raw public key."""
    return hashlib.sha256(public).hexdigest()[:16]


def read_signature(raw: bytes) -> tuple[Message, str, bytes, str]:
    """The venue's detached signature: message, organisation, public key, signed SHA-256."""
    message = parse_message(raw, "er1/package")
    header = message.header
    text_of(header, "session")
    if message.lines or len(message.sigs) != 1 or message.sigs[0][1] != "venue":
        raise FormError("not one signature of a venue")
    kid, role, sig = message.sigs[0]
    written = f'{{"sigs":[{{"kid":"{kid}","role":"{role}","sig":"{sig.hex()}"}}]}}\n'
    # No manifest covers this file, so that its last line may have one form only.
    if raw != message.header_line + b"\n" + written.encode():
        raise FormError("a signature not in its one form")
    public = bytes.fromhex(text_of(header, "pub", HEX64))
    return message, text_of(header, "org"), public, text_of(header, "sha256", HEX64)


CODE_TEXT = re.compile(r"(?:[0-9A-HJKMNP-TV-Z]{4}-){4}[0-9A-HJKMNP-TV-Z]\Z")
CODE_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32
CODE_BYTES, HASH_BYTES = 10, 32


def code_digest(session: str, venue: str, data: Mapping[str, Any]) -> tuple[str, int, bytes]:
    """What a list must hold for an order by code: word, number, hash. `FormError` if malformed."""
    word, n, text = text_of(data, "order"), count_of(data, "n"), text_of(data, "code", CODE_TEXT)
    if word == "end":
        word = f"end.{text_of(data, 'committee')}"
    number = 0
    for letter in text.replace("-", "")[:-1]:  # the last one checks the ear, not the code
        number = number << 5 | CODE_LETTERS.index(letter)
    said = (session.encode(), venue.encode(), f"{n}.{word}".encode())
    parts = (b"er1/code", *said, number.to_bytes(CODE_BYTES, "big"))
    return word, n, hashlib.sha256(b"\x00".join(parts)).digest()


def code_listed(message: Message, word: str, n: int, digest: bytes) -> bool:
    """Whether a list has this hash in its one place: the line of the word, ascending by number."""
    for line in message.lines:
        name, _, packed = line.partition(b" ")
        if name == word.encode():
            hashes = unbase64(packed.decode("utf-8", "replace"))
            return hashes[HASH_BYTES * (n - 1) : HASH_BYTES * n] == digest
    return False


# --- the log: RFC 6962 and C2SP --------------------------------------------------------------
# A leaf says of one recorded row where it stands and what its hash is. One proof serves all rows of
# the package: the heads of those parts of the tree that hold none of them, from left to right.

COUNT = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")
ORIGIN = re.compile(r"evalroom/(h-[0-9a-f]{12})/([1-9][0-9]{0,3})\Z")
NOTE_LINE = re.compile(r"— ([^\s+]{1,128}) ([A-Za-z0-9+/]+={0,2})\Z")
PLACE_LINE = re.compile(
    r"([ch]-[0-9a-f]{12}) ([0-9a-f]{32}) ([1-9][0-9]{0,15}) ([1-9][0-9]{0,15})"
    r" (0|[1-9][0-9]{0,15})\Z"
)
LOG_KEY, WITNESS_KEY = 1, 4  # C2SP signature types: Ed25519, timestamped co-signature
KEY_ID_BYTES, TIME_BYTES = 4, 8


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962 §2.1: the hash of one entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 §2.1: the hash of two parts of a tree."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def log_entry(ctl: str, epoch: str, seq: int, digest: str) -> bytes:
    """What the log says of one row."""
    return f"er1/row {ctl} {epoch} {seq} {digest}".encode()


def log_head(leaves: Mapping[int, bytes], size: int, proof: Iterable[bytes]) -> bytes:
    """The head of a tree of `size` leaves, of which these are known. `FormError` otherwise."""
    known, others = sorted(leaves), iter(proof)
    if size < 1 or (known and not 0 <= known[0] <= known[-1] < size):
        raise FormError(f"a place outside a log of {size}")

    def head(start: int, width: int) -> bytes:
        at = bisect.bisect_left(known, start)
        if at == len(known) or known[at] >= start + width:
            found = next(others, None)
            if found is None:
                raise FormError("the proof is too short")
            return found
        if width == 1:
            return leaves[start]
        left = 1 << ((width - 1).bit_length() - 1)
        return node_hash(head(start, left), head(start + left, width - left))

    made = head(0, size)
    if next(others, None) is not None:
        raise FormError("the proof is too long")
    return made


@dataclass(frozen=True, slots=True)
class LogNote:
    """A checkpoint: its text as it is signed, what it says, and its signatures."""

    text: bytes
    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]  # key's name and id, the bytes behind

    def by(self, name: str, kind: int, public: bytes) -> list[bytes]:
        """What is signed under this key's name and id."""
        key = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:KEY_ID_BYTES]
        return [body for who, ident, body in self.signatures if (who, ident) == (name, key)]


def read_note(raw: bytes) -> LogNote:
    """A checkpoint's note (C2SP signed-note, tlog-checkpoint). `FormError` otherwise."""
    if len(raw) > NOTE_BYTES_MAX:
        raise FormError(f"larger than {NOTE_BYTES_MAX} bytes")
    try:
        lines = [line.decode("utf-8") for line in lines_of(raw)]
    except UnicodeDecodeError as error:
        raise FormError(str(error)) from None
    if len(lines) < 5 or lines[3] or len(lines) > 4 + NOTE_SIGNATURES_MAX:  # noqa: PLR2004
        raise FormError("not origin, size, root, an empty line and signatures")
    if COUNT.match(lines[1]) is None or int(lines[1]) > INTEGER_MAX:
        raise FormError(f"size: {lines[1]!r:.80}")
    root, found = unbase64(lines[2]), []
    for line in lines[4:]:
        match = NOTE_LINE.match(line)
        if match is None:
            raise FormError(f"{line!r:.120}")
        body = unbase64(match[2])
        found.append((match[1], body[:KEY_ID_BYTES], body[KEY_ID_BYTES:]))
    if len(root) != 32:  # noqa: PLR2004
        raise FormError("root: not 32 bytes")
    text = "".join(line + "\n" for line in lines[:3]).encode()
    return LogNote(text, lines[0], int(lines[1]), root, tuple(found))


def log_signed(note: LogNote, hub: str, public: bytes) -> bool:
    """Whether the hub signed the note as one of its own logs."""
    match, bodies = ORIGIN.match(note.origin), note.by(note.origin, LOG_KEY, public)
    if match is None or match[1] != hub or not bodies:
        return False
    return all(verify_ed25519(public, body, note.text) for body in bodies)


def cosigned(note: LogNote, ctl: str, public: bytes) -> bool | None:
    """Whether a witness co-signed the note; None where nothing says so."""
    bodies = note.by(ctl, WITNESS_KEY, public)
    for body in bodies:
        time_s = int.from_bytes(body[:TIME_BYTES], "big")
        message = f"cosignature/v1\ntime {time_s}\n".encode() + note.text
        if time_s >= 2**63 or not verify_ed25519(public, body[TIME_BYTES:], message):
            return False
    return True if bodies else None


# --- keys ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Who:
    """A key that counts. kind: venue, hub, person, controller, system."""

    subject: str
    kind: str
    roles: tuple[str, ...]
    org: str
    pub: bytes
    issuer: str = ""


Place = tuple[str, str, int]  # recorder, epoch, seq


@dataclass(slots=True)
class Keys:
    """The trust file's keys and, after `certify`, those its venues certify."""

    roots: dict[str, Who]
    hub_orders: bool
    checkpoint: str
    retired: dict[str, Place]
    witnesses: dict[str, Who] = field(default_factory=dict)  # by controller; pinned by the file
    known: dict[str, Who] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)  # the hub's, in their order

    def ends(self, kid: str) -> list[Place]:
        """Where a key ended: its own retirement, and that of the key which certified it."""
        who = self.known.get(kid)
        names = (kid,) if who is None else (kid, who.issuer)
        return [self.retired[name] for name in names if name in self.retired]

    def certify(self, raw: bytes) -> str:
        """Take one certificate in; the reason if it counts for nothing."""
        try:
            message = parse_message(raw, "er1/cert")
            public = bytes.fromhex(text_of(message.header, "pub", HEX64))
            kid, kind = text_of(message.header, "kid"), text_of(message.header, "kind")
            subject, roles = text_of(message.header, "subject"), message.header.get("roles")
        except FormError as error:
            return str(error)
        if kid != key_id(public) or kid in self.roots or not isinstance(roles, list):
            return "not a key of its own"
        for signer, _, sig in message.sigs:
            root = self.roots.get(signer)
            if root is None or not verify_ed25519(root.pub, sig, message.payload()):
                continue
            if root.kind == "venue" or (kind == "system" and self.hub_orders):
                # Of two certificates for one key the one that no retirement touches counts.
                if signer not in self.retired or kid not in self.known:
                    held = tuple(map(str, roles))
                    self.known[kid] = Who(subject, kind, held, root.org, public, signer)
                return ""
        return "no venue signed it"


def read_trust(raw: bytes) -> Keys:
    """The keys of a trust file. `FormError` if it cannot be used."""
    value = load_object(raw)
    if value.get("version") != 1 or value.get("checkpoint") not in ("none", "cosigned"):
        raise FormError("not a trust file of version 1")
    if value.get("hub_orders") not in ("yes", "no"):
        raise FormError("hub_orders: yes or no")
    roots: dict[str, Who] = {}
    venues, retired = _objects(value, "venues"), _objects(value, "retired")
    for venue in venues:
        org, public = text_of(venue, "org"), bytes.fromhex(text_of(venue, "pub", HEX64))
        roots[key_id(public)] = Who(org, "venue", ("venue",), org, public)
    hub = value.get("hub")
    if not isinstance(hub, dict):
        raise FormError("hub: missing")
    public = bytes.fromhex(text_of(hub, "pub", HEX64))
    roots[key_id(public)] = Who(text_of(hub, "id"), "hub", ("hub",), "", public)
    for kid, given in [(key_id(bytes.fromhex(v["pub"])), v) for v in [*venues, hub]]:
        if given.get("kid") != kid:
            raise FormError(f"kid: {given.get('kid')!r:.80} is not {kid}")
    ends = {}
    for one in retired:
        at = one.get("at")
        if not isinstance(at, dict):
            raise FormError("retired.at: missing")
        ends[text_of(one, "kid", HEX16)] = (
            text_of(at, "ctl"),
            text_of(at, "epoch"),
            count_of(at, "seq"),
        )
    epochs = value.get("epochs", [])
    if not isinstance(epochs, list) or not all(isinstance(one, str) for one in epochs):
        raise FormError("epochs: not a list of texts")
    order = {epoch: n for n, epoch in enumerate(epochs)}
    hub_orders = value["hub_orders"] == "yes"
    pinned = _witnesses(value)
    return Keys(roots, hub_orders, value["checkpoint"], ends, pinned, dict(roots), order)


def _witnesses(value: Mapping[str, Any]) -> dict[str, Who]:
    """The controllers whose co-signatures count; a file without them pins none."""
    found = {}
    given = _objects(value, "witnesses") if "witnesses" in value else []
    if len(given) > WITNESSES_MAX:
        raise FormError(f"witnesses: more than {WITNESSES_MAX}")
    for one in given:
        ctl, public = text_of(one, "ctl"), bytes.fromhex(text_of(one, "pub", HEX64))
        if one.get("kid") != key_id(public):
            raise FormError(f"kid: {one.get('kid')!r:.80} is not {key_id(public)}")
        found[ctl] = Who(ctl, "controller", (), text_of(one, "org"), public)
    return found


def _objects(value: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = value.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise FormError(f"{key}: not a list of objects")
    return found


# --- the package -----------------------------------------------------------------------------


@dataclass(slots=True)
class Stream:
    """One recorder's epoch as the package shows it."""

    ctl: str
    epoch: str
    hashes: dict[int, str] = field(default_factory=dict)
    events: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Its folder in the package."""
        return f"data/streams/{self.ctl}/{self.epoch}"


class _Stop(Exception):  # noqa: N818 - not an error: this stage was the last
    """Nothing behind this point may be trusted enough to be parsed."""


@dataclass(slots=True)
class _Check:
    """One run over one package: what was found so far."""

    files: Files
    keys: Keys | None
    digests: Mapping[str, Callable[[], Any]]
    names: set[str] = field(default_factory=set)
    items: list[Item] = field(default_factory=list)
    listed: dict[str, str] = field(default_factory=dict)
    signed_session: str = ""
    session: str = ""
    home_org: str = ""
    org: str = ""
    signer: str = ""
    closing: Place | None = None
    heads: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    preds: dict[str, str] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    streams: dict[tuple[str, str], Stream] = field(default_factory=dict)
    gaps: set[tuple[str, str, int, int]] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    worst: dict[int, Item] = field(default_factory=dict)

    def say(self, verdict: int, name: str, key: str, detail: str = "") -> None:
        """Note a finding; the first of each verdict is kept whatever the bound."""
        item = Item(verdict, plain(name), key, plain(detail))
        self.worst.setdefault(verdict, item)
        if len(self.items) < ITEMS_MAX:
            self.items.append(item)

    def stop_if_altered(self) -> None:
        """End a stage."""
        if ALTERED in self.worst:
            raise _Stop

    def read(self, name: str) -> bytes:
        """A payload or tag file's bytes, still those that were listed."""
        if self.files.size(name) > PARSED_BYTES_MAX:
            self.say(ALTERED, name, "too_large")
            raise _Stop
        raw = self.files.read(name)
        if name in self.listed and hashlib.sha256(raw).hexdigest() != self.listed[name]:
            self.say(ALTERED, name, "hash")
            raise _Stop
        return raw

    # 1 names and the venue's signature

    def check_names(self) -> None:
        """Only plain, portable, different names; no links; bounded."""
        is_link = getattr(self.files, "is_link", lambda _: False)
        seen: dict[str, str] = {}
        for count, name in enumerate(sorted(self.files.names())):
            if count >= FILES_MAX:
                self.say(ALTERED, name, "too_many", str(FILES_MAX))
                break
            if name.casefold() == FETCH:
                self.say(ALTERED, name, "fetch")
            elif not _safe(name) or seen.setdefault(name.casefold(), name) != name:
                self.say(ALTERED, ascii(name)[1:-1], "bad_name")
            elif is_link(name):
                self.say(ALTERED, name, "link")
            elif self.files.size(name) > FILE_BYTES_MAX:
                self.say(ALTERED, name, "too_large")
            self.names.add(name)
        self.stop_if_altered()

    def check_signature(self) -> None:
        """The venue's signature over the tag manifest, before anything of it is parsed."""
        if TAGS not in self.names:
            self.say(INCOMPLETE, TAGS, "missing")
            raise _Stop
        if SIGNATURE not in self.names:
            self.say(INCOMPLETE, SIGNATURE, "no_signature")
            return
        try:
            signed = read_signature(self.read(SIGNATURE))
        except FormError as error:
            self.say(ALTERED, SIGNATURE, "signature_form", str(error))
            raise _Stop from None
        message, org, public, digest = signed
        self.signed_session = text_of(message.header, "session")
        kid, _, sig = message.sigs[0]
        self.signer = kid
        if self.keys is not None:
            root = self.keys.roots.get(kid)
            if root is None or (root.kind, root.org, root.pub) != ("venue", org, public):
                self.say(ALTERED, SIGNATURE, "signature_key", f"{org} {kid}")
                raise _Stop
        if kid != key_id(public) or not verify_ed25519(public, sig, message.payload()):
            self.say(ALTERED, SIGNATURE, "signature")
        elif hashlib.sha256(self.read(TAGS)).hexdigest() != digest:
            self.say(ALTERED, TAGS, "signed_other")
        self.stop_if_altered()

    # 2 tag files and payload

    def check_manifests(self) -> None:
        """Every file listed once, every listed file there, every byte as listed."""
        tags = self.manifest(TAGS, payload=False)
        self.compare(tags)
        for name in sorted(self.names - set(tags) - {TAGS, SIGNATURE}):
            if not name.startswith("data/"):
                self.say(ALTERED, name, "unlisted")
        for name in ("bagit.txt", "bag-info.txt", PAYLOAD):
            if name not in tags:
                self.say(INCOMPLETE, name, "missing")
        self.stop_if_altered()
        if PAYLOAD not in tags or PAYLOAD not in self.names:
            raise _Stop
        payload = self.manifest(PAYLOAD, payload=True)
        self.compare(payload)
        for name in sorted(self.names):
            if name.startswith("data/") and name not in payload:
                self.say(ALTERED, name, "unlisted")
        self.stop_if_altered()
        if PAYLOAD_SM3 in tags and PAYLOAD_SM3 in self.names:
            self.check_sm3(payload)
        self.check_bag(payload)
        self.counts["files"] = len(self.names)

    def manifest(self, name: str, *, payload: bool) -> dict[str, str]:
        """A manifest's names and hashes."""
        found: dict[str, str] = {}
        try:
            for line in each_line(self.read(name)):
                if len(found) >= FILES_MAX:
                    raise FormError(f"more than {FILES_MAX} files")
                match = LISTED.match(line.decode("utf-8"))
                if match is None or not _safe(match[2]) or match[2] in found:
                    raise FormError(f"{line!r:.120}")
                if match[2].startswith("data/") is not payload or match[2] == TAGS:
                    raise FormError(f"{match[2]} has no place in it")
                found[match[2]] = match[1]
        except ValueError as error:
            self.say(ALTERED, name, "manifest", str(error))
            raise _Stop from None
        return found

    def compare(self, manifest: Mapping[str, str]) -> None:
        """Each listed file against its hash."""
        for name, digest in manifest.items():
            if name not in self.names:
                self.say(INCOMPLETE, name, REQUIRED.get(name, "missing"))
            elif hashlib.sha256(self.files.read(name)).hexdigest() != digest:
                self.say(ALTERED, name, "hash")
        self.listed.update(manifest)

    def check_sm3(self, payload: Mapping[str, str]) -> None:
        """The second manifest, where this Python has the hash."""
        make = self.digests.get("sm3")
        if make is None:
            self.say(SOUND, PAYLOAD_SM3, "sm3_skipped")
            return
        listed = self.manifest(PAYLOAD_SM3, payload=True)
        if set(listed) != set(payload):
            self.say(ALTERED, PAYLOAD_SM3, "manifest", "other files than " + PAYLOAD)
        for name, digest in listed.items():
            if name in self.names:
                state = make()
                state.update(self.files.read(name))
                if state.hexdigest() != digest:
                    self.say(ALTERED, name, "sm3")
        self.stop_if_altered()

    def check_bag(self, payload: Mapping[str, str]) -> None:
        """BagIt 1.0 (RFC 8493)."""
        if "bagit.txt" in self.names and self.read("bagit.txt") != BAGIT:
            self.say(ALTERED, "bagit.txt", "bag")
        if "bag-info.txt" in self.names and all(name in self.names for name in payload):
            total = sum(self.files.size(name) for name in payload)
            oxum = f"Payload-Oxum: {total}.{len(payload)}".encode()
            if oxum not in self.read("bag-info.txt").split(b"\n"):
                self.say(ALTERED, "bag-info.txt", "oxum")
        self.stop_if_altered()

    # 3 content

    def check_content(self) -> None:
        """Everything that has a meaning, from files already known to be as the venue signed."""
        records = self.read_records()
        if SESSION_FILE not in self.names:
            self.say(INCOMPLETE, SESSION_FILE, "no_session")
            return
        about = self.object_in(SESSION_FILE)
        self.session, self.home_org = str(about.get("session")), str(about.get("home_org"))
        self.org = str(about.get("org"))
        if self.signed_session and self.signed_session != self.session:
            self.say(ALTERED, SESSION_FILE, "other_session", self.session)
        for name in SESSION_RECORDS:
            said = records.get(name, about).get("session")
            if said != self.session:
                self.say(ALTERED, name, "other_session", str(said)[:40])
        keys = self.load_keys()
        if keys is None:
            return
        self.check_streams(keys)
        if not self.streams:
            self.say(INCOMPLETE, "data/streams", "no_streams")
        for stream in self.streams.values():
            self.check_links(stream)
            self.check_holes(stream)
            self.check_acts(stream, keys)
        self.check_codes(keys)
        if self.streams:
            self.check_recorders()
        self.check_media()
        self.check_signer(keys)
        self.check_log(keys)

    def read_records(self) -> dict[str, dict[str, Any]]:
        """The required records that are there."""
        found: dict[str, dict[str, Any]] = {}
        for name, key in REQUIRED.items():
            if name not in self.listed:
                self.say(INCOMPLETE, name, key)
            elif name in self.names:
                found[name] = self.object_in(name)
        return found

    def object_in(self, name: str) -> dict[str, Any]:
        """A payload file that must be a JSON object."""
        try:
            return load_object(self.read(name))
        except FormError as error:
            self.say(ALTERED, name, "form", str(error))
            raise _Stop from None

    def load_keys(self) -> Keys | None:
        """The trust file's keys, or those the package claims, with the certificates."""
        keys = self.keys
        if keys is None:
            if CLAIMED_TRUST not in self.names:
                self.say(INCOMPLETE, CLAIMED_TRUST, "no_keys")
                return None
            try:
                keys = read_trust(self.read(CLAIMED_TRUST))
            except FormError as error:
                self.say(ALTERED, CLAIMED_TRUST, "form", str(error))
                raise _Stop from None
        if CERTIFICATES not in self.names:
            self.say(INCOMPLETE, CERTIFICATES, "no_keys")
            return None
        for number, line in self.numbered(CERTIFICATES):
            try:
                raw = unbase64(text_of(load_object(line), "raw"))
            except FormError as error:
                self.say(ALTERED, f"{CERTIFICATES}:{number}", "form", str(error))
                raise _Stop from None
            reason = keys.certify(raw) if number <= CERTIFICATES_MAX else "too many"
            if reason:
                self.say(SOUND, f"{CERTIFICATES}:{number}", "certificate", reason)
        return keys

    def numbered(self, name: str) -> Iterator[tuple[int, bytes]]:
        """The lines of a file, numbered from 1."""
        try:
            yield from enumerate(each_line(self.read(name)), start=1)
        except FormError as error:
            self.say(ALTERED, name, "form", str(error))
            raise _Stop from None

    def check_streams(self, keys: Keys) -> None:
        """All streams, the hub's first: it tells which records of rooms it had, and when."""
        matches = [STREAM.match(name) for name in sorted(self.listed)]
        found = {(m[1], m[2]) for m in matches if m is not None}
        if len(found) > STREAMS_MAX:
            self.say(ALTERED, "data/streams", "too_many", str(STREAMS_MAX))
            raise _Stop
        for ctl, epoch in sorted(found, key=lambda one: (one[0][:1] != "h", one)):
            self.streams[ctl, epoch] = Stream(ctl, epoch)
            self.read_pred(self.streams[ctl, epoch])
        read = False
        for stream in self.streams.values():
            if not read and stream.ctl.startswith("c-"):
                self.read_closing()
                read = True
            self.check_stream(stream, keys)

    def read_pred(self, stream: Stream) -> None:
        """Which epoch came before this one; its bytes are checked against their seal later."""
        name = f"{stream.folder}/events.jsonl"
        if name not in self.names or name not in self.listed:
            return
        try:
            opened = load_object(self.read(name).split(b"\n", 1)[0])
        except FormError:
            return
        data = opened.get("data")
        if opened.get("type") == "epoch.opened" and isinstance(data, dict):
            self.preds[stream.epoch] = str(data.get("pred_epoch"))

    def told(self, ctl: str) -> tuple[Place, dict[str, Any]] | None:
        """The recorder's last count of this session: it grows, so the one with most rows."""
        kind = TALLIES[ctl[:2]]
        found = [
            ((stream.ctl, stream.epoch, seq), event["data"])
            for stream in self.streams.values()
            if stream.ctl == ctl
            for seq, event in stream.events.items()
            if event.get("type") == kind
            and event.get("session") == self.session
            and isinstance(event.get("data"), dict)
            and (ctl.startswith("c-") or event["data"].get("org") == self.org)
        ]
        return max(found, key=lambda one: sum(row[3] for row in _tally(one[1])), default=None)

    def read_closing(self) -> None:
        """The hub's count for this package, and up to where it had the rooms' records then."""
        for ctl in {stream.ctl for stream in self.streams.values() if stream.ctl[0] == "h"}:
            told = self.told(ctl)
            if told is None:
                continue
            self.closing, data = told
            heads = data.get("heads")
            for row in heads if isinstance(heads, list) else ():
                if isinstance(row, dict):
                    key = (str(row.get("ctl")), str(row.get("epoch")))
                    self.heads[key] = (_integer(row.get("seq")), str(row.get("hash")))
            named = data.get("kid")
            if self.signer and isinstance(named, str) and named != self.signer:
                self.say(ALTERED, SIGNATURE, "signature_other", named)

    def before(self, keys: Keys, place: Place, end: Place) -> bool | None:
        """Whether a place of the log lies before another; None where nothing tells."""
        if place[0] != end[0]:
            return None
        if place[1] == end[1]:
            return place[2] < end[2]
        if self.leads(place[1], end[1]):
            return True
        if self.leads(end[1], place[1]):
            return False
        if end[1] not in keys.epochs:
            return None
        # The trust file lists every epoch of the hub up to the last retirement it names.
        return keys.epochs.get(place[1], len(keys.epochs)) < keys.epochs[end[1]]

    def leads(self, first: str, then: str) -> bool:
        """Whether the package shows that one epoch came before another."""
        for _ in range(len(self.preds)):
            then = self.preds.get(then, "")
            if then == first:
                return True
        return False

    def counts_at(self, keys: Keys, kid: str, stream: Stream, seq: int) -> Who | None:
        """Whose key it is for what stands there, or None if it does not count there.

        A retired key counts for what was recorded before its end. What a room wrote has its place
        in the hub's record by the hub's count: it had arrived when that was written.
        """
        place = (stream.ctl, stream.epoch, seq)
        for end in keys.ends(kid):
            order = self.before(keys, place, end)
            arrived = seq <= self.heads.get(place[:2], (0, ""))[0]
            if order is None and arrived and self.closing is not None:
                order = self.before(keys, self.closing, end) or None
            if order is False:
                return None
            if order is None and kid not in self.unsure:
                self.unsure.add(kid)
                self.say(UNPROVEN, f"{stream.folder}#{seq}", "retired_unknown", kid)
        return keys.known.get(kid)

    def check_signer(self, keys: Keys) -> None:
        """A venue key retired later counts for a package whose hub's record ends before that."""
        end = keys.retired.get(self.signer)
        if end is None or self.keys is None:
            return
        place = self.closing
        order = None if place is None else self.before(keys, place, end)
        verdict, key = {
            True: (SOUND, "retired_before"),
            False: (ALTERED, "retired_after"),
            None: (UNPROVEN, "retired_unknown"),
        }[order]
        self.say(verdict, SIGNATURE, key, self.signer)

    def check_log(self, keys: Keys) -> None:
        """The records stand in the log whose head the hub and its witnesses signed.

        A package may come without it; where the trust file says `cosigned` it is then incomplete.
        """
        wanted = keys.checkpoint == "cosigned"
        lacking = [n for n in (CHECKPOINT, LOG_PLACES, LOG_PROOF) if n not in self.names]
        if lacking:
            if wanted:
                self.say(INCOMPLETE, "data/checkpoints", "no_checkpoint")
            return
        try:
            note = read_note(self.read(CHECKPOINT))
            hubs = [root for root in keys.roots.values() if root.kind == "hub"]
            if not any(log_signed(note, hub.subject, hub.pub) for hub in hubs):
                self.say(ALTERED, CHECKPOINT, "log_signature", note.origin)
                return
            leaves = self.placed()
            proof = [self.proof_hash(line) for line in each_line(self.read(LOG_PROOF))]
            if log_head(leaves, note.size, proof) != note.root:
                self.say(ALTERED, CHECKPOINT, "log_head", f"{note.origin} {note.size}")
                return
        except ValueError as error:
            self.say(ALTERED, "data/checkpoints", "log_form", str(error))
            return
        self.counts["logged"] = len(leaves)
        left = sum(len(stream.hashes) for stream in self.streams.values()) - len(leaves)
        if left:
            self.say(INCOMPLETE if wanted else SOUND, LOG_PLACES, "not_in_log", str(left))
        if not note.origin.endswith("/1"):
            self.say(SOUND, CHECKPOINT, "log_anew", note.origin.rpartition("/")[2])
        self.check_witnesses(keys, note, wanted=wanted)

    @staticmethod
    def proof_hash(line: bytes) -> bytes:
        """One line of the proof."""
        text = line.decode("utf-8", "replace")
        if HEX64.match(text) is None:
            raise FormError(f"{text!r:.80}")
        return bytes.fromhex(text)

    def placed(self) -> dict[int, bytes]:
        """Index in the log -> leaf, for the package's rows; each stands in one place."""
        leaves: dict[int, bytes] = {}
        seen: set[tuple[str, str, int]] = set()
        for line in each_line(self.read(LOG_PLACES)):
            match = PLACE_LINE.match(line.decode("utf-8", "replace"))
            stream = None if match is None else self.streams.get((match[1], match[2]))
            if match is None or stream is None:
                raise FormError(f"{line!r:.120}")
            first, count, index = int(match[3]), int(match[4]), int(match[5])
            if count > len(stream.hashes):
                raise FormError(f"{line!r:.120}")
            for seq, at in zip(
                range(first, first + count), range(index, index + count), strict=True
            ):
                row = (stream.ctl, stream.epoch, seq)
                if seq not in stream.hashes or at in leaves or row in seen:
                    raise FormError(f"{stream.folder}#{seq}: not one place")
                seen.add(row)
                leaves[at] = leaf_hash(log_entry(*row, stream.hashes[seq]))
        return leaves

    def check_witnesses(self, keys: Keys, note: LogNote, *, wanted: bool) -> None:
        """One pinned controller of the home and one of a guest co-signed this checkpoint."""
        signed = []
        for ctl, who in keys.witnesses.items():
            held = cosigned(note, ctl, who.pub)
            if held is False:
                self.say(ALTERED, CHECKPOINT, "cosignature", ctl)
                return
            end = keys.retired.get(key_id(who.pub))
            over = end is not None and not (
                self.closing is not None and self.before(keys, self.closing, end)
            )
            if held and not over:
                signed.append(who)
        if signed:
            named = ", ".join(f"{who.org} {who.subject}" for who in signed)
            self.say(SOUND, CHECKPOINT, "cosigned", named)
        sides = {"home": self.home_org in {who.org for who in signed}}
        sides["guest"] = any(who.org != self.home_org for who in signed)
        missing = [side for side, there in sides.items() if not there]
        if wanted and missing:
            self.say(INCOMPLETE, CHECKPOINT, "no_cosignature", ", ".join(missing))

    def check_stream(self, stream: Stream, keys: Keys) -> None:
        """Hash list, seals, and the events that are shown."""
        hashes, seals = f"{stream.folder}/hashes.txt", f"{stream.folder}/seals.jsonl"
        events, last = f"{stream.folder}/events.jsonl", 0
        for name in (hashes, seals):
            if name not in self.names:
                if name not in self.listed:
                    self.say(INCOMPLETE, name, "missing")
                return
        for number, line in self.numbered(hashes):
            match = HASH_LINE.match(line.decode("utf-8", "replace"))
            if match is None or int(match[1]) <= last:
                self.say(ALTERED, f"{hashes}:{number}", "form")
                raise _Stop
            last = int(match[1])
            stream.hashes[last] = match[2]
        head, digest = self.heads.get((stream.ctl, stream.epoch), (0, ""))
        if stream.hashes.get(head, digest) != digest:
            self.say(ALTERED, f"{hashes}#{head}", "head")
        sealed: set[int] = set()
        for number, line in self.numbered(seals):
            self.check_seal(stream, keys, f"{seals}:{number}", line, sealed)
        for seq in stream.hashes:
            if seq not in sealed:
                self.say(ALTERED, f"{hashes}#{seq}", "unsealed")
                break
        if events in self.names:
            last = 0
            places = {digest: seq for seq, digest in stream.hashes.items()}
            for number, line in self.numbered(events):
                last = self.check_event(stream, f"{events}:{number}", line, last, places)
        self.counts["hashes"] = self.counts.get("hashes", 0) + len(stream.hashes)
        self.counts["events"] = self.counts.get("events", 0) + len(stream.events)

    def check_seal(
        self, stream: Stream, keys: Keys, name: str, line: bytes, sealed: set[int]
    ) -> None:
        """One batch seal against the hash list; its recorder's key must be certified."""
        try:
            parts = load_object(line)
            header, trailer = text_of(parts, "header").encode(), text_of(parts, "sigs").encode()
            message = parse_parts(header, (), trailer, "er1/batch")
            first, count = count_of(message.header, "first"), count_of(message.header, "count")
            place = (message.header.get("ctl"), message.header.get("epoch"))
            if place != (stream.ctl, stream.epoch):
                raise FormError("another stream")
            others = others_of(parts)
        except ValueError as error:
            self.say(ALTERED, name, "seal_form", str(error))
            return
        span = range(first, first + count)
        if count > min(len(stream.hashes) + len(others), SEAL_LINES_MAX) or any(
            seq not in others and seq not in stream.hashes for seq in span
        ):
            self.say(ALTERED, name, "seal_hashes", f"{first}+{count}")
            return
        payload = message.payload(
            bytes.fromhex(others.get(seq) or stream.hashes[seq]) for seq in span
        )
        own = [
            (who.pub, sig)
            for kid, role, sig in message.sigs
            if (who := self.counts_at(keys, kid, stream, span[-1])) is not None
            and who.subject == stream.ctl
            and who.kind == ("hub" if stream.ctl.startswith("h-") else "controller")
            and role in who.roles
        ]
        if not own:
            self.say(ALTERED, name, "seal_key", message.sigs[0][0])
        elif not all(verify_ed25519(public, sig, payload) for public, sig in own):
            self.say(ALTERED, name, "seal")
        else:
            # Of what it covers besides the record it proves only that the recorder had sent it.
            sealed.update(seq for seq in span if seq not in others)
            if others:
                self.say(SOUND, name, "seal_others", " ".join(map(str, others)))
            self.counts["seals"] = self.counts.get("seals", 0) + 1

    def check_event(
        self, stream: Stream, name: str, line: bytes, last: int, places: Mapping[str, int]
    ) -> int:
        """One shown event against the hash list; its seq."""
        try:
            event = load_object(line) if len(line) <= EVENT_BYTES_MAX else {}
        except FormError:
            # Recorders keep bytes they cannot read: its hash tells where it belongs.
            place = places.get(hashlib.sha256(line).hexdigest(), 0)
            key = "unreadable" if place > last else "event_hash"
            self.say(SOUND if place > last else ALTERED, name, key)
            return max(place, last)
        seq = event.get("seq")
        place_ok = (event.get("ctl"), event.get("epoch")) == (stream.ctl, stream.epoch)
        if type(seq) is not int or seq <= last or not place_ok or seq not in stream.hashes:
            self.say(ALTERED, name, "event_place")
            return last
        if hashlib.sha256(line).hexdigest() != stream.hashes[seq]:
            self.say(ALTERED, name, "event_hash", f"seq {seq}")
            return seq
        stream.events[seq] = event
        data = event.get("data")
        if event.get("type") == "record.gap" and isinstance(data, dict):
            self.declare(stream.ctl, name, data)
        return seq

    def declare(self, ctl: str, name: str, data: Mapping[str, Any]) -> None:
        """Remember a declared gap and list it."""
        try:
            gap = (ctl, text_of(data, "epoch"), count_of(data, "from"), count_of(data, "to"))
        except FormError:
            self.say(SOUND, name, "unreadable")
            return
        self.gaps.add(gap)
        self.say(SOUND, name, "gap", f"{gap[1]} {gap[2]}..{gap[3]} {data.get('cause')}")

    def check_links(self, stream: Stream) -> None:
        """Each shown event's prev against the list: within the epoch, and to the one before."""
        for seq, event in stream.events.items():
            expected = stream.hashes.get(seq - 1)
            data = event.get("data")
            if seq == 1 and isinstance(data, dict) and event.get("type") == "epoch.opened":
                expected = data.get("pred_hash")
                pred = self.streams.get((stream.ctl, str(data.get("pred_epoch"))))
                known = None if pred is None else pred.hashes.get(_integer(data.get("pred_seq")))
                if known is not None and known != expected:
                    self.say(ALTERED, f"{stream.folder}/events.jsonl#1", "event_chain")
            if expected is not None and event.get("prev") != expected:
                self.say(ALTERED, f"{stream.folder}/events.jsonl#{seq}", "event_chain")

    def check_recorders(self) -> None:
        """The hub and a room are there, each with all its epochs and the whole session."""
        kinds = {ctl[:2] for ctl, _ in self.streams}
        for prefix, key in (("c-", "no_room"), ("h-", "no_hub")):
            if prefix not in kinds:
                self.say(INCOMPLETE, "data/streams", key)
        for ctl in sorted({ctl for ctl, _ in self.streams}):
            mine = [stream for (owner, _), stream in self.streams.items() if owner == ctl]
            cut = [one for one in mine if self.begins_in_between(one)]
            # The package itself begins somewhere: a room's with the session, the hub's once.
            begun = [one for one in mine if self.prepares(one)] or cut[:1]
            for stream in cut:
                if stream not in begun:
                    self.say(INCOMPLETE, stream.folder, "epoch_missing")
            if ctl.startswith("c-"):
                self.check_span(ctl, mine)
                self.check_coverage(ctl, mine)
            self.check_tally(ctl, mine)
            hidden = sum(len(one.hashes) - len(one.events) for one in mine)
            if hidden:
                self.say(SOUND, f"data/streams/{ctl}", "hidden", str(hidden))

    def begins_in_between(self, stream: Stream) -> bool:
        """Whether what this recorder wrote just before is neither here nor declared lost."""
        opened = stream.events.get(1, {})
        data = opened.get("data")
        if opened.get("type") != "epoch.opened" or not isinstance(data, dict):
            return True
        pred = str(data.get("pred_epoch"))
        declared = any(gap[:2] == (stream.ctl, pred) for gap in self.gaps)
        return pred != "" and not declared and (stream.ctl, pred) not in self.streams

    def prepares(self, stream: Stream) -> bool:
        """Whether this epoch shows the session's beginning."""
        return any(
            event.get("type") == "session.prepared" and event.get("session") == self.session
            for event in stream.events.values()
        )

    def ends(self, stream: Stream) -> bool:
        """Whether this epoch shows the session's end."""
        return any(
            event.get("type") == "phase.changed"
            and event.get("session") == self.session
            and isinstance(event.get("data"), dict)
            and event["data"].get("to") in END_PHASES
            for event in stream.events.values()
        )

    def check_span(self, ctl: str, mine: list[Stream]) -> None:
        """A room's record reaches from *prepared* to an end, unless it declared a loss."""
        if any(gap[0] == ctl for gap in self.gaps):
            return
        for word, shows in (("begin", self.prepares), ("end", self.ends)):
            if not any(map(shows, mine)):
                self.say(INCOMPLETE, f"data/streams/{ctl}", "cut", word)

    def check_tally(self, ctl: str, mine: list[Stream]) -> None:
        """Every row that the recorder itself counted is shown."""
        told = self.told(ctl)
        rows = [] if told is None else _tally(told[1])
        if told is None or not rows:
            verdict = SOUND if self.end_lost(mine) else INCOMPLETE
            self.say(verdict, f"data/streams/{ctl}", "no_tally")
            return
        if told[1].get("untold") != 0:
            self.say(INCOMPLETE, f"data/streams/{ctl}", "untold", f"{told[1].get('untold')} epochs")
        sessions = ("", self.session) if ctl.startswith("c-") else (self.session,)
        for row in rows:
            self.check_told(self.streams.get((ctl, row[0]), Stream(ctl, row[0])), row, sessions)

    def check_told(
        self, stream: Stream, row: tuple[str, int, int, int, str], sessions: tuple[str, ...]
    ) -> None:
        """One epoch against what its recorder counted there."""
        _, first, last, count, digest = row
        shown = [
            seq
            for seq, event in stream.events.items()
            if first <= seq <= last and event.get("session") in sessions
        ]
        if len(shown) == count and seqs_digest(shown) == digest:
            return
        gone, there = 0, list(stream.hashes)  # ascending
        for gap in self.gaps:
            low, high = max(first, gap[2]), min(last, gap[3])
            if gap[:2] == (stream.ctl, stream.epoch) and low <= high:
                listed = bisect.bisect_right(there, high) - bisect.bisect_left(there, low)
                gone += high - low + 1 - listed
        lacking = count - len(shown)
        if 0 < lacking <= gone:
            self.say(SOUND, stream.folder, "tally_gap", f"{lacking} of {count}")
        elif lacking < 0:
            self.say(SOUND, stream.folder, "tally_more", f"{len(shown)} of {count}")
        else:
            self.say(INCOMPLETE, stream.folder, "untold", f"{lacking} of {count}")

    def end_lost(self, mine: list[Stream]) -> bool:
        """Whether a declared gap lies where the recorder would have counted its rows."""
        for stream in mine:
            last = max(stream.events, default=0)
            for gap in self.gaps:
                if gap[:2] == (stream.ctl, stream.epoch) and gap[3] > last:
                    return True
        known = {(one.ctl, one.epoch) for one in mine}
        return any(gap[0] == mine[0].ctl and gap[:2] not in known for gap in self.gaps)

    def check_coverage(self, ctl: str, mine: list[Stream]) -> None:
        """Every stream of a room covers the evaluation, or a hole in it was declared."""
        if any(gap[0] == ctl for gap in self.gaps):
            return
        rows = [
            event
            for stream in mine
            for event in stream.events.values()
            if event.get("session") in ("", self.session) and isinstance(event.get("data"), dict)
        ]
        phases = [one for one in rows if one.get("type") == "phase.changed"]
        begins = [_at(one, "at") for one in phases if one["data"].get("to") == "evaluating"]
        ends = [_at(one, "at") for one in phases if one["data"].get("to") in OVER_PHASES]
        if not begins or not ends:
            return
        begin, end = min(begins), max(ends)
        steps = [
            abs(_integer(one["data"].get("step_ms")))
            for one in rows
            if one.get("type") == "clock.fix" and begin <= _at(one, "at") <= end
        ]
        slack = AV_HOLE_S + sum(step for step in steps if step > STEP_MS_MIN) / 1000
        names = {str(one["data"]["stream"]) for one in rows if _of_stream(one)}
        if len(names) > AV_STREAMS_MAX:
            self.say(ALTERED, "data/av", "too_many", f"{ctl} {AV_STREAMS_MAX}")
            return
        for name in sorted(names - {""}):
            own = [one for one in rows if _of_stream(one) and one["data"]["stream"] in (name, "")]
            for since, until in _holes(own, begin, end, slack):
                about = f"{ctl} {_clock(since)}..{_clock(until)}"
                self.say(INCOMPLETE, f"data/av/{name}", "av_hole", about)

    def check_holes(self, stream: Stream) -> None:
        """Between the first and last listed record, only declared gaps may be missing."""
        declared = sorted(gap[2:] for gap in self.gaps if gap[:2] == (stream.ctl, stream.epoch))
        before, covered, at = None, 0, 0
        for seq in stream.hashes:
            reached = seq - 1 if before is None else before
            while at < len(declared) and declared[at][0] <= max(reached, covered) + 1:
                covered, at = max(covered, declared[at][1]), at + 1
            reached = max(reached, covered)
            if reached < seq - 1:
                self.say(INCOMPLETE, f"{stream.folder}#{reached + 1}..{seq - 1}", "hole")
            before = seq

    def check_acts(self, stream: Stream, keys: Keys) -> None:
        """Orders, statements and commands that events carry with their exact bytes."""
        for seq, event in stream.events.items():
            data = event.get("data")
            if event.get("type") not in RAW_TYPES or not isinstance(data, dict):
                continue
            name = f"{stream.folder}/events.jsonl#{seq}"
            if data.get("raw"):
                self.check_act(name, str(event["type"]), data["raw"], (stream, seq), keys)
            elif event["type"] == "order.confirmed" or (
                # A room's word alone is no order; one by code is looked up in the drawn codes.
                event["type"] == "order.accepted" and data.get("via") != "code"
            ):
                self.say(ALTERED, name, "act_missing")

    def check_act(
        self, name: str, kind: str, raw: object, place: tuple[Stream, int], keys: Keys
    ) -> None:
        """One signed act: all its signatures hold, and enough certified ones are there."""
        word = kind.split(".", maxsplit=1)[0]
        try:
            if not isinstance(raw, str):
                raise FormError("raw is not a text")
            ctx = {"order": "er1/order", "statement": "er1/statement"}.get(word, "er1/cmd")
            # Exact bytes as text where they are text, which signed messages of persons always are.
            given = raw.encode() if raw[:1] == "{" else unbase64(raw)
            message = parse_message(given, ctx)
        except ValueError as error:
            self.say(ALTERED, name, "act_form", str(error))
            return
        stream, seq = place
        signers: list[tuple[Who, str]] = []
        for kid, role, sig in message.sigs:
            who = self.counts_at(keys, kid, stream, seq)
            if who is None or role not in who.roles:
                continue
            if not verify_ed25519(who.pub, sig, message.payload()):
                self.say(ALTERED, name, "act", kid)
                return
            signers.append((who, role))
        if not _enough(word, message.header, signers, keys, self.home_org):
            self.say(ALTERED, name, "act", "nobody entitled signed it")
            return
        self.counts["acts"] = self.counts.get("acts", 0) + 1
        if all(who.kind == "hub" for who, _ in signers):
            self.say(SOUND, name, "by_hub", str(message.header.get("id")))

    def check_codes(self, keys: Keys) -> None:
        """Orders by code: each code is one the home room drew for that order and venue, once."""
        orders = [
            (stream, seq, event["data"])
            for stream in self.streams.values()
            for seq, event in stream.events.items()
            if event.get("type") == "order.accepted"
            and isinstance(event.get("data"), dict)
            and event["data"].get("via") == "code"
        ]
        if not orders:
            return
        if CODES not in self.names:
            if CODES not in self.listed:
                self.say(INCOMPLETE, CODES, "no_codes")
            return
        drawn = self.code_lists()
        used: set[bytes] = set()
        for stream, seq, data in orders:
            name = f"{stream.folder}/events.jsonl#{seq}"
            try:
                digest = self.drawn_digest(keys, drawn, (stream, seq), data)
            except ValueError as error:
                self.say(ALTERED, name, "code", str(error))
                continue
            if digest in used:
                self.say(ALTERED, name, "code_twice")
            used.add(digest)
        self.counts["codes"] = len(used)

    def code_lists(self) -> list[Message]:
        """The signed lists of hashes that the package brings; whose they are is asked later."""
        found = []
        for number, line in self.numbered(CODES):
            try:
                raw = unbase64(text_of(load_object(line), "raw"))
            except ValueError as error:
                self.say(ALTERED, f"{CODES}:{number}", "form", str(error))
                raise _Stop from None
            # What some room told that is no list proves nothing and spoils nothing.
            with contextlib.suppress(ValueError):
                found.append(parse_message(raw, "er1/codes"))
        return found

    def drawn_digest(
        self, keys: Keys, drawn: list[Message], place: tuple[Stream, int], data: Mapping[str, Any]
    ) -> bytes:
        """The hash of an order's code in a list that counts there. `FormError` if in none."""
        stream, seq = place
        venues = {
            who.org
            for who in keys.known.values()
            if who.kind == "controller" and who.subject == stream.ctl
        }
        for venue in venues:
            word, n, digest = code_digest(self.session, venue, data)
            for message in drawn:
                named = (message.header.get("session"), message.header.get("venue"))
                if named != (self.session, venue) or not code_listed(message, word, n, digest):
                    continue
                if self.by_home_room(keys, message, stream, seq):
                    return digest
        raise FormError(f"{data.get('order')} {data.get('n')}")

    def by_home_room(self, keys: Keys, message: Message, stream: Stream, seq: int) -> bool:
        """Whether a controller that the home venue certified signed this."""
        for kid, role, sig in message.sigs:
            who = self.counts_at(keys, kid, stream, seq)
            if who is None or (who.kind, who.org) != ("controller", self.home_org):
                continue
            if role in who.roles and verify_ed25519(who.pub, sig, message.payload()):
                return True
        return False

    def check_media(self) -> None:
        """Every recorded segment is there under its own hash, or its absence was declared."""
        there: dict[str, str] = {}
        for name in sorted(self.listed):
            match = MEDIA.match(name)
            if match is not None:
                there[match[1]] = name
                if match[1] != self.listed[name]:
                    self.say(ALTERED, name, "av_name")
        events = [
            (stream, seq, event["type"], event["data"])
            for stream in self.streams.values()
            for seq, event in stream.events.items()
            if str(event.get("type")).startswith("media.")
            and event.get("session") in ("", self.session)
            and isinstance(event.get("data"), dict)
        ]
        lost = [data for *_, kind, data in events if kind != "media.segment"]
        segments, declared = [one for one in events if one[2] == "media.segment"], _Losses(lost)
        for stream, seq, kind, data in events:
            if kind != "media.segment":
                about = f"{data.get('stream')} {data.get('seconds', '')}"
                self.say(SOUND, f"{stream.folder}/events.jsonl#{seq}", "av_gap", about)
            elif str(data.get("sha256")) not in there and not declared.covers(data):
                name = f"data/av/{data.get('stream')}/{data.get('sha256')}"
                self.say(INCOMPLETE, name, "no_segment", f"{stream.folder}#{seq}")
        known = {str(data.get("sha256")) for *_, data in segments}
        for digest, name in there.items():
            # Where the record itself has parts missing, nobody can say what it knew.
            if digest not in known and INCOMPLETE not in self.worst:
                self.say(ALTERED, name, "av_unrecorded")
        if not segments and not lost and "data/av/index.json" in self.listed:
            self.say(INCOMPLETE, "data/av", "no_av")
        self.counts["segments"] = len(segments)


def _safe(name: str) -> bool:
    """Whether a name is relative, plain, portable and in one Unicode form."""
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        return False
    if not 1 <= size <= NAME_BYTES_MAX or unicodedata.normalize("NFC", name) != name:
        return False
    if not name.isprintable() or any(char in '\\:%*?"<>|' for char in name):
        return False
    # Some systems drop a dot or blank at the end, and keep words for devices: two names, one file.
    return all(
        part and part[-1] not in ". " and DEVICE.match(part) is None for part in name.split("/")
    )


def seqs_digest(seqs: Iterable[int]) -> str:
    """SHA-256 in hex over numbers in ascending order, each in decimal with a line feed."""
    return hashlib.sha256("".join(f"{seq}\n" for seq in sorted(seqs)).encode()).hexdigest()


def _tally(data: Mapping[str, Any]) -> list[tuple[str, int, int, int, str]]:
    """(epoch, first, last, rows, digest) of a recorder's count; nothing if it is malformed."""
    found = []
    rows = data.get("epochs")
    try:
        for row in rows if isinstance(rows, list) else ():
            numbers = [count_of(row, key) for key in ("first", "last", "rows")]
            digest = text_of(row, "digest", HEX64)
            found.append((text_of(row, "epoch"), numbers[0], numbers[1], numbers[2], digest))
    except (AttributeError, FormError):
        return []
    return found


def _at(value: Mapping[str, Any], key: str) -> float:
    """Seconds since 1970 of a moment in RFC 3339; `-1` where there is none."""
    try:
        moment = datetime.fromisoformat(str(value.get(key)))
        # A moment without a zone would be another one on each reader's machine.
        return -1.0 if moment.tzinfo is None else moment.astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return -1.0


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _of_stream(event: Mapping[str, Any]) -> bool:
    kind = str(event.get("type"))
    return (kind.startswith("media.") or kind == "recording.state") and isinstance(
        event["data"].get("stream"), str
    )


def _holes(
    events: list[dict[str, Any]], begin: float, end: float, slack: float
) -> list[tuple[float, float]]:
    """Where a stream has neither a segment nor a word about its absence, in seconds."""
    spans, lengths = _spans(events, end)
    loose = sorted(one + slack for one in lengths)
    found, reached = [], begin
    for first, last in [*sorted(spans), (end, end)]:
        until = min(first, end)
        fits = bisect.bisect_left(loose, until - reached)
        if until - reached > slack and fits < len(loose):
            del loose[fits]
        elif until - reached > slack:
            found.append((reached, until))
        reached = max(reached, last)
    return found


def _spans(
    events: list[dict[str, Any]], end: float
) -> tuple[list[tuple[float, float]], list[float]]:
    """When a stream was recorded or declared absent; and losses declared without a time."""
    spans: list[tuple[float, float]] = []
    loose: list[float] = []
    off = -1.0
    known = {str(one["data"].get("sha256")) for one in events if one["type"] == "media.segment"}
    for event in events:
        data = event["data"]
        if event["type"] == "recording.state":
            if data.get("state") != "on":
                off = _at(event, "at") if off < 0 else off
            elif off >= 0:
                spans.append((off, _at(event, "at")))
                off = -1.0
        elif event["type"] == "media.segment":
            spans.append((_at(data, "first_at"), _at(data, "last_at")))
        elif "from_at" in data:
            spans.append((_at(data, "from_at"), _at(data, "to_at")))
        elif str(data.get("sha256")) not in known:
            # A file that was lost or could not be read: it speaks of one hole without a time.
            loose.append(float(max(_integer(data.get("seconds")), 0)) or SEGMENT_S_MAX)
    return spans + ([(off, end)] if off >= 0 else []), loose


def _integer(value: object) -> int:
    return value if isinstance(value, int) else -1


def _enough(
    word: str,
    header: Mapping[str, Any],
    signers: list[tuple[Who, str]],
    keys: Keys,
    home_org: str,
) -> bool:
    """Whether those who signed validly may: the rules a room accepts an act by."""
    persons = [(who, role) for who, role in signers if who.kind == "person"]
    hub = any(who.kind == "hub" for who, _ in signers)
    if word == "order":
        return (hub and keys.hub_orders and header.get("by") == "hub") or any(
            who.subject == header.get("by") and who.org == home_org and role in ORDER_ROLES
            for who, role in persons
        )
    two = len({who.subject for who, _ in persons}) > 1 and len({role for _, role in persons}) > 1
    if word == "statement":
        return two or any(who.kind == "system" and who.org in ("", home_org) for who, _ in signers)
    return two if header.get("verb") == "locker.override" else bool(persons) or hub


class _Losses:
    """What was declared lost of audio and video: by hash, or by stream and time."""

    def __init__(self, lost: Iterable[Mapping[str, Any]]) -> None:
        self.hashes = {str(one["sha256"]) for one in lost if one.get("sha256") is not None}
        self.begins: dict[str, list[str]] = {}
        self.ends: dict[str, list[str]] = {}
        timed = [
            (str(one.get("from_at", "")), str(one.get("to_at", "")), str(one.get("stream")))
            for one in lost
            if one.get("sha256") is None
        ]
        for begin, end, stream in sorted(one for one in timed if one[0] and one[1]):
            ends = self.ends.setdefault(stream, [])
            self.begins.setdefault(stream, []).append(begin)
            # The latest end of all that begin no later than this one.
            ends.append(max(end, ends[-1]) if ends else end)

    def covers(self, segment: Mapping[str, Any]) -> bool:
        """Whether a declared loss speaks of this segment."""
        if str(segment.get("sha256")) in self.hashes:
            return True
        stream = str(segment.get("stream"))
        at = bisect.bisect_right(self.begins.get(stream, []), str(segment.get("first_at")))
        return at > 0 and str(segment.get("last_at")) <= self.ends[stream][at - 1]


def available_digests() -> dict[str, Callable[[], Any]]:
    """The hashes of this Python beyond SHA-256: SM3 where OpenSSL brings it."""
    try:
        hashlib.new("sm3")
    except ValueError:
        return {}
    return {"sm3": functools.partial(hashlib.new, "sm3")}


def verify_package(
    files: Files,
    trust: bytes | None,
    lang: str = "zh",
    *,
    digests: Mapping[str, Callable[[], Any]] | None = None,
) -> Report:
    """Check a package. `trust`: bytes of a trust file got outside the hub, or None.

    Raises `TrustError` if the trust file cannot be used; a package can be anything.
    """
    try:
        keys = None if trust is None else read_trust(trust)
    except FormError as error:
        raise TrustError(f"trust file: {error}") from None
    check = _Check(files, keys, available_digests() if digests is None else digests)
    try:
        check.check_names()
        check.check_signature()
        check.check_manifests()
        check.check_content()
    except _Stop:
        pass
    if keys is None:
        check.say(UNPROVEN, "trust", "no_trust")
    code = next((v for v in (ALTERED, INCOMPLETE, UNPROVEN) if v in check.worst), SOUND)
    if code == SOUND:
        check.say(SOUND, SIGNATURE, "sound")
    items = list(check.items)
    if code in check.worst and check.worst[code] not in items:
        items.append(check.worst[code])
    if len(check.items) >= ITEMS_MAX:
        items.append(Item(SOUND, "…", "more"))
    return Report(code, tuple(items), lang, check.counts)

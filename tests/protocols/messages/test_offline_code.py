"""The offline order code: how it reads, what a slip costs, whose list counts (WIRE §7)."""

from __future__ import annotations

import hashlib
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.messages.bodies import Keyring, Order
from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.offline_code import (
    CODE_BYTES,
    LIST_BYTES_MAX,
    NUMBERS_MAX,
    SLOTS,
    WORDS,
    CodeList,
    CodeTextError,
    Slot,
    code_hash,
    code_text,
    judge_codes,
    read_code,
    slot_of,
)
from protocols.messages.signed import parse_message
from tests.protocols.messages.wire_keys import (
    CTL,
    GUEST,
    HUB_KEY,
    SESSION,
    Key,
    certify,
    trust_file,
    verify,
)

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODES = st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES)
DRAWN = tuple(hashlib.sha256(slot.text.encode()).digest()[:CODE_BYTES] for slot in SLOTS)
LIST = CodeList.of(SESSION, "changsha", DRAWN)
HOME_ROOM, GUEST_ROOM, MANAGER = Key("home room"), Key("guest room"), Key("manager")


def reason(text: str) -> str:
    with pytest.raises(CodeTextError) as caught:
        read_code(text)
    return caught.value.reason


# -- text -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("00000000000000000000", "0000-0000-0000-0000-0"),
        ("ffffffffffffffffffff", "ZZZZ-ZZZZ-ZZZZ-ZZZZ-M"),
        ("00000000000000000001", "0000-0000-0000-0001-2"),
        ("0123456789abcdef0123", "04HM-ASW9-NF6Y-Y093-X"),
    ],
)
def test_codes_that_never_change(code: str, text: str) -> None:
    assert code_text(bytes.fromhex(code)) == text
    assert read_code(text).hex() == code


def test_a_hash_that_never_changes() -> None:
    """SHA-256 over the parts with 00 between them, said here a second time."""
    code = bytes(range(CODE_BYTES))
    said = b"er1/code\x00s-00000000abcd\x00changsha\x005.sign\x00" + code

    digest = code_hash("s-00000000abcd", "changsha", Slot(5, "sign"), code)

    assert digest == hashlib.sha256(said).digest()
    assert digest.hex() == "b8b7a26eed1ef00b82f11c85b8be12acde38d06d859113fe7622f7b23c7ea9cd"


@given(CODES)
def test_what_is_read_out_is_what_was_drawn(code: bytes) -> None:
    assert read_code(code_text(code)) == code


@given(CODES, st.data())
def test_case_spaces_hyphens_and_look_alikes_do_not_matter(
    code: bytes, data: st.DataObject
) -> None:
    typed = ""
    for letter in code_text(code).replace("-", ""):
        alike = {"0": "0oO０", "1": "1iIlL１"}.get(letter, letter + letter.lower())
        between = data.draw(st.sampled_from(["", " ", "-", "－", "\u3000"]))
        typed += data.draw(st.sampled_from(alike)) + between
    assert read_code(typed) == code


@given(CODES, st.integers(0, 16), st.sampled_from(LETTERS))
def test_one_wrong_character_is_a_slip_and_no_wrong_code(code: bytes, at: int, letter: str) -> None:
    text = code_text(code).replace("-", "")
    if text[at] != letter:
        assert reason(text[:at] + letter + text[at + 1 :]) == "check"


@given(CODES)
def test_any_two_characters_exchanged_are_a_slip(code: bytes) -> None:
    text = code_text(code).replace("-", "")
    for one, other in combinations(range(len(text)), 2):
        letters = list(text)
        letters[one], letters[other] = letters[other], letters[one]
        if letters != list(text):
            assert reason("".join(letters)) == "check"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "length"),
        ("0000-0000-0000-0000", "length"),
        ("0000-0000-0000-0000-00", "length"),
        ("0000-0000-0000-0000-U", "letter"),
        ("0000-0000-0000-000*-0", "letter"),
        ("零000-0000-0000-0000-0", "letter"),
        ("0000-0000-0000-0000-1", "check"),
    ],
)
def test_what_cannot_be_a_code_says_why(text: str, why: str) -> None:
    assert reason(text) == why


def test_only_ten_bytes_are_a_code() -> None:
    with pytest.raises(LocalError):
        code_text(bytes(9))


# -- slots ----------------------------------------------------------------------------------
def test_every_order_but_a_release_by_name_has_its_slots() -> None:
    assert len(SLOTS) == len(set(SLOTS)) == NUMBERS_MAX * len(WORDS)
    assert set(WORDS) == {
        *("open", "start", "break", "resume", "suspend", "adjourn", "sign", "postpone"),
        *("terminate", "end.complete", "end.incomplete", "close"),
    }
    assert (Slot(3, "end.complete").order, Slot(3, "end.complete").committee) == ("end", "complete")
    assert (Slot(3, "sign").order, Slot(3, "sign").committee) == ("sign", "")


def an_order(kind: str = "sign", n: int = 5, **more: object) -> Order:
    return Order("o", SESSION, n, kind, "p-000000000001", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("order", "slot"),
    [
        (an_order(), Slot(5, "sign")),
        (an_order(n=NUMBERS_MAX), Slot(NUMBERS_MAX, "sign")),
        (an_order("end", committee="incomplete"), Slot(5, "end.incomplete")),
        (an_order(n=NUMBERS_MAX + 1), None),
        (an_order("member_release", members=("x3",)), None),
        (an_order("start", exceptions=("clock",)), None),
    ],
)
def test_an_order_has_a_slot_where_a_code_says_all_of_it(order: Order, slot: Slot | None) -> None:
    assert slot_of(order) == slot


# -- lists ----------------------------------------------------------------------------------
def test_each_code_opens_its_own_slot() -> None:
    for slot, code in list(zip(SLOTS, DRAWN, strict=True))[::37]:
        assert LIST.find(code) == slot
    assert LIST.find(bytes(CODE_BYTES)) is None


def test_a_code_is_of_one_session_and_venue() -> None:
    assert CodeList.of("s-00000000dcba", "changsha", DRAWN).hashes[0] != LIST.hashes[0]
    others = CodeList(SESSION, "wuhan", LIST.hashes)
    assert others.find(DRAWN[0]) is None


def ring(**more: object) -> Keyring:
    certs = [
        certify(HOME_ROOM, CTL, kind="controller", roles=["controller"]),
        certify(
            GUEST_ROOM, "c-00000000000b", kind="controller", roles=["controller"], issuer=GUEST
        ),
        certify(MANAGER, "p-000000000001"),
    ]
    return Keyring(trust_file(**more), certs, verify)


def judged(raw: bytes, **more: str) -> CodeList:
    place = {"session": SESSION, "venue": "changsha", "home_org": "hubei", **more}
    return judge_codes(raw, ring(), verify, **place)


def test_the_home_room_s_list_counts() -> None:
    raw = LIST.seal([HOME_ROOM.signer()])

    assert len(raw) <= LIST_BYTES_MAX
    assert judged(raw) == LIST


@pytest.mark.parametrize(
    "signer",
    [
        HUB_KEY.signer("hub"),
        GUEST_ROOM.signer(),
        MANAGER.signer("home_manager"),
        Key("stranger").signer(),
        HOME_ROOM.signer("home_manager"),
    ],
)
def test_a_list_of_nobody_entitled_counts_for_nothing(signer) -> None:
    """The hub's above all: it carries the list, and must not be able to make one."""
    with pytest.raises(RemoteError, match="home venue's controller"):
        judged(LIST.seal([signer]))


@pytest.mark.parametrize("place", [{"session": "s-00000000dcba"}, {"venue": "wuhan"}])
def test_a_list_of_another_session_or_venue_counts_for_nothing(place: dict[str, str]) -> None:
    with pytest.raises(RemoteError, match="another place"):
        judged(LIST.seal([HOME_ROOM.signer()]), **place)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"open ", b"opens "),
        (b"\nbreak ", b"\nbreak !"),
        (b"\nclose ", b"\nclose AAAA"),
        (b'"venue"', b'"place"'),
        (b"er1/codes", b"er1/order"),
    ],
)
def test_what_is_no_list_is_refused(old: bytes, new: bytes) -> None:
    raw = LIST.seal([HOME_ROOM.signer()]).replace(old, new)

    with pytest.raises(RemoteError):
        CodeList.read(parse_message(raw, limit=len(raw)))


def test_one_flipped_bit_of_a_list_and_it_counts_for_nothing() -> None:
    raw = LIST.seal([HOME_ROOM.signer()])
    for at in range(0, len(raw), 251):
        flipped = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(RemoteError):
            judged(flipped)

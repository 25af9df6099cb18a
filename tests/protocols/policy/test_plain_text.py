"""Numbers of documents and telephones are found however they are written; other numbers pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.policy.plain_text import PersonalNumber, personal_number

DOCUMENT = "42010619900101123X"


@pytest.mark.parametrize(
    "text",
    [
        "420106199001011234",
        DOCUMENT,
        DOCUMENT.lower(),
        f"身份证{DOCUMENT}已核",
        "420106 19900101 1234",
        "420106-19900101-123X",
        "420106–1990–0101–123x",
        "4201 0619 9001 0112 34",
        "420106.19900101.1234",
        "420106  1990 0101  1234",
        "４２０１０６１９９００１０１１２３４",
        "420106900101123",
        "座位 3 420106199001011234",
        "6222021001112223334",
        "１２３４５６７８９０１２",
    ],
)
def test_a_number_of_a_document_is_found(text: str) -> None:
    assert personal_number(text) is PersonalNumber.DOCUMENT


@pytest.mark.parametrize(
    "text",
    [
        "13800138000",
        "请打138 0013 8000。",
        "138-0013-8000",
        "138 001 38000",
        "+86 13800138000",
        "8613800138000"[2:],
        "电话：１３８００１３８０００",
        "027-87654321",
        "0712 2345678",
        "02787654321",
        "+86-27-8765 4321",
        "值班电话 0731 8666 1234",
    ],
)
def test_a_telephone_number_is_found(text: str) -> None:
    assert personal_number(text) is PersonalNumber.TELEPHONE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "物业：配电间跳闸，10:05 恢复",
        "2026-11-24 10:05:30",
        "2026-11-24 1005",
        "预约 2026-1124-01，3 号评委，7 号柜",
        "2026-1124-01 3 号",
        "HBSJ-2026-117",
        "封条 FT-0091 与 FT-0092",
        "20261124",
        "费用 1350.00 元，共 12 人",
        "130 台设备",
        "1380013800",
        "第 138 0013 800 号",
        "05 0301",
        "220 V，50 Hz，UPS 3600 s",
        "s-0123456789ab"[:8],
    ],
)
def test_other_numbers_pass(text: str) -> None:
    assert personal_number(text) is None


@given(
    before=st.text(alphabet="评委号： ，", max_size=5),
    digits=st.text(alphabet="0123456789", min_size=17, max_size=17),
    check=st.sampled_from("0123456789Xx"),
    cuts=st.sets(st.integers(1, 17), max_size=4),
    sign=st.sampled_from(["", " ", "-", "—", "  ", "．"[:0], "/"]),
)
def test_no_way_of_grouping_hides_a_document(
    before: str, digits: str, check: str, cuts: set[int], sign: str
) -> None:
    whole = digits + check
    parts = [whole[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), 18], strict=True)]
    assert personal_number(before + sign.join(parts)) is PersonalNumber.DOCUMENT

"""The life of a controller's certificate as the room sees it, and what it takes for a new one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from edge import certificate
from edge.certificate import Standing, standing
from edge.renewal import Renewer
from hub.keys.authority import Authority, key_pem, make_authority, new_key, read_request

CTL = "c-0123456789ab"
NOW = dt.datetime(2026, 11, 24, 9, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    made, key = make_authority("h-0123456789ab", NOW), new_key()
    (tmp_path / "ca.crt").write_bytes(made.pem)
    (tmp_path / "tls.key").write_bytes(key_pem(key))
    (tmp_path / "tls.crt").write_bytes(made.for_controller(key.public_key(), CTL, NOW).pem)
    return made


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOW - DAY, Standing.EARLY),
        (NOW, Standing.VALID),
        (NOW + 59 * DAY, Standing.VALID),
        (NOW + 61 * DAY, Standing.DUE),
        (NOW + 89 * DAY, Standing.DUE),
        (NOW + 91 * DAY, Standing.EXPIRED),
    ],
)
@pytest.mark.usefixtures("ca")
def test_a_certificate_is_due_at_two_thirds_of_its_life(
    tmp_path: Path, at: dt.datetime, expected: Standing
) -> None:
    assert standing(certificate.own(tmp_path), at) is expected


def test_a_renewed_certificate_for_our_key_takes_the_place_of_ours(
    ca: Authority, tmp_path: Path
) -> None:
    public = read_request(certificate.request(tmp_path))
    fresh = ca.for_controller(public, CTL, NOW + 60 * DAY)

    assert certificate.replace(tmp_path, fresh.pem)

    assert certificate.own(tmp_path).not_valid_after_utc == NOW + 150 * DAY
    certificate.context(tmp_path)


def test_what_is_not_ours_never_takes_its_place(ca: Authority, tmp_path: Path) -> None:
    public = read_request(certificate.request(tmp_path))
    foreign = make_authority("h-0123456789ab", NOW)
    before = (tmp_path / "tls.crt").read_bytes()

    for pem in (
        b"",
        b"-----BEGIN CERTIFICATE-----",
        ca.for_controller(new_key().public_key(), CTL, NOW).pem,
        ca.for_controller(public, "c-ffffffffffff", NOW).pem,
        foreign.for_controller(public, CTL, NOW).pem,
    ):
        assert not certificate.replace(tmp_path, pem)

    assert (tmp_path / "tls.crt").read_bytes() == before


@pytest.mark.usefixtures("ca")
@pytest.mark.parametrize(
    ("at", "expected"),
    [(NOW - 20_000 * DAY, "cert_early"), (NOW + DAY, ""), (NOW + 91 * DAY, "cert_expired")],
)
def test_the_screen_is_told_why_the_room_records_alone(
    tmp_path: Path, at: dt.datetime, expected: str
) -> None:
    """In 1970 a room asks for nothing: what it lacks is a clock, not a certificate."""
    asked: list[bytes] = []

    def where() -> tuple[str, str]:
        asked.append(b"")
        return "http://127.0.0.1:9", ""

    renewer = Renewer(
        folder=tmp_path,
        where=where,
        account="",
        sign=lambda _: b"",
        up=lambda: True,
        now=lambda: at,
        mono_s=lambda: 0.0,
    )

    assert renewer.trouble() == expected
    assert not renewer.look()
    assert bool(asked) is (expected == "cert_expired")

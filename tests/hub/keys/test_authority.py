"""The hub's authority: what it takes from a request, what it puts into a certificate."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.crypto import CryptoError
from hub.keys.authority import (
    CONTROLLER_DAYS,
    RequestError,
    key_pem,
    make_authority,
    new_key,
    open_authority,
    read_request,
)

HUB, CTL = "h-0123456789ab", "c-0123456789ab"
NOW = dt.datetime(2026, 11, 24, 9, tzinfo=dt.UTC)


def request(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str = "c-ffffffffffff"
) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_controllers_certificate_has_our_name_and_days_whatever_the_request_says() -> None:
    ca, key = make_authority(HUB, NOW), new_key()

    made = ca.for_controller(read_request(request(key)), CTL, NOW)

    cert = x509.load_pem_x509_certificate(made.pem)
    cert.verify_directly_issued_by(ca.cert)
    assert [one.value for one in cert.subject] == [CTL]
    assert cert.public_key() == key.public_key()
    assert cert.not_valid_after_utc == NOW + dt.timedelta(days=CONTROLLER_DAYS)
    assert made.uri == f"urn:er1:{CTL}:{cert.serial_number:x}"
    uses = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.CLIENT_AUTH], "a room must not pass for the broker"
    basic = cert.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not basic.ca, "a room must not vouch for others"


def test_the_brokers_certificate_has_the_hubs_id() -> None:
    ca = make_authority(HUB, NOW)
    cert = x509.load_pem_x509_certificate(ca.for_broker(new_key().public_key(), HUB, NOW).pem)

    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [HUB]
    uses = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_revoked_certificate_is_in_the_signed_list_and_no_other() -> None:
    ca = make_authority(HUB, NOW)
    one, other = (ca.for_controller(new_key().public_key(), CTL, NOW) for _ in range(2))

    listed = x509.load_pem_x509_crl(ca.revoked([(one.serial, NOW)], NOW))

    assert listed.is_signature_valid(ca.key.public_key())  # type: ignore[arg-type]
    assert listed.get_revoked_certificate_by_serial_number(int(one.serial, 16)) is not None
    assert listed.get_revoked_certificate_by_serial_number(int(other.serial, 16)) is None


def broken(pem: bytes) -> bytes:
    """The same request under the name of another, its signature left as it was."""
    raw = x509.load_pem_x509_csr(pem).public_bytes(serialization.Encoding.DER)
    forged = raw.replace(b"c-ffffffffffff", CTL.encode("ascii"))
    return x509.load_der_x509_csr(forged).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (b"-----BEGIN", "a PEM certificate request"),
        (request(new_key())[:-60] + b"\n-----END CERTIFICATE REQUEST-----\n", "PEM"),
        (b"x" * 5_000, "at most 4096 bytes"),
        (request(ec.generate_private_key(ec.SECP384R1())), "a P-256 key"),
        (request(rsa.generate_private_key(65_537, 2048)), "a P-256 key"),
        (broken(request(new_key())), "signed with its own key"),
    ],
    ids=["stump", "cut", "long", "p384", "rsa", "not its key"],
)
def test_what_is_no_request_of_its_sender_is_refused(pem: bytes, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        read_request(pem)


def test_an_authority_is_made_once_also_by_two_at_the_same_moment(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: open_authority(tmp_path, HUB, NOW), range(8)))

    assert len({one.pem for one in made}) == 1
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca.crt").read_bytes() == made[0].pem
    assert {one.name for one in tmp_path.iterdir()} == {"ca.key", "ca.crt"}


def test_a_key_that_is_not_its_certificates_is_named(tmp_path: Path) -> None:
    ca = open_authority(tmp_path, HUB, NOW)
    (tmp_path / "ca.key").write_bytes(key_pem(new_key()) + ca.pem)

    with pytest.raises(CryptoError, match=r"ca\.key: expected the key of its certificate"):
        open_authority(tmp_path, HUB, NOW)

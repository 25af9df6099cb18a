"""The controller's certificate at the broker: how it is shown, and what it is checked against.

In the enrolment folder: `tls.key`, `tls.crt`, and `ca.crt`, the hub's authority. Certificates are
judged by the machine's own clock, for that is the one OpenSSL looks at.
"""

from __future__ import annotations

import datetime as dt
import ssl
from enum import Enum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FILES = ("ca.crt", "tls.crt", "tls.key")


def context(folder: Path) -> ssl.SSLContext:
    """TLS with this controller's certificate, to a broker that has one of the hub's authority.

    Raises:
        OSError: a file is missing, or key and certificate do not belong together.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The authority makes certificates to be connected to for its broker alone, so the name adds
    # nothing; and a broker may be dialled at any address, over a second line too.
    made.check_hostname = False
    made.load_verify_locations(folder / "ca.crt")
    made.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return made


class Standing(Enum):
    """Where a certificate is in its life."""

    VALID = "valid"
    DUE = "due"
    EXPIRED = "cert_expired"
    EARLY = "cert_early"


def standing(cert: x509.Certificate, now: dt.datetime) -> Standing:
    """A certificate at this moment; it is due at two thirds of its life."""
    begins, ends = cert.not_valid_before_utc, cert.not_valid_after_utc
    if now < begins:
        return Standing.EARLY
    if now > ends:
        return Standing.EXPIRED
    return Standing.DUE if now >= begins + (ends - begins) * 2 / 3 else Standing.VALID


def own(folder: Path) -> x509.Certificate:
    """This controller's certificate.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    return x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())


def request(folder: Path) -> bytes:
    """A certificate request (PEM) for the key in the folder.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    key = serialization.load_pem_private_key((folder / "tls.key").read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{folder / 'tls.key'}: expected a P-256 key, got {type(key).__name__}")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "controller")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def replace(folder: Path, pem: bytes) -> bool:
    """Puts a renewed certificate in the place of ours; False if it is not one for our key.

    The next connection shows it; the one that stands is not touched.
    """
    try:
        fresh, before = x509.load_pem_x509_certificate(pem), own(folder)
        authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        fresh.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    if fresh.public_key() != before.public_key() or fresh.subject != before.subject:
        return False
    half = folder / ".tls.crt.new"
    half.write_bytes(pem)
    half.replace(folder / "tls.crt")
    return True

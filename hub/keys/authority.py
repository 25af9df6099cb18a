"""The hub's certificate authority: who may connect to its broker, and until when.

P-256 throughout. The broker and the hub get certificates made here; a controller makes its key
itself and sends a request, of which nothing but the public key is taken: name, use and days are
ours. Pure X.509 work, the time is an argument; only `open_authority` reads and writes files.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.crypto import KEY_FILE_MODE, CryptoError

CONTROLLER_DAYS: Final = 90
"""Renewed at two thirds, so that a month without a hub ends nothing."""
OWN_DAYS: Final = 3_650
"""Broker and hub: their keys lie beside this authority's own, a shorter life protects nothing."""
AUTHORITY_DAYS: Final = 7_300
LEEWAY: Final = dt.timedelta(hours=1)
"""Before now: a room's clock may be behind the hub's when its certificate arrives."""
REQUEST_BYTES_MAX: Final = 4_096
"""A request for a P-256 key has about 400 bytes."""
NAME_OF: Final = "urn:er1:{name}:{serial}"


class RequestError(ValueError):
    """A certificate request that nothing is issued for; the text says what, expected, got."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate: PEM, number in hex, its own name, from and until when it holds."""

    pem: bytes
    serial: str
    uri: str
    from_at: dt.datetime
    until_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """The hub's key and certificate that vouch for everybody at its broker."""

    key: ec.EllipticCurvePrivateKey
    cert: x509.Certificate

    @property
    def pem(self) -> bytes:
        """The certificate everybody is given to check the others with."""
        return self.cert.public_bytes(serialization.Encoding.PEM)

    def for_controller(
        self, public: ec.EllipticCurvePublicKey, ctl: str, now: dt.datetime
    ) -> Issued:
        """A controller's certificate; it counts for connecting, never for being connected to."""
        return self._issue(public, ctl, now, CONTROLLER_DAYS, server=())

    def for_hub(self, public: ec.EllipticCurvePublicKey, name: str, now: dt.datetime) -> Issued:
        """The hub's own certificate at its broker."""
        return self._issue(public, name, now, OWN_DAYS, server=())

    def for_broker(self, public: ec.EllipticCurvePublicKey, hub: str, now: dt.datetime) -> Issued:
        """The broker's certificate: rooms ask for the hub's id, whatever address they dial."""
        return self._issue(public, "broker", now, OWN_DAYS, server=(hub,))

    def revoked(self, serials: Iterable[tuple[str, dt.datetime]], now: dt.datetime) -> bytes:
        """The list (PEM) of certificates that count no more; its number is how many they are.

        It never grows old by itself: an old list would shut every room out, and whoever could keep
        a new one from the broker could as well keep the old one there.

        Args:
            serials: (number in hex, since when) of each.
            now: when the list is made.
        """
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.cert.subject)
            .last_update(now - LEEWAY)
            .next_update(now + dt.timedelta(days=AUTHORITY_DAYS))
        )
        rows = list(serials)
        for serial, since in rows:
            one = x509.RevokedCertificateBuilder().serial_number(int(serial, 16))
            made = made.add_revoked_certificate(one.revocation_date(since).build())
        made = made.add_extension(x509.CRLNumber(len(rows)), critical=False)
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def read_revoked(self, pem: bytes) -> dict[str, dt.datetime]:
        """Number in hex -> since when, of a list that this authority signed.

        Raises:
            CryptoError: no list, or another's.
        """
        try:
            listed = x509.load_pem_x509_crl(pem)
            ours = listed.is_signature_valid(self.cert.public_key())  # type: ignore[arg-type]
        except (ValueError, TypeError) as error:
            raise CryptoError(f"expected a list of revoked certificates, got {error}") from error
        if not ours:
            raise CryptoError("expected a list that this hub's authority signed, got another's")
        return {f"{one.serial_number:x}": one.revocation_date_utc for one in listed}

    def _issue(
        self,
        public: ec.EllipticCurvePublicKey,
        name: str,
        now: dt.datetime,
        days: int,
        *,
        server: tuple[str, ...],
    ) -> Issued:
        number = x509.random_serial_number()
        serial = f"{number:x}"
        uri = NAME_OF.format(name=name, serial=serial)
        begins, ends = now - LEEWAY, now + dt.timedelta(days=days)
        use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        names: list[x509.GeneralName] = [x509.DNSName(one) for one in server]
        names += [] if server else [x509.UniformResourceIdentifier(uri)]
        cert = (
            _builder(_name(name), self.cert.subject, public, number)
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        pem = cert.public_bytes(serialization.Encoding.PEM)
        return Issued(pem, serial, uri, cert.not_valid_before_utc, cert.not_valid_after_utc)


def make_authority(hub: str, now: dt.datetime) -> Authority:
    """A fresh authority for one hub; its certificate vouches for others and does nothing else."""
    key = new_key()
    name = _name(f"evalroom {hub}")
    cert = (
        _builder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - LEEWAY)
        .not_valid_after(now + dt.timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, cert)


def open_authority(folder: Path, hub: str, now: dt.datetime) -> Authority:
    """The authority in a folder (`ca.key`, `ca.crt`), made where there is none.

    Raises:
        CryptoError: a file that is no key, or key and certificate that do not belong together.
    """
    key_file, cert_file = folder / "ca.key", folder / "ca.crt"
    if not key_file.exists():
        _keep(make_authority(hub, now), key_file)
    try:
        both = key_file.read_bytes()
        key = serialization.load_pem_private_key(both, None)
        cert = x509.load_pem_x509_certificate(both)
    except (OSError, ValueError) as error:
        raise CryptoError(
            f"{key_file}: expected PEM, got {error}; take it from a backup"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or cert.public_key() != key.public_key():
        raise CryptoError(f"{key_file}: expected the key of its certificate; take a backup's")
    made = Authority(key, cert)
    if not cert_file.exists() or cert_file.read_bytes() != made.pem:
        write_whole(cert_file, made.pem)
    return made


def read_request(pem: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a certificate request whose sender has the private one.

    Raises:
        RequestError: too long, no request, another kind of key, or not signed with its key.
    """
    if len(pem) > REQUEST_BYTES_MAX:
        raise RequestError(f"expected at most {REQUEST_BYTES_MAX} bytes, got {len(pem)}")
    try:
        request = x509.load_pem_x509_csr(pem)
        public = request.public_key()
        sound = request.is_signature_valid
    except (ValueError, TypeError, InvalidSignature) as error:
        raise RequestError(f"expected a PEM certificate request, got {error}") from error
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise RequestError(f"expected a P-256 key, got {type(public).__name__}")
    if not sound:
        raise RequestError("expected a request signed with its own key, got another signature")
    return public


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as PEM (PKCS #8), not enciphered: its file is its owner's alone."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_whole(path: Path, raw: bytes) -> None:
    """Writes a file whole or not at all, readable by its owner alone."""
    half = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    half.touch(mode=KEY_FILE_MODE)
    half.write_bytes(raw)
    half.replace(path)


def _keep(made: Authority, key_file: Path) -> None:
    """Key and certificate in one file, so that no crash parts them; the first one made stays."""
    half = key_file.with_name(f".{key_file.name}.{secrets.token_hex(4)}")
    write_whole(half, key_pem(made.key) + made.pem)
    try:
        key_file.hardlink_to(half)
    except FileExistsError:
        pass  # another command made one at the same moment
    finally:
        half.unlink()


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, number: int
) -> x509.CertificateBuilder:
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    return made.public_key(public).serial_number(number)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )

"""`edge enroll`: a controller makes its own keys and asks the hub to be let in.

The keys are made once and stay in the folder, so that the command may be stopped and started again
while people compare fingerprints. `id.json` comes last: with it the folder is whole.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge import certificate
from edge.config import ConfigError
from edge.crypto import read_private, signer
from edge.media.uploader import Target
from protocols.messages.enrolment import EnrolmentRequest
from protocols.messages.errors import RemoteError

ASK_S = 2.0
TIMEOUT_S = 20.0
ANSWER_BYTES_MAX = 256 * 1024
KEY_BYTES = 32
HANDED = ("tls.crt", "ca.crt", "cert.er1", "trust.json")


def enroll(folder: Path, url: str, code: str, wait: Callable[[float], object]) -> int:
    """Asks until somebody has decided; returns 0, or 1 when the hub refuses.

    Args:
        folder: gets keys and, in the end, all that `hub enroll` would have made.
        url: the hub's, https, or http on loopback.
        code: as it was typed.
        wait: waits so many seconds between two questions.

    Raises:
        ConfigError: the folder is whole already, or url or code cannot be right.
    """
    if (folder / "id.json").exists():
        raise _wrong(folder, "a folder without an enrolment", "id.json", "choose another folder")
    try:
        target, request = Target.read(url), request_of(folder, code)
    except (ValueError, RemoteError) as error:
        raise _wrong(folder, "the hub's address and the code as given", error, "mend it") from error
    say = sys.stdout.write
    say(f"指纹 / fingerprint: {request.fingerprint}\n")
    say("请与中心显示的指纹逐字核对 / compare with what `hub claim list` shows at the hub\n")
    sys.stdout.flush()
    while True:
        status, body = _ask(target, request)
        if status == HTTPStatus.OK:
            take(folder, body["answer"])
            say(f"已登记 / enrolled: {body['answer']['id']['ctl']}\n")
            return 0
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            sys.stderr.write(f"evalroom edge enroll: the hub refuses: {status} {body}\n")
            return 1
        wait(ASK_S)


def request_of(folder: Path, code: str) -> EnrolmentRequest:
    """The request of the keys in a folder; they are made where there are none."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("sign.key", "seal.key"):
        if not (folder / name).exists():
            write_private(folder / name, os.urandom(KEY_BYTES).hex() + "\n")
    if not (folder / "tls.csr").exists():
        write_private(folder / "tls.key", _pem(ec.generate_private_key(ec.SECP256R1())))
        # Kept: each signature is another one, and people compare a fingerprint over all of it.
        write_private(folder / "tls.csr", certificate.request(folder).decode("ascii"))
    public, sign = signer(read_private(folder / "sign.key"))
    seal = X25519PrivateKey.from_private_bytes(read_private(folder / "seal.key")).public_key()
    raw = seal.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    csr = (folder / "tls.csr").read_text(encoding="ascii")
    bare = EnrolmentRequest(code, csr, public.hex(), raw.hex())
    return replace(bare, sig=sign(bare.signed).hex())


def take(folder: Path, answer: dict[str, Any]) -> None:
    """Writes what the hub handed over.

    Raises:
        ConfigError: it is not for the keys of this folder.
    """
    files = {name: answer[name].encode("ascii") for name in HANDED}
    for name in ("cert.er1", "trust.json"):
        files[name] = base64.b64decode(files[name], validate=True)
    cert = x509.load_pem_x509_certificate(files["tls.crt"])
    csr = x509.load_pem_x509_csr((folder / "tls.csr").read_bytes())
    if cert.public_key() != csr.public_key():
        raise _wrong(folder, "a certificate for the key made here", "another", "make a new code")
    for name, raw in files.items():
        write_private(folder / name, raw.decode("utf-8"))
    identity = json.dumps(answer["id"], ensure_ascii=False, indent=1)
    write_private(folder / "id.json", identity + "\n")


def write_private(path: Path, text: str) -> None:
    """Writes a file whole or not at all, readable by its owner alone."""
    half = path.with_name(f".{path.name}.new")
    half.unlink(missing_ok=True)
    half.touch(mode=0o600)
    half.write_text(text, encoding="utf-8")
    half.replace(path)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


def _ask(target: Target, request: EnrolmentRequest) -> tuple[int, Any]:
    """Status and body of one question; 503 where the hub cannot be reached."""
    kind = http.client.HTTPSConnection if target.tls else http.client.HTTPConnection
    line = kind(target.host, target.port, timeout=TIMEOUT_S)
    try:
        line.request("POST", f"{target.path}/api/v1/enrolments", body=request.encode())
        answer = line.getresponse()
        return answer.status, json.loads(answer.read(ANSWER_BYTES_MAX))
    except (OSError, ValueError, http.client.HTTPException):
        return HTTPStatus.SERVICE_UNAVAILABLE, None
    finally:
        line.close()


def _wrong(folder: Path, expected: str, got: object, do: str) -> ConfigError:
    return ConfigError(f"{folder}: expected {expected}, got {got}\n  do: {do}")

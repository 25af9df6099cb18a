"""Keeps the controller's certificate in force: asks for a further one at two thirds of its life.

Over HTTP(S) and signed with the room's own key, so that it works when the broker lets the room in
no longer: expired, or forgotten by a hub that came back from an old backup. Until then the room
goes on alone, and its screen says why.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import http.client
import json
import logging
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from edge import certificate
from edge.certificate import Standing
from protocols.messages.enrolment import TLS_PREFIX

LOOK_S = 60.0
AGAIN_S = 600.0  # the hub makes no second one within hours; what was lost on the way can wait
DOWN_S = 900.0  # with a good certificate the broker has had time enough to come back by then
TIMEOUT_S = 20.0
ANSWER_BYTES_MAX = 64 * 1024
STOP_S = 1.0
log = logging.getLogger("evalroom.edge.renewal")


@dataclass(slots=True)
class Renewer:
    """A thread that looks once a minute.

    Args:
        folder: of the credentials.
        where: the hub's address, and the address to leave from, of the line in use.
        account: value of the Authorization header before the signature.
        sign: with the room's own key.
        up: whether the broker lets us in.
        now: the machine's own wall clock, the one OpenSSL looks at.
        mono_s: monotonic time.
    """

    folder: Path
    where: Callable[[], tuple[str, str]]
    account: str
    sign: Callable[[bytes], bytes]
    up: Callable[[], bool]
    now: Callable[[], dt.datetime]
    mono_s: Callable[[], float]
    _up_s: float | None = None
    _asked_s: float | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; a request under way is left behind."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def trouble(self) -> str:
        """Why the broker cannot let us in: `cert_expired`, `cert_early`, '' for no such reason."""
        try:
            found = certificate.standing(certificate.own(self.folder), self.now())
        except (OSError, ValueError):
            return Standing.EXPIRED.value
        return found.value if found in {Standing.EXPIRED, Standing.EARLY} else ""

    def look(self) -> bool:
        """Asks for a further certificate if it is time to; True when there is one."""
        mono_s = self.mono_s()
        if self.up() or self._up_s is None:
            self._up_s = mono_s
        if self._asked_s is not None and mono_s - self._asked_s < AGAIN_S:
            return False
        found = certificate.standing(certificate.own(self.folder), self.now())
        shut_out = found is Standing.VALID and mono_s - self._up_s >= DOWN_S
        if found not in {Standing.DUE, Standing.EXPIRED} and not shut_out:
            return False
        self._asked_s = mono_s
        pem = self._ask(certificate.request(self.folder))
        if pem is None:
            return False
        if not certificate.replace(self.folder, pem):
            log.warning("certificate: expected one for our key, got another; it is not used")
            return False
        log.info("certificate: renewed until %s", certificate.own(self.folder).not_valid_after_utc)
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except (OSError, ValueError, TypeError) as error:
                log.warning("certificate: expected the files of the enrolment, got %s", error)
            self._stop.wait(LOOK_S)

    def _ask(self, csr: bytes) -> bytes | None:
        digest = hashlib.sha256(csr).hexdigest()
        signature = self.sign(TLS_PREFIX + digest.encode("ascii")).hex()
        headers = {"Authorization": f"{self.account},sig={signature}"}
        url, source = self.where()
        parts = urlsplit(url)
        leave = (source, 0) if source else None
        try:
            line = (
                http.client.HTTPSConnection(
                    parts.hostname or "",
                    parts.port,
                    timeout=TIMEOUT_S,
                    context=ssl.create_default_context(),
                    source_address=leave,
                )
                if parts.scheme == "https"
                else http.client.HTTPConnection(
                    parts.hostname or "", parts.port, timeout=TIMEOUT_S, source_address=leave
                )
            )
            try:
                path = f"{parts.path.rstrip('/')}/api/v1/certificates"
                line.request("POST", path, body=csr, headers=headers)
                answer = line.getresponse()
                body = answer.read(ANSWER_BYTES_MAX)
            finally:
                line.close()
            if answer.status == HTTPStatus.OK:
                return str(json.loads(body)["tls.crt"]).encode("ascii")
            log.warning("certificate: the hub answered %s", answer.status)
        except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as error:
            log.warning("certificate: expected a further one from %s, got %s", url, error)
        return None

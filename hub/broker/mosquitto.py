"""Mosquitto as the broker: what one site runs, and what tests run beside NATS."""

from __future__ import annotations

import base64
import hashlib
import os
import pwd
import shutil
import signal
from pathlib import Path
from typing import Final

from hub.broker.process import Broker, BrokerError, BrokerUser
from protocols.messages.topics import BROKER_BYTES_MAX, UP_LEAVES

QUEUED_MAX: Final = 1_000
"""Per client; beyond it the room's journal waits, not the broker's memory."""
INFLIGHT_MAX: Final = 64
"""Measured: more in flight is slower, not faster."""
ITERATIONS: Final = 101
"""Its own default; the passwords are random tokens, not words."""
REVOKED: Final = "revoked.pem"


class MosquittoBroker(Broker):
    """Mosquitto 2 as Debian packages it: what one site runs, and what tests run beside NATS."""

    kind = "mosquitto"
    _revoked_anew = False

    def program(self) -> Path:
        """The binary on the path or where Debian puts it."""
        found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if found is None:
            raise BrokerError(
                "mosquitto: expected it on the path or in /usr/sbin, got nothing. "
                "do: sudo apt-get install -y mosquitto"
            )
        return Path(found)

    def command(self) -> list[str]:
        """Everything else is in the configuration, which a new start reads whole."""
        self._revoked_anew = False
        return [str(self.program()), "-c", str(self.config)]

    def write_config(self) -> None:
        """Configuration, passwords and topic rules; the last two are read again on SIGHUP."""
        (self.folder / "store").mkdir(exist_ok=True, mode=0o700)
        self.write_private("topics", "\n".join(map(self._topics, self.users)))
        self.write_private(
            self.config.name,
            "\n".join(
                [
                    f"listener {self.port} {self.host}",
                    # Started by root it would change to a user that may not read this folder.
                    f"user {pwd.getpwuid(os.getuid()).pw_name}",
                    "allow_anonymous false",
                    *self._identities(),
                    f"acl_file {self.folder / 'topics'}",
                    "persistence true",
                    f"persistence_location {self.folder / 'store'}/",
                    "set_tcp_nodelay true",
                    f"message_size_limit {BROKER_BYTES_MAX}",
                    f"max_inflight_messages {INFLIGHT_MAX}",
                    f"max_queued_messages {QUEUED_MAX}",
                    "log_dest stderr",
                    "log_type error",
                    "log_type warning",
                    "",
                ]
            ),
        )

    def reread(self, pid: int) -> None:
        """A broker that is told of a revoked certificate starts anew.

        It would refuse the certificate from now on and yet keep the connection that has it.
        """
        os.kill(pid, signal.SIGTERM if self._revoked_anew else signal.SIGHUP)
        self._revoked_anew = False

    def _identities(self) -> list[str]:
        """How it knows who connects: a certificate's name, or name and password."""
        if self.tls is None:
            self.write_private("passwords", "".join(map(self._password, self.users)))
            return [f"password_file {self.folder / 'passwords'}"]
        told = self.folder / REVOKED
        before = told.read_text(encoding="ascii") if told.exists() else ""
        revoked = self.tls.crl.read_text(encoding="ascii")
        if revoked != before:
            self._revoked_anew = bool(before)
            self.write_private(REVOKED, revoked)
        return [
            f"cafile {self.tls.ca}",
            f"certfile {self.tls.cert}",
            f"keyfile {self.tls.cert}",
            f"crlfile {told}",
            "tls_version tlsv1.2",
            "require_certificate true",
            "use_identity_as_username true",
            # Else one room could end another's connection by calling itself by its id.
            "use_username_as_clientid true",
        ]

    @staticmethod
    def _password(user: BrokerUser) -> str:
        """A line of mosquitto_passwd's own format: PBKDF2-SHA512, salt from the random password."""
        salt = hashlib.sha256(f"salt {user.password}".encode()).digest()[:12]
        key = hashlib.pbkdf2_hmac("sha512", user.password.encode(), salt, ITERATIONS)
        packed = "$".join(base64.b64encode(part).decode() for part in (salt, key))
        return f"{user.name}:$7${ITERATIONS}${packed}\n"

    @staticmethod
    def _topics(user: BrokerUser) -> str:
        own = user.own_topics
        if not own:
            return f"user {user.name}\ntopic readwrite er/1/#\n"
        lines = [f"topic write {own}/{leaf}" for leaf in UP_LEAVES]
        return "\n".join([f"user {user.name}", *lines, f"topic read {own}/down/#", ""])

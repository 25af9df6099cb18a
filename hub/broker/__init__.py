"""The MQTT broker a hub starts for itself: found, configured, watched, started again when it dies.

Two kinds behind one shape. `EmbeddedBroker` runs the NATS server that comes as a wheel, so that a
demonstration or a small trial installs nothing; `MosquittoBroker` runs the Debian package that one
site uses. A large site brings its own cluster and none of this. Neither is trusted with anything:
the hub acknowledges after its own commit, so a broker that forgets costs time, not records.
"""

from hub.broker.embedded import EmbeddedBroker
from hub.broker.mosquitto import QUEUED_MAX, REVOKED, MosquittoBroker
from hub.broker.process import Broker, BrokerError, BrokerTls, BrokerUser, free_port

__all__ = [
    "QUEUED_MAX",
    "REVOKED",
    "Broker",
    "BrokerError",
    "BrokerTls",
    "BrokerUser",
    "EmbeddedBroker",
    "MosquittoBroker",
    "free_port",
]

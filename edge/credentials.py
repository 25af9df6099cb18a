"""What was handed over at enrolment, read as a start reads it: each fault names its file."""

from __future__ import annotations

from edge.certificate import FILES, context
from edge.config import ConfigError, RoomFile
from edge.crypto import read_private
from protocols.messages.bodies import TrustFile
from protocols.messages.errors import RemoteError


def read_trust(room: RoomFile) -> TrustFile:
    """The trust file of the enrolment folder.

    Raises:
        ConfigError: missing, not one, or of another hub than this controller was enrolled at.
    """
    where = room.credentials.folder / "trust.json"
    try:
        trust = TrustFile.decode(where.read_bytes())
    except (OSError, RemoteError) as error:
        raise ConfigError(
            f"{where}: expected the trust file that was handed over at enrolment, got {error}\n"
            "  do: copy it here again, from the person who keeps it, not from the hub"
        ) from error
    if trust.hub.id != room.credentials.hub:
        raise ConfigError(
            f"{where} hub.id: expected {room.credentials.hub} as in id.json, got {trust.hub.id}\n"
            "  do: use the trust file and the enrolment folder of the same hub"
        )
    return trust


def check_credentials(room: RoomFile) -> None:
    """Reads every key and the trust file once, as a start would.

    Raises:
        ConfigError, CryptoError: which file, and what to do.
    """
    read_trust(room)
    for name in ("sign.key", "seal.key"):
        read_private(room.credentials.folder / name)
    if room.credentials.mqtt_tls:
        try:
            context(room.credentials.folder)
        except OSError as error:
            raise ConfigError(
                f"{room.credentials.folder}: expected {', '.join(FILES)} as enrolment made them, "
                f"got {error}\n  do: copy the whole folder here again, or enrol again"
            ) from error

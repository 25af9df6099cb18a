"""The hub's keys in a backup, wrapped by a passphrase: who has the backup alone has no key of it.

What a person's key is wrapped with wraps them (scrypt and AES-256-GCM); file by file in one piece,
so that none can be exchanged for another backup's.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Final

from hub import crypto
from hub.config import ConfigError
from hub.crypto import CryptoError, Stretch
from hub.keys.authority import write_whole

WRAPPED: Final = "keys.wrapped.json"
PHRASE_CHARS_MIN: Final = 16
"""Whoever has the backup guesses as long as he likes; half a second each."""
FOLDER_MODE: Final = 0o700


def wrap_keys(folder: Path, target: Path, phrase: str, stretch: Stretch) -> None:
    """Writes every file of a folder into one that only the passphrase opens.

    Raises:
        ConfigError: the passphrase is too short.
    """
    check_phrase(phrase)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    plain = {
        path.relative_to(folder).as_posix(): base64.b64encode(path.read_bytes()).decode("ascii")
        for path in files
    }
    wrapped = crypto.wrap_key(json.dumps(plain).encode("utf-8"), phrase, stretch)
    write_whole(target, json.dumps(wrapped).encode("ascii"))


def unwrap_keys(source: Path, phrase: str, stretch: Stretch) -> dict[str, bytes]:
    """The files again, name -> bytes.

    Raises:
        ConfigError: another passphrase, none, or a file that was changed.
    """
    try:
        wrapped = json.loads(source.read_text(encoding="ascii"))
        plain = json.loads(crypto.unwrap_key(wrapped, phrase, stretch)[0])
    except (ValueError, TypeError, CryptoError) as error:
        raise ConfigError(
            f"the backup's keys stay closed\n  where: {source}\n"
            f"  expected: the passphrase they were wrapped with\n  got: {error}\n"
            "  do: give --passphrase-file with the passphrase of this very backup"
        ) from error
    return {name: base64.b64decode(text) for name, text in plain.items()}


def write_keys(files: dict[str, bytes], folder: Path) -> None:
    """Makes the folder of these files, its owner's alone."""
    for name, raw in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        write_whole(path, raw)


def check_phrase(phrase: str) -> None:
    """Refuses what could be guessed.

    Raises:
        ConfigError: too short.
    """
    if len(phrase) < PHRASE_CHARS_MIN:
        raise ConfigError(
            "this passphrase can be guessed\n  where: --passphrase-file\n"
            f"  expected: at least {PHRASE_CHARS_MIN} characters in the first line\n"
            f"  got: {len(phrase)}\n  do: take six words by lot, and keep them elsewhere"
        )

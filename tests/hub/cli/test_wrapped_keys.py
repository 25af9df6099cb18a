"""A backup whose keys are wrapped: none of them lies in it, and only its passphrase restores it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.__main__ import main
from hub.app import Hub
from hub.cli.restore import backup, restore
from hub.cli.wrapped_keys import WRAPPED
from hub.config import ConfigError
from tests.hub.booking.town import CHEAP

PHRASE = "six words by lot and no others"


def keys_of(data: Path) -> dict[str, bytes]:
    folder = data / "keys"
    files = [one for one in folder.rglob("*") if one.is_file()]
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in files}


def private_parts(data: Path) -> list[bytes]:
    """What must not be readable: the hub's seed, every private key, every broker's password."""
    found = [(data / "keys" / "hub.key").read_bytes().strip()]
    for raw in keys_of(data).values():
        found += [line for line in raw.splitlines() if b"PRIVATE" in line]
    users = json.loads((data / "keys" / "mqtt-users.json").read_text("utf-8"))
    found += [one.encode() for one in users.values() if isinstance(one, str)]
    assert len(found) > 2
    return found


def readable(folder: Path, secrets: list[bytes]) -> list[str]:
    files = [one for one in folder.rglob("*") if one.is_file()]
    return [one.name for one in files if any(part in one.read_bytes() for part in secrets)]


def test_no_key_lies_in_a_backup_that_a_passphrase_wraps(hub: Hub, tmp_path: Path) -> None:
    secrets = private_parts(hub.data)
    plain, closed = tmp_path / "plain", tmp_path / "closed"

    assert backup(hub.config, plain)["keys"] == "clear"
    assert backup(hub.config, closed, phrase=PHRASE, stretch=CHEAP)["keys"] == "wrapped"

    assert readable(plain, secrets), "the search finds what is there"
    assert readable(closed, secrets) == []
    assert (closed / WRAPPED).stat().st_mode & 0o077 == 0


def test_the_passphrase_brings_the_same_keys_back(hub: Hub, tmp_path: Path) -> None:
    before = keys_of(hub.data)
    backup(hub.config, tmp_path / "closed", phrase=PHRASE, stretch=CHEAP)

    restore(tmp_path / "closed", tmp_path / "new", phrase=PHRASE, stretch=CHEAP)

    assert keys_of(tmp_path / "new") == before
    modes = {one.stat().st_mode & 0o077 for one in (tmp_path / "new" / "keys").iterdir()}
    assert modes == {0}


@pytest.mark.parametrize("phrase", ["", PHRASE[:-1], PHRASE.upper()])
def test_another_passphrase_restores_nothing_and_moves_nothing(
    hub: Hub, tmp_path: Path, phrase: str
) -> None:
    backup(hub.config, tmp_path / "closed", phrase=PHRASE, stretch=CHEAP)
    hub.close()

    with pytest.raises(ConfigError, match="stay closed"):
        restore(tmp_path / "closed", hub.data, phrase=phrase, stretch=CHEAP)

    assert (hub.data / "hub.sqlite").exists()
    assert not list(hub.data.parent.glob(f"{hub.data.name}.lost-*"))


def test_changed_keys_stay_closed(hub: Hub, tmp_path: Path) -> None:
    backup(hub.config, tmp_path / "closed", phrase=PHRASE, stretch=CHEAP)
    path = tmp_path / "closed" / WRAPPED
    wrapped = json.loads(path.read_text("ascii"))
    wrapped["ct"] = f"{int(wrapped['ct'][0], 16) ^ 1:x}{wrapped['ct'][1:]}"
    path.write_text(json.dumps(wrapped), "ascii")

    with pytest.raises(ConfigError, match="stay closed"):
        restore(tmp_path / "closed", tmp_path / "new", phrase=PHRASE, stretch=CHEAP)


def test_a_passphrase_that_can_be_guessed_makes_no_backup(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can be guessed"):
        backup(hub.config, tmp_path / "closed", phrase="fifteen letters", stretch=CHEAP)

    assert list(tmp_path.glob("*closed*")) == []


def test_the_command_says_that_keys_lie_in_the_clear_unless_they_are_wrapped(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text(PHRASE + "\n", encoding="utf-8")
    words = ["hub", "backup", str(hub.data)]
    said = []
    for more in ([str(tmp_path / "a")], [str(tmp_path / "b"), "--passphrase-file", str(phrase)]):
        assert main([*words, *more]) == 0
        said.append(capsys.readouterr().err)

    assert "in the clear" in said[0]
    assert said[1] == ""
    assert not (tmp_path / "b" / "keys").exists()

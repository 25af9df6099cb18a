"""The hub's commands as a person types them, and what they say when it cannot be done."""

from __future__ import annotations

import fcntl
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.__main__ import main
from hub.app import Hub
from hub.cli.enroll import enroll
from hub.cli.sole import LOCK
from hub.config import Config, ConfigError, load
from hub.store.tables_core import stations
from protocols.messages.bodies import TrustFile


def _say(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "word", ["init", "serve", "backup", "restore", "user", "enroll", "release"]
)
def test_every_command_has_help_with_an_example(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["hub", word, "--help"])
    assert end.value.code == 0
    assert "example: evalroom hub" in capsys.readouterr().out


def test_a_wrong_word_ends_with_64(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["hub", "fly"])
    assert end.value.code == 64
    assert "do: see" in _say(capsys)


def test_serving_nothing_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hub", "serve", str(tmp_path)]) == 64
    said = _say(capsys)
    for part in ("where:", "expected:", "got:", "do: evalroom hub init"):
        assert part in said


def test_a_certificate_or_a_port_that_cannot_be_used_is_named_before_anything_starts(
    hub_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tls = ["--tls-cert", str(hub_data / "no.pem"), "--tls-key", str(hub_data / "no.key")]
    assert main(["hub", "serve", str(hub_data), *tls]) == 64
    assert f"where: {hub_data / 'no.pem'}" in _say(capsys)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["hub", "serve", str(hub_data), "--port", str(port)]) == 64
    assert f"where: 127.0.0.1 port {port}" in _say(capsys)
    assert not (hub_data / "broker").exists()


def test_a_second_hub_from_the_same_folder_is_refused(
    hub_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (hub_data / LOCK).open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert main(["hub", "serve", str(hub_data), "--port", "0"]) == 64
    assert "a hub runs from this folder already" in _say(capsys)


def test_a_demonstration_of_unknown_organisations_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "hub"
    assert main(["hub", "init", str(data), "--demo", "--demo-orgs", "hubei,mars"]) == 64
    assert "got: mars" in _say(capsys)
    assert not data.exists()


def test_init_makes_a_hub_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "hub"
    assert main(["hub", "init", str(data), "--port", "8400"]) == 0
    config = load(data)
    assert (config.port, config.url, config.demo) == (8400, "http://127.0.0.1:8400", False)
    assert f"next: evalroom hub user add {data} --org" in capsys.readouterr().out
    trust = TrustFile.decode(config.trust.read_bytes())
    assert (trust.checkpoint, trust.hub_orders, trust.venues) == ("cosigned", False, ())
    assert config.hub_key.stat().st_mode & 0o077 == 0
    assert main(["hub", "init", str(data)]) == 64
    assert "there is a hub already" in _say(capsys)
    assert main(["hub", "init", str(tmp_path / "bare"), "--checkpoint", "none"]) == 0
    trust = TrustFile.decode(load(tmp_path / "bare").trust.read_bytes())
    assert trust.checkpoint == "none"


def test_what_nobody_can_type_is_not_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "hub"
    assert main(["hub", "init", str(data)]) == 0
    words = ["--org", "shiyan", "--role", "home_manager", "--login", "wang"]
    assert main(["hub", "user", "add", str(data), *words]) == 64
    assert "expected: a terminal, or --secret-file" in _say(capsys)


@pytest.mark.slow
def test_a_first_manager_a_room_and_a_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, secret = tmp_path / "hub", tmp_path / "secret"
    assert main(["hub", "init", str(data)]) == 0
    secret.write_text("a password of words\n20261124\n", encoding="utf-8")
    words = ["--org", "shiyan", "--role", "home_manager", "--login", "wang"]
    assert main(["hub", "user", "add", str(data), *words, "--secret-file", str(secret)]) == 0
    out = tmp_path / "room"
    enrolled = ["--org", "shiyan", "--room", "1", "--name", "一室", "--out", str(out)]
    assert main(["hub", "enroll", str(data), *enrolled, "--secret-file", str(secret)]) == 0
    capsys.readouterr()
    assert main(["hub", "user", "list", str(data)]) == 0
    assert "SY-01\twang\tshiyan\thome_manager" in capsys.readouterr().out
    about = json.loads((out / "id.json").read_text(encoding="utf-8"))
    assert about["place"] == "shiyan-1"
    # The hub has never run: what the room carries away must still be where its broker will be.
    kept = int((data / "broker" / "port").read_text(encoding="ascii"))
    assert about["mqtt"]["port"] == kept > 0
    for name in ("sign.key", "seal.key", "tls.key", "id.json"):
        assert (out / name).stat().st_mode & 0o077 == 0
    trust = TrustFile.decode((out / "trust.json").read_bytes())
    assert [venue.org for venue in trust.venues] == ["shiyan"]
    assert main(["hub", "enroll", str(data), *enrolled, "--secret-file", str(secret)]) == 64
    assert "keys are never overwritten" in _say(capsys)
    secret.write_text("another password\n", encoding="utf-8")
    wrong = [*enrolled[:-1], str(tmp_path / "other"), "--secret-file", str(secret)]
    assert main(["hub", "enroll", str(data), *wrong]) == 64
    assert "stays closed" in _say(capsys)


def test_an_unknown_organisation_is_named(
    hub_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x\n", encoding="utf-8")
    words = ["--org", "atlantis", "--room", "1", "--name", "x", "--out", str(tmp_path / "r")]
    assert main(["hub", "enroll", str(hub_data), *words, "--secret-file", str(secret)]) == 64
    assert "got: atlantis" in _say(capsys)


@pytest.mark.parametrize(
    ("room", "name", "where"),
    [
        ("2/../x", "二室", "where: --room"),
        ("", "二室", "where: --room"),
        ("2", " ", "where: --name"),
        ("2", "二\n室", "where: --name"),
    ],
)
def test_a_room_that_could_not_be_addressed_is_not_enrolled(
    hub_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    room: str,
    name: str,
    where: str,
) -> None:
    secret, out = tmp_path / "secret", tmp_path / "r"
    secret.write_text("x\n", encoding="utf-8")
    words = ["--org", "changsha", "--room", room, "--name", name, "--out", str(out)]
    assert main(["hub", "enroll", str(hub_data), *words, "--secret-file", str(secret)]) == 64
    assert where in _say(capsys)
    assert not out.exists()


def test_a_room_has_as_many_stations_as_were_counted_there(
    hub: Hub, hub_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads((hub_data / "demo-accounts.json").read_text(encoding="utf-8"))
    secret = next(row["password"] for row in rows if row["login"] == "changsha.home_manager")
    made = enroll(
        hub, org="changsha", room="9", name="九室", secret=secret, out=tmp_path / "r", count=7
    )
    with hub.store.read() as conn:
        query = select(stations.c.id).where(stations.c.room == made.place).order_by(stations.c.n)
        assert list(conn.execute(query).scalars()) == [f"changsha-9-{n}" for n in range(1, 8)]
    (tmp_path / "secret").write_text("x\n", encoding="utf-8")
    words = ["--org", "changsha", "--name", "x", "--out", str(tmp_path / "other")]
    words += ["--secret-file", str(tmp_path / "secret")]
    for room, count, said in (("8", "41", "1 to 40"), ("8", "0", "1 to 40"), ("9", "5", "7, as")):
        typed = ["--room", room, "--stations", count]
        assert main(["hub", "enroll", str(hub_data), *words, *typed]) == 64
        assert f"where: --stations\n  expected: {said}" in _say(capsys)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('colour = "red"', "expected: one of"),
        ('port = "8300"', "a value of type int"),
        ("port = 70000", "0 to 65535"),
        ('url = "ftp://hub"', "expected: http://"),
        ('url = "hub.example"', "expected: http://"),
        ('url = "https://"', "with a host"),
        ('broker = "carrier pigeon"', "embedded or mosquitto"),
        ('host = "0.0.0.0"', "do: give --tls-cert"),
        ('tls_cert = "x.pem"', "expected: both"),
        ("[other]", "only the table [hub]"),
        ("port = ", "expected: TOML"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, line: str, said: str) -> None:
    key = line.split(" ", maxsplit=1)[0]
    config = Config(data=tmp_path, hub="h-0123456789ab")
    config.write()
    path = tmp_path / "hub.toml"
    kept = [one for one in path.read_text("utf-8").splitlines() if not one.startswith(key + " ")]
    path.write_text("\n".join([*kept, line]) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(tmp_path)
    assert said in str(refused.value)


def test_the_written_configuration_reads_back(tmp_path: Path) -> None:
    config = Config(data=tmp_path, hub="h-0123456789ab", url="https://中心.example", demo=True)
    config.write()
    assert load(tmp_path) == config
    assert load(tmp_path, {"port": 1}).port == 1


def test_verify_says_when_there_is_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tmp_path / "none")]) == 64
    assert "expected: a package's folder" in _say(capsys)
    assert main(["verify", str(tmp_path)]) in {2, 3}


def test_backup_and_restore_as_typed(
    hub_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hub", "backup", str(hub_data), str(tmp_path / "b")]) == 0
    capsys.readouterr()
    words = [str(tmp_path / "b"), str(tmp_path / "new")]
    mirror = str(load(hub_data).mirror_file)
    assert main(["hub", "restore", *words, "--mirror", mirror]) == 0
    done: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (done["lost"], done["transactions"]) == ([], 0)
    assert load(tmp_path / "new").hub == load(hub_data).hub


def test_nothing_is_restored_over_a_hub_that_runs(
    hub_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hub", "backup", str(hub_data), str(tmp_path / "b")]) == 0
    before = sorted(path.name for path in tmp_path.iterdir())
    words = ["hub", "restore", str(tmp_path / "b"), str(hub_data)]
    with (hub_data / LOCK).open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert main(words) == 64
        said = _say(capsys)
        assert "a hub runs from this folder already" in said
        assert "do: end that hub" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert main(words) == 0
    with (hub_data / LOCK).open("ab") as free:
        fcntl.flock(free, fcntl.LOCK_EX | fcntl.LOCK_NB)

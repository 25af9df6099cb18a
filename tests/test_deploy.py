"""What deploy/ ships is what the programs take."""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.keys.authority import key_pem, make_authority, new_key
from protocols.messages.topics import BROKER_BYTES_MAX, UP_LEAVES

DEPLOY = Path(__file__).parents[1] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROGRAMS = [unit for unit in UNITS if "evalroom/.venv" in unit.read_text()]
EXPOSURE_MAX = 20  # tenths; systemd calls up to 4.9 OK
ANALYZE = shutil.which("systemd-analyze") or ""
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")


@pytest.mark.slow
@pytest.mark.skipif(not ANALYZE, reason="no systemd on this machine")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_shut_in_and_without_an_unknown_word(unit: Path) -> None:
    analysed = subprocess.run(
        [ANALYZE, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert analysed.returncode == 0, analysed.stdout[-400:]

    read = subprocess.run(
        [ANALYZE, "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert "Unknown" not in read.stderr


def test_the_rooms_unit_lets_the_media_tools_be_shut_in_and_ended_alone() -> None:
    """Its filter refuses every call it does not name; these are in no set of systemd's."""
    text = next(unit for unit in UNITS if "edge" in unit.stem).read_text()

    calls = " ".join(f"landlock_{name}" for name in ("create_ruleset", "add_rule", "restrict_self"))
    assert f"\nSystemCallFilter={calls}\n" in text
    assert "\nSystemCallErrorNumber=EPERM\n" in text, "refused; Debian's ffmpeg makes such a call"
    assert "\nOOMPolicy=continue\n" in text


def test_the_commands_of_the_units_are_commands_of_ours() -> None:
    started = [re.search(r"^ExecStart=(.+)$", unit.read_text(), re.MULTILINE) for unit in PROGRAMS]
    words = [found.group(1).split()[1:3] for found in started if found]

    assert words == [["edge", "run"], ["hub", "serve"]]


@pytest.mark.system
@pytest.mark.skipif(MOSQUITTO is None, reason="missing: sudo apt-get install -y mosquitto")
def test_mosquitto_takes_the_configuration_of_a_site(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority, key = make_authority("h-0123456789ab", now), new_key()
    made = authority.for_broker(key.public_key(), "h-0123456789ab", now)
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    (tmp_path / "broker.pem").write_bytes(made.pem + key_pem(key))
    (tmp_path / "crl.pem").write_bytes(authority.revoked([], now))
    shutil.copy(DEPLOY / "mosquitto" / "topics.example", tmp_path / "topics")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = (DEPLOY / "mosquitto" / "evalroom.conf").read_text()
    # Files and a port of our own: everything else is as shipped.
    text = text.replace("listener 8883 0.0.0.0", f"listener {port} 127.0.0.1")
    text = text.replace("/etc/evalroom/mosquitto.", f"{tmp_path}/")
    text = text.replace("/etc/evalroom/broker/", f"{tmp_path}/")
    config = tmp_path / "site.conf"
    config.write_text(f"{text}\nuser {os.environ.get('USER', 'root')}\n")

    assert MOSQUITTO is not None
    with subprocess.Popen(
        [MOSQUITTO, "-c", str(config), "-v"], stderr=subprocess.PIPE, cwd=tmp_path
    ) as broker:
        assert broker.stderr is not None
        said = ""
        while "running" not in said and select.select([broker.stderr], [], [], 10)[0]:
            chunk = os.read(broker.stderr.fileno(), 65_536)
            said += chunk.decode()
            if not chunk:
                break
        broker.kill()  # nothing of it is wanted; a gentle end can be missed just after the start

    assert "running" in said, said
    assert "Error" not in said
    assert f"message_size_limit {BROKER_BYTES_MAX}\n" in text


def test_the_topic_rights_of_a_site_are_those_of_the_wire() -> None:
    text = (DEPLOY / "mosquitto" / "topics.example").read_text()

    rights = re.findall(r"^pattern write er/1/\+/%u/(\S+)$", text, re.MULTILINE)
    assert rights == list(UP_LEAVES)
    assert "pattern read er/1/+/%u/down/#\n" in text


def test_no_unit_leaves_a_core() -> None:
    assert all("\nLimitCORE=0\n" in unit.read_text() for unit in PROGRAMS)


def test_apt_packages_are_named_one_to_a_line_with_a_reason() -> None:
    lines = [line for line in (DEPLOY / "apt.txt").read_text().splitlines() if line[:1] != "#"]

    assert lines
    assert all(re.fullmatch(r"[a-z0-9-]+ +# \S.*", line) for line in lines)

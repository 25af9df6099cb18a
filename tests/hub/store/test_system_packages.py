"""What the suite needs beyond Python: installed if one may, else named with the exact command."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The script with one package nobody has, run by somebody who may not install."""
    shutil.copy(DEPLOY / "system-packages", tmp_path)
    (tmp_path / "apt.txt").write_text("postgresql # there or not\nno-such-program\n", "utf-8")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("id", "echo 1000"), ("sudo", "exit 1"), ("apt-get", "exit 99")):
        (tools / name).write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        (tools / name).chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_who_may_not_install_is_told_the_command_and_an_unattended_machine_fails(
    folder: Path, ci: str, code: int
) -> None:
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", folder / "system-packages"],
        env={**os.environ, "PATH": path, "CI": ci},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == code
    assert "do: sudo apt-get update && sudo apt-get install -y" in done.stderr
    assert "no-such-program" in done.stderr


def test_postgresql_is_among_what_is_installed() -> None:
    names = [line.split()[0] for line in (DEPLOY / "apt.txt").read_text("utf-8").splitlines()]
    assert "postgresql" in names

"""The journal's file: brought up once, and nobody else's."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from edge.journal_file import STEPS, connect_sqlite, migrate
from edge.journal_schema import MIGRATIONS


def test_a_file_at_the_newest_schema_is_known_without_the_tools(tmp_path: Path) -> None:
    """They cost memory that a room which has once started need not pay again."""
    path = tmp_path / "journal.sqlite"
    migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        applied = MIGRATIONS.applied(Database(connection))
    assert [one.name for one in applied] == list(STEPS)
    look = "import sys; from pathlib import Path; from edge.journal_file import migrate; "
    look += "migrate(Path(sys.argv[1])); print('sqlite_utils' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", look, path], capture_output=True, check=True)
    assert said.stdout == b"False\n"


def test_the_file_and_what_lies_beside_it_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "private.sqlite"
    port = connect_sqlite(path)
    port.execute("PRAGMA journal_mode = WAL")
    port.execute("CREATE TABLE t (x)")
    modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    port.close()
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3

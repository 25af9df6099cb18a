"""The whole API under schemathesis: one seed, no failure of the hub's own.

The tool is a program of its own and knows nothing of us but `/openapi.json`. It signs in as a
manager, for whoever is not signed in is refused everywhere.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hub.booking.town import PASSWORD, build_town, published
from tests.hub.web.test_walk import Served

SEED = 4
LONG = os.environ.get("EVALROOM_PROPERTIES") == "long"
PHASES = "examples,coverage,fuzzing,stateful" if LONG else "fuzzing"
EXAMPLES = 50 if LONG else 1
"""The proof runs every phase; other runs send each address one made-up request."""
CHECKS = (
    "not_a_server_error,response_schema_conformance,content_type_conformance,"
    "status_code_conformance"
)
ENDING = "^(sign_out|end_session|end_other_sessions|end_sessions_of|change_password)$"
"""They end the session that tests the others; each is tested by itself."""
PYTHON = os.environ.get("EVALROOM_SCHEMATHESIS_PYTHON", sys.executable)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.executable == PYTHON and importlib.util.find_spec("schemathesis") is None,
        reason="schemathesis is not installed: pip install 'evalroom[dev]'",
    ),
]


def _signed_in(served: Served) -> dict[str, str]:
    import httpx  # noqa: PLC0415 - beside the tool alone

    with httpx.Client(base_url=served.url) as client:
        body = {"login": "hubei.home_manager", "password": PASSWORD}
        answer = client.post("/api/v1/sign-in", json=body)
        assert answer.status_code == 200, answer.text
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        return {"Cookie": cookies, "X-CSRF": answer.json()["csrf"]}


def _run(served: Served, folder: Path, headers: dict[str, str], *more: str) -> Any:
    words = [PYTHON, "-m", "schemathesis.cli", "run", f"{served.url}/openapi.json"]
    words += ["--phases", PHASES, "--seed", str(SEED)]
    words += ["--max-examples", str(EXAMPLES), "--checks", CHECKS, "--no-color", "--no-shrink"]
    words += ["--generation-database", "none", "--warnings", "off"]
    words += ["--continue-on-failure", "--exclude-operation-id-regex", ENDING]
    for name, value in headers.items():
        words += ["-H", f"{name}: {value}"]
    return subprocess.run(
        [*words, *more], cwd=folder, capture_output=True, text=True, timeout=2400, check=False
    )


@pytest.mark.parametrize("signed_in", [True, False] if LONG else [True])
def test_no_request_makes_the_hub_fail_or_say_what_it_does_not_describe(
    tmp_path: Path, signed_in: bool
) -> None:
    town = build_town(tmp_path)
    published(town)
    served = Served(town)
    try:
        done = _run(served, tmp_path, _signed_in(served) if signed_in else {})
    finally:
        served.close()
    print(done.stdout)  # noqa: T201 - shown where it fails, and the figure
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    tested = re.search(r"(\d+) generated", done.stdout)
    assert tested is not None, done.stdout[-2000:]
    assert int(tested[1]) >= EXAMPLES * 40, "addresses were left out"

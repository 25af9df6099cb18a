"""The hands people have on the day: a browser at the hub, a room's screen, a board's control.

Only public interfaces are used; what the script can do, a person can do.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

TIMEOUT_S = 20.0  # a PIN costs about half a second by intention; restarts take a few
LINE_BYTES_MAX = 64 * 1024


class RefusedError(Exception):
    """An interface said no; `problem` is its answer, with what, expected, got and do."""

    def __init__(self, where: str, status: int, problem: dict[str, Any]) -> None:
        """Keeps the whole answer for the person who reads the log."""
        super().__init__(f"{where}: {status} {json.dumps(problem, ensure_ascii=False)[:600]}")
        self.status = status
        self.problem = problem


def _answer(where: str, response: httpx.Response) -> Any:
    try:
        body = response.json()
    except ValueError:
        body = {"detail": response.text[:300]}
    if response.is_server_error:
        raise ConnectionError(f"{where}: {response.status_code} {str(body)[:300]}")
    if response.is_error:
        raise RefusedError(where, response.status_code, body if isinstance(body, dict) else {})
    return body


def _send(client: httpx.Client, method: str, path: str, **options: Any) -> httpx.Response:
    """One request; a hub that is being restarted is an OSError, like any lost connection."""
    try:
        return client.request(method, path, **options)
    except httpx.TransportError as error:
        raise ConnectionError(f"{method} {path}: {error}") from error


@dataclass(slots=True)
class HubUser:
    """One signed-in person at the hub; signs in again when the hub forgot."""

    url: str
    login: str
    password: str
    pin: str
    person: str
    _client: httpx.Client | None = None
    _csrf: str = ""

    def sign_in(self) -> None:
        """Signs in with the password."""
        self._client = httpx.Client(base_url=self.url, timeout=TIMEOUT_S)
        answer = _answer(
            "sign-in",
            _send(
                self._client,
                "POST",
                "/api/v1/sign-in",
                json={"login": self.login, "password": self.password},
            ),
        )
        self._csrf = answer["csrf"]

    def get(self, path: str) -> Any:
        """GET of `/api/v1/{path}`."""
        return self._call("GET", path)

    def post(self, path: str, body: dict[str, Any], *, key: str = "") -> Any:
        """POST of JSON to `/api/v1/{path}`; `key` makes a repeat harmless."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._call("POST", path, json=body, headers=headers)

    def post_raw(self, path: str, raw: bytes) -> Any:
        """POST of signed bytes to `/api/v1/{path}`."""
        return self._call("POST", path, content=raw)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        for again in (False, True):
            if self._client is None or again:
                self.sign_in()
            if self._client is None:
                raise ConnectionError(f"{self.login}: no connection")
            headers = {**options.get("headers", {}), "X-CSRF": self._csrf}
            response = _send(
                self._client, method, f"/api/v1/{path}", **{**options, "headers": headers}
            )
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return _answer(f"{self.login} {method} {path}", response)
        return _answer(f"{self.login} {method} {path}", response)


@dataclass(slots=True)
class Screen:
    """A room's screen on loopback."""

    port: int
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        """Opens the connection pool."""
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=TIMEOUT_S)

    def state(self) -> dict[str, Any]:
        """What the screen shows, as data."""
        answer: dict[str, Any] = _answer("screen", _send(self._client, "GET", "/api/state"))
        return answer

    def act(self, act: str, session: str, args: dict[str, Any], by: list[tuple[str, str]]) -> Any:
        """A staff act with the PINs of those who do it."""
        body = {
            "act": act,
            "session": session,
            "args": args,
            "by": [{"person": person, "pin": pin} for person, pin in by],
        }
        return _answer(f"act {act}", _send(self._client, "POST", "/api/acts", json=body))

    def order(self, body: dict[str, Any]) -> Any:
        """An order confirmed on this room's screen."""
        return _answer("order", _send(self._client, "POST", "/api/orders", json=body))


@dataclass(frozen=True, slots=True)
class Board:
    """The control socket of one simulated board, pin bank or cable."""

    path: Path

    def do(self, **command: Any) -> dict[str, Any]:
        """Sends one command, returns its answer.

        Raises:
            OSError: the board is being started again.
            RefusedError: the board does not know the command.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
            end.settimeout(TIMEOUT_S)
            end.connect(str(self.path))
            with end.makefile("rwb") as stream:
                stream.write(json.dumps(command, ensure_ascii=False).encode() + b"\n")
                stream.flush()
                line = stream.readline(LINE_BYTES_MAX)
        if not line:
            raise ConnectionError(f"{self.path.name}: closed without an answer")
        answer: dict[str, Any] = json.loads(line)
        if not answer.get("ok"):
            raise RefusedError(self.path.name, 400, answer)
        return answer

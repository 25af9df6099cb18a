"""The hands people have on the day: a browser at the hub, a room's screen, a board's control.

Only public interfaces are used; what the script can do, a person can do.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from hub.demo.supervise import until

TIMEOUT_S = 60.0  # a PIN costs half a second by intention, four on a busy machine, one at a time
PATIENCE_S = 30.0  # what is only looked at, or may be done twice, waits for a process to be back
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


def _patiently(what: str, look: Callable[[], Any]) -> Any:
    """The answer of `look`, asked again while the connection fails.

    Raises:
        TooLateError: still no connection.
        RefusedError: an answer, and it is no.
    """
    found: list[Any] = []

    def ask() -> bool:
        found.append(look())
        return True

    until(what, ask, within_s=PATIENCE_S)
    return found[-1]


@dataclass(slots=True)
class HubUser:
    """One signed-in person at the hub; signs in again when the hub forgot."""

    url: str
    login: str
    password: str
    pin: str
    person: str
    _client: httpx.Client = field(init=False)
    _csrf: str = ""
    _signing_in: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Opens the connection pool; nobody is signed in yet."""
        self._client = httpx.Client(base_url=self.url, timeout=TIMEOUT_S)

    def _sign_in(self, stale: str) -> str:
        """Signs in with the password unless another thread has done so since `stale` was got."""
        with self._signing_in:
            if self._csrf == stale:
                body = {"login": self.login, "password": self.password}
                response = _send(self._client, "POST", "/api/v1/sign-in", json=body)
                self._csrf = _answer("sign-in", response)["csrf"]
            return self._csrf

    def get(self, path: str) -> Any:
        """GET of `/api/v1/{path}`; waits for a hub that is being started again."""
        return _patiently(f"hub {path}", lambda: self._call("GET", path))

    def close(self) -> None:
        """Gives the connection back."""
        self._client.close()

    def post(self, path: str, body: dict[str, Any], *, key: str = "") -> Any:
        """POST of JSON to `/api/v1/{path}`; `key` makes a repeat harmless."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._call("POST", path, json=body, headers=headers)

    def post_raw(self, path: str, raw: bytes) -> Any:
        """POST of signed bytes to `/api/v1/{path}`."""
        return self._call("POST", path, content=raw)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        csrf = self._csrf or self._sign_in("")
        for again in (True, False):
            headers = {**options.get("headers", {}), "X-CSRF": csrf}
            response = _send(
                self._client, method, f"/api/v1/{path}", **{**options, "headers": headers}
            )
            if again and response.status_code == httpx.codes.UNAUTHORIZED:
                csrf = self._sign_in(csrf)
                continue
            break
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
        """What the screen shows, as data; waits for a room that is being started again."""
        answer: dict[str, Any] = _patiently(
            f"screen {self.port}",
            lambda: _answer("screen", _send(self._client, "GET", "/api/state")),
        )
        return answer

    def close(self) -> None:
        """Gives the connections back."""
        self._client.close()

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
        """Sends one command, returns its answer; waits for a board that is being started again.

        Every command says how things are, none what changes: it may be said twice.

        Raises:
            RefusedError: the board does not know the command.
        """
        answer: dict[str, Any] = _patiently(self.path.name, lambda: self._once(command))
        return answer

    def _once(self, command: dict[str, Any]) -> dict[str, Any]:
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

"""A simulated evaluation system: answers HTTP until it is told to be down.

Control socket: `{"do":"down"}`, `{"do":"up"}`, `{"do":"state"}`, one JSON object per line.
"""

from __future__ import annotations

import json
import select
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LINE_BYTES_MAX = 4096
WAIT_S = 0.2


@dataclass(slots=True)
class EvaluationSystem:
    """Serves on loopback; the state is kept in a file, so that it survives a kill."""

    listen: int
    control: Path
    state_file: Path
    _stop: threading.Event = field(default_factory=threading.Event)

    def up(self) -> bool:
        """Whether it answers."""
        return not self.state_file.exists() or self.state_file.read_text("ascii") != "down"

    def run(self) -> None:
        """Serves until `stop`."""
        system = self

        class Handler(BaseHTTPRequestHandler):
            """200 while up, 503 while down."""

            def do_GET(self) -> None:
                """Answers any path."""
                self.send_response(200 if system.up() else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_HEAD = do_GET  # noqa: N815 - http.server's name

            def log_message(self, *_: Any) -> None:
                """Says nothing: probes come every two seconds."""

        server = ThreadingHTTPServer(("127.0.0.1", self.listen), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.control.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.control))
            listener.listen()
            while not self._stop.is_set():
                if select.select([listener], [], [], WAIT_S)[0]:
                    self._answer(listener.accept()[0])
        server.shutdown()
        server.server_close()

    def stop(self) -> None:
        """Ends `run`."""
        self._stop.set()

    def command(self, line: bytes) -> dict[str, Any]:
        """Answers one control line."""
        try:
            do = json.loads(line).get("do")
        except (ValueError, AttributeError):
            do = None
        if do in {"down", "up"}:
            self.state_file.write_text(do, encoding="ascii")
        elif do != "state":
            return {
                "ok": False,
                "error": f"system control: expected do = down, up or state, got {line[:80]!r}",
            }
        return {"ok": True, "up": self.up()}

    def _answer(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rwb") as stream:
            line = stream.readline(LINE_BYTES_MAX)
            stream.write(json.dumps(self.command(line)).encode() + b"\n")
            stream.flush()

"""A camera on loopback: RTSP over TCP, one H.264 stream, real pace, for any number of viewers.

As much of RFC 2326 (DESCRIBE, SETUP interleaved, PLAY) and RFC 6184 (single NAL units and FU-A) as
ffmpeg asks for. A process of its own: what the camera costs is nobody's figure.
"""

from __future__ import annotations

import base64
import re
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

FPS = 25
CLOCK_HZ = 90_000
PACKET_BYTES = 1_400
PAYLOAD_TYPE = 96
SPS, PPS, SLICE_MAX, FU_A = 7, 8, 5, 28
REQUEST_BYTES_MAX = 8_192
START = re.compile(rb"\x00\x00\x00?\x01")


@dataclass(frozen=True, slots=True)
class Film:
    """An H.264 file in Annex B form, taken apart: parameter sets, and the NAL units per picture."""

    sps: bytes
    pps: bytes
    pictures: tuple[tuple[bytes, ...], ...]

    @classmethod
    def read(cls, path: Path) -> Film:
        units = [one.rstrip(b"\x00") for one in START.split(path.read_bytes()) if one]
        of_kind = {unit[0] & 31: unit for unit in reversed(units)}
        pictures: list[tuple[bytes, ...]] = []
        waiting: list[bytes] = []
        for unit in units:
            waiting.append(unit)
            if 1 <= unit[0] & 31 <= SLICE_MAX:  # one slice per picture: the file was made so
                pictures.append(tuple(waiting))
                waiting = []
        return cls(of_kind[SPS], of_kind[PPS], tuple(pictures))

    def sdp(self) -> str:
        sets = ",".join(base64.b64encode(one).decode() for one in (self.sps, self.pps))
        lines = [
            "v=0",
            "o=- 0 0 IN IP4 127.0.0.1",
            "s=bench",
            "c=IN IP4 0.0.0.0",
            "t=0 0",
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
            f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_HZ}",
            f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;sprop-parameter-sets={sets}",
            "a=control:track",
            "",
        ]
        return "\r\n".join(lines)


class Viewer:
    """One connection: answers requests, then sends the film again and again."""

    def __init__(self, line: socket.socket, film: Film) -> None:
        self._line, self._film = line, film
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._seq = 0

    def serve(self) -> None:
        rest = b""
        try:
            while True:
                while b"\r\n\r\n" not in rest:
                    data = self._line.recv(REQUEST_BYTES_MAX)
                    if not data:
                        return
                    rest += data
                head, rest = rest.split(b"\r\n\r\n", 1)
                if self._answer(head.decode("latin-1")):
                    self._play()
        except OSError:
            return  # the viewer has gone
        finally:
            self._line.close()

    def _answer(self, head: str) -> bool:
        """One request; whether it was PLAY."""
        verb, url = head.split()[:2]
        number = re.search(r"(?im)^CSeq: *(\d+)", head)
        said = [f"CSeq: {number[1] if number else 0}", "Session: 1;timeout=600"]
        body = ""
        if verb == "OPTIONS":
            said.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif verb == "DESCRIBE":
            body = self._film.sdp()
            said += [f"Content-Base: {url}/", "Content-Type: application/sdp"]
            said.append(f"Content-Length: {len(body)}")
        elif verb == "SETUP":
            said.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        answer = "\r\n".join(["RTSP/1.0 200 OK", *said, "", body])
        self._line.sendall(answer.encode())
        return verb == "PLAY"

    def _play(self) -> None:
        begun, number, pause = time.monotonic(), 0, threading.Event()
        while True:
            for picture in self._film.pictures:
                pause.wait(max(begun + number / FPS - time.monotonic(), 0.0))
                stamp = number * CLOCK_HZ // FPS & 0xFFFFFFFF
                self._line.sendall(b"".join(self._packets(picture, stamp)))
                number += 1

    def _packets(self, picture: tuple[bytes, ...], stamp: int) -> list[bytes]:
        payloads = [part for unit in picture for part in fragments(unit)]
        found = []
        for at, payload in enumerate(payloads, start=1):
            marker = 0x80 if at == len(payloads) else 0
            head = struct.pack("!BBHII", 0x80, marker | PAYLOAD_TYPE, self._seq, stamp, 1)
            self._seq = (self._seq + 1) & 0xFFFF
            found.append(struct.pack("!cBH", b"$", 0, len(head) + len(payload)) + head + payload)
        return found


def fragments(unit: bytes) -> list[bytes]:
    """A NAL unit as it is where it fits into a packet, else in parts (FU-A)."""
    if len(unit) <= PACKET_BYTES:
        return [unit]
    kind, rest = unit[0], unit[1:]
    parts = [rest[at : at + PACKET_BYTES] for at in range(0, len(rest), PACKET_BYTES)]
    last = len(parts) - 1
    return [
        bytes([(kind & 0xE0) | FU_A, (kind & 31) | (0x80 * (at == 0)) | (0x40 * (at == last))])
        + part
        for at, part in enumerate(parts)
    ]


def main(words: list[str]) -> int:
    film = Film.read(Path(words[0]))
    with socket.create_server(("127.0.0.1", 0)) as door:
        sys.stdout.write(f"{door.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            line, _ = door.accept()
            threading.Thread(target=Viewer(line, film).serve, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

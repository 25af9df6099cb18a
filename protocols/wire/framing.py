"""Cuts a byte stream into frames and finds its way back after line noise.

Theory of operation. A line may bring noise before, inside and after a frame, and may deliver any
split of it. A decision is made only from bytes that are there, never from how they were split: at
a header the frame's size is asked for, and when all of it has come its check is made. A frame that
fails loses only the first byte of its header, so a good frame right behind (or inside) a damaged
one is found. A damaged length can make the cutter wait for bytes that never come; `flush`, called
by the owner of the port when the line went quiet, ends that wait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


def xor_of(data: bytes) -> int:
    """The XOR of all bytes, 0 for none: check byte of the SAM and `8A/80` families."""
    # Folding halves of one number: noise full of headers asks for thousands of checks a read.
    folded, size = int.from_bytes(data, "little"), len(data)
    while size > 1:
        size -= size // 2
        folded = (folded >> 8 * size) ^ (folded & (1 << 8 * size) - 1)
    return folded


def sum_of(data: bytes) -> int:
    """The low byte of the sum of all bytes: check byte of the Kerong family."""
    return sum(data) & 0xFF


@dataclass(slots=True)
class FrameCutter:
    """Finds frames that begin with a header and tell their own size.

    Args:
        headers: the byte strings a frame may begin with, none a prefix of another.
        size_of: given bytes that begin with a header, the size of the whole frame in bytes; None
            while too few bytes have come to know; 0 or less when no such frame exists.
        sound: whether a whole frame passes its check.
        frame_bytes_max: the longest frame the board can send. Longer is damage; the buffer never
            keeps more than this.

    Attributes:
        dropped_bytes: bytes that belonged to no sound frame. Rising means a bad cable.
        length_faults: headers followed by an impossible size.
        check_faults: whole frames that failed their check.
    """

    headers: tuple[bytes, ...]
    size_of: Callable[[bytes], int | None]
    sound: Callable[[bytes], bool]
    frame_bytes_max: int
    dropped_bytes: int = 0
    length_faults: int = 0
    check_faults: int = 0
    _buffer: bytes = field(default=b"", repr=False)

    @property
    def pending(self) -> int:
        """Bytes kept because they may be the beginning of a frame."""
        return len(self._buffer)

    def receive_data(self, data: bytes) -> list[bytes]:
        """Adds bytes from the line; returns the sound frames, header and check included."""
        self._buffer += data
        return self._cut(quiet=False)

    def flush(self) -> list[bytes]:
        """Says that the line is quiet: an unfinished frame will not be finished.

        Returns:
            The sound frames found inside what was waiting. Nothing is kept.
        """
        return self._cut(quiet=True)

    def _cut(self, *, quiet: bool) -> list[bytes]:
        frames: list[bytes] = []
        at, buffer = 0, self._buffer
        while at < len(buffer):
            start = self._header_from(buffer, at)
            self.dropped_bytes += start - at
            at = start
            size = self._judge(buffer[at : at + self.frame_bytes_max])
            if size is None and not quiet:
                break
            if size:
                frames.append(buffer[at : at + size])
                at += size
            elif at < len(buffer):
                self.dropped_bytes += 1
                at += 1
        self._buffer = buffer[at:]
        return frames

    def _header_from(self, buffer: bytes, at: int) -> int:
        """Where the next header, or the part of one that ends the buffer, begins."""
        found = [place for head in self.headers if (place := buffer.find(head, at)) >= 0]
        if found:
            return min(found)
        for start in range(max(at, len(buffer) - max(map(len, self.headers)) + 1), len(buffer)):
            if any(head.startswith(buffer[start:]) for head in self.headers):
                return start
        return len(buffer)

    def _judge(self, window: bytes) -> int | None:
        """Size of the sound frame at the window's start, 0 for none, None for not yet known."""
        if not window.startswith(self.headers):
            return None
        size = self.size_of(window)
        if size is None:
            return None
        if not 0 < size <= self.frame_bytes_max:
            self.length_faults += 1
            return 0
        if len(window) < size:
            return None
        if not self.sound(window[:size]):
            self.check_faults += 1
            return 0
        return size

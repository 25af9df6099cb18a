"""Bodies of the JSON API: bounded, strict, and a problem with the field's path where they are not.

Names and numbers of members pass through here, so nothing that came in is ever quoted back whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request

from hub.free_text import free_text
from hub.ports import decoding, refuse
from protocols.messages.strict import Reader, load

BODY_BYTES_MAX: Final = 256 * 1024
"""A request with 16 stations at 8 venues is 3 KiB; members of a venue 4 KiB."""
PIN_CHARS_MAX: Final = 64
SECRET_CHARS_MAX: Final = 256
TEXT_CHARS_MAX: Final = 2000


async def raw_body(request: Request) -> bytes:
    """The body, refused as soon as it is larger than any of ours.

    Raises:
        Problem: 413.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise refuse(
                413,
                "body_too_large",
                zh="提交内容过大",
                en="The body is too large",
                where=request.url.path,
                expected=f"at most {BODY_BYTES_MAX} bytes",
                got=f"more than {BODY_BYTES_MAX} bytes",
                do="分批提交",
            )
        chunks.append(chunk)
    return b"".join(chunks)


async def json_body(request: Request) -> dict[str, Any]:
    """The JSON object in the body; an empty body is an empty object.

    Raises:
        Problem: 413 too large, 422 not strict JSON.
    """
    raw = await raw_body(request)
    if not raw.strip():
        return {}
    with decoding("body"):
        return load(raw, where="body")


def only(body: Mapping[str, Any], *keys: str, where: str) -> None:
    """Refuses every field but these, which somebody else reads.

    Raises:
        Problem: 422.
    """
    Fields({key: value for key, value in body.items() if key not in keys}, where=where).done()


class Fields:
    """Fields of one body, taken one by one; `done` refuses what is left over."""

    def __init__(self, body: Mapping[str, Any], *, where: str) -> None:
        given = {key: value for key, value in body.items() if value is not None}
        self._lists = {key: value for key, value in given.items() if isinstance(value, list)}
        rest = {key: value for key, value in given.items() if key not in self._lists}
        self._reader = Reader(rest, where=where)
        self._where = where

    def text(self, key: str, *, chars_max: int = 0, default: str | None = None) -> str:
        """A text; `default` None makes it required.

        Without `chars_max` it is a person's own words: they may be long, and may not hold a
        number that points at somebody (422 `personal_number`).
        """
        with decoding(key):
            if default is not None and not self._reader.has(key):
                return default
            found = self._reader.text(key, chars_max=chars_max or TEXT_CHARS_MAX)
        return found if chars_max else free_text(found, where=f"{self._where}.{key}")

    def integer(self, key: str, low: int, high: int, *, default: int | None = None) -> int:
        """An integer in low..high; `default` None makes it required."""
        with decoding(key):
            if default is not None and not self._reader.has(key):
                return default
            return self._reader.integer(key, low, high)

    def items(self, key: str, *, items_max: int = 64) -> list[Any]:
        """A list, absent is empty; its items are for the caller to read."""
        found = self._lists.pop(key, [])
        if len(found) > items_max:
            with decoding(key):
                self._reader.fail(key, f"at most {items_max} items", len(found))
        return found

    def object(self, key: str) -> dict[str, Any]:
        """An object, absent is empty."""
        with decoding(key):
            return self._reader.mapping(key) if self._reader.has(key) else {}

    def done(self) -> None:
        """Refuses unknown fields; a list nobody asked for is one."""
        with decoding("body"):
            for key, value in self._lists.items():
                self._reader.fail(key, "no such field", f"{len(value)} items")
            self._reader.end()

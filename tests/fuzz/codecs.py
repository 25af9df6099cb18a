"""Serial lines: both roles of every board, any bytes in any portions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from protocols.wire import cu16, idcard, idcard_text, ld2410, lockboard, megatec
from tests.fuzz.judge import Run

PARTS_MAX: Final = 12
PENDING_MAX: Final = {
    "cu16": cu16.ANSWER_BYTES,
    "idcard": idcard.ANSWER_BYTES_MAX,
    "ld2410": ld2410.FRAME_BYTES_MAX,
    "lockboard": lockboard.BURST_BYTES_MAX,
    "megatec": megatec.LINE_BYTES_MAX,
}
"""No decoder keeps more than this of a line that never makes sense."""


def waiting(decoder: Any) -> int:
    """Bytes a decoder keeps: its cutter's, its burst's or its line's."""
    if hasattr(decoder, "_cutter"):
        return int(decoder._cutter.pending)
    return len(decoder._burst.bytes_ if hasattr(decoder, "_burst") else decoder._lines.rest)


def line(name: str, *roles: Callable[[], Any]) -> Run:
    """Fed at once and in portions, a decoder says the same, keeps little, counts what it drops.

    The first byte says which role hears the line, and in what portions.
    """
    bound = PENDING_MAX[name]

    def run(data: bytes) -> None:
        portion, role = divmod(max(data[:1], default=0), len(roles))
        sent = data[1:]
        portion = max(portion + 1, len(sent) // PARTS_MAX + 1)
        whole, split = roles[role](), roles[role]()
        said = whole.receive_data(sent)
        assert waiting(whole) <= bound
        said += whole.flush()
        heard: list[Any] = []
        for at in range(0, len(sent), portion):
            heard += split.receive_data(sent[at : at + portion])
            assert waiting(split) <= bound
        heard += split.flush()
        assert waiting(whole) == waiting(split) == 0
        # Damage is told behind the commands of one portion, so only its order may differ.
        assert heard == said or sorted(map(repr, heard)) == sorted(map(repr, said))
        assert 0 <= whole.dropped_bytes == split.dropped_bytes <= len(sent)

    return run


def card_text(data: bytes) -> None:
    """Any text is a card or a fault; a card can be written and says the same again."""
    idcard_text.parse_text(data)
    answer = idcard.split_read(idcard.Answer(idcard.Sw.OK, data))
    assert answer is None or len(answer[0]) == idcard.TEXT_BYTES
    text = (data + b" \0" * idcard.TEXT_BYTES)[: idcard.TEXT_BYTES]
    card = idcard_text.parse_text(text)
    if isinstance(card, idcard_text.Card):
        assert idcard_text.parse_text(idcard_text.encode_text(card)) == card


LINES: Final[dict[str, Run]] = {
    "cu16": line("cu16", cu16.HostDecoder, cu16.BoardDecoder),
    "idcard": line("idcard", idcard.HostDecoder, idcard.BoardDecoder),
    "idcard_text": card_text,
    "ld2410": line("ld2410", ld2410.HostDecoder, ld2410.BoardDecoder),
    "lockboard": line("lockboard", lockboard.HostDecoder, lockboard.BoardDecoder),
    "megatec": line("megatec", megatec.HostDecoder, megatec.BoardDecoder),
}

"""A hub that is told to stop ends in order, however often it is told."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from hub.cli import serving


@pytest.fixture
def _handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_handler")
def test_a_second_word_to_stop_breaks_into_nothing() -> None:
    closed = []

    def run() -> None:
        signal.signal(signal.SIGTERM, serving._end)
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            closed.append(True)

    with pytest.raises(SystemExit) as ended:
        run()
    assert (ended.value.code, closed) == (0, [True])

"""The two errors of the contract: ours and the peer's.

`LocalError` means this program misused the contract: a bug, never caught to go on as if nothing
had happened. `RemoteError` means what came over the wire is not what the contract says: the bytes
are quarantined or refused, the loop goes on. Any other exception out of `protocols.messages` is a
bug.
"""

from __future__ import annotations

GOT_CHARS_MAX = 120
"""Longest quotation of refused input; a message of 320 KiB must not become a log line."""


class WireError(ValueError):
    """Base of both. Says what is wrong, where, what was expected, what came, what to do."""

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        expected: str = "",
        got: object = "",
        do: str = "",
    ) -> None:
        """Keep the five parts; `got` is quoted up to `GOT_CHARS_MAX` characters."""
        quoted = got if isinstance(got, str) else repr(got)
        if len(quoted) > GOT_CHARS_MAX:
            quoted = quoted[:GOT_CHARS_MAX] + "…"
        self.what = what
        self.where = where
        self.expected = expected
        self.got = quoted
        self.do = do
        named = (("where", where), ("expected", expected), ("got", quoted), ("do", do))
        tail = "; ".join(f"{name}: {text}" for name, text in named if text)
        super().__init__(f"{what} ({tail})" if tail else what)


class LocalError(WireError):
    """Our own misuse of the contract: a bug in this program."""


class RemoteError(WireError):
    """The peer broke the contract: refuse or quarantine the bytes and go on."""

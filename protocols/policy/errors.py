"""The one error of the rules: it says where, what was expected, what came, and what to do."""


class PolicyError(ValueError):
    """A rule, a pack or a calendar cannot be used as given.

    Attributes:
        where: path of the field or name of the rule.
        expected: what would have been right.
        got: what came, shortened.
        do: what the reader can do about it.
    """

    def __init__(self, where: str, *, expected: str, got: object, do: str) -> None:
        """Build the message from its four parts."""
        self.where = where
        self.expected = expected
        self.got = shorten(got)
        self.do = do
        super().__init__(f"{where}: expected {expected}, got {self.got}: {do}")


SHOWN_CHARS_MAX = 80
"""A message stays readable on one screen line, whatever came in."""


def shorten(value: object) -> str:
    """Show a value in a message without letting it fill the log."""
    shown = repr(value)
    if len(shown) <= SHOWN_CHARS_MAX:
        return shown
    return shown[: SHOWN_CHARS_MAX - 1] + "…"

"""A fault as it is planted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault: its name, the file, what stands there, what would, and the tests that notice.

    Args:
        program: the tests start processes of their own that are to have the change in them too.
    """

    name: str
    path: str
    before: str
    after: str
    tests: tuple[str, ...]
    program: bool = False

    @property
    def module(self) -> str:
        """The module's own name."""
        return self.path.removesuffix(".py").replace("/", ".")

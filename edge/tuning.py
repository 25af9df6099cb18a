"""Options that change while the room runs: the file's value unless a kept configuration differs.

A configuration is the whole list of what differs from the room's file, with a version that only
goes up. It is judged by the same rows of `edge.config` as the file. What is kept lies in the
journal's small state, written together with its event.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.config import ConfigError, RoomFile, check_live

KV_CONFIG = "config"
OPTIONS_MAX = 32  # more than the table has live ones
Values = Mapping[str, Any]


@dataclass(slots=True)
class Tuning:
    """What is in force, and what was kept last.

    Args:
        room: the room's file.
        parts: by option, who is told its value; each returns at once.
    """

    room: RoomFile
    parts: dict[str, Callable[[Any], None]] = field(default_factory=dict)
    version: int = 0
    kept: Values = field(default_factory=dict)

    def recall(self, kept: bytes | None) -> str:
        """Takes up the configuration kept before a restart.

        Returns:
            Why it cannot be used (another program may have other options), '' when it can.
        """
        try:
            about = json.loads(kept or b"{}")
            version, values = int(about.get("version", 0)), dict(about.get("set", {}))
        except (ValueError, TypeError, AttributeError) as error:
            return f"unreadable: {error}"[:200]
        self.version = version
        refused = self._fault(values)
        if refused is not None:
            return f"{refused['reason']}: {refused['where']}"[:200]
        self.kept = values
        self.use(values)
        return ""

    def look(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """What the room must know of a `config.apply`: `refused` with the reason, or `unchanged`.

        The shape of `args` is the room's to judge.
        """
        version, values = args.get("version"), args.get("set")
        if type(version) is not int or not isinstance(values, Mapping):
            return {}
        refused = self._old(version, values) or self._fault(values)
        if refused is not None:
            return {"refused": refused}
        return {"unchanged": dict(values) == dict(self.kept)}

    def _old(self, version: int, values: Values) -> dict[str, Any] | None:
        if version > self.version or (version == self.version and values == self.kept):
            return None
        return {
            "reason": "old_version",
            "where": "version",
            "expected": f"above {self.version}",
            "got": str(version),
        }

    def _fault(self, values: Values) -> dict[str, Any] | None:
        if len(values) > OPTIONS_MAX:
            expected = f"at most {OPTIONS_MAX} options"
            got = str(len(values))
            return {"reason": "bad_argument", "where": "set", "expected": expected, "got": got}
        for name, value in values.items():
            about = {"where": str(name)[:80], "got": repr(value)[:80]}
            try:
                reason = check_live(self.room.path, str(name), value)
            except ConfigError as error:
                return {"reason": "bad_argument", "expected": str(error)[:200], **about}
            if reason:
                expected = "one of " + ", ".join(sorted(self.parts))
                return {"reason": reason, "expected": expected, **about}
        return None

    def use(self, values: Values) -> None:
        """Puts a configuration in force: every live option has its value or the file's."""
        for name, tell in self.parts.items():
            section, _, key = name.partition(".")
            tell(values.get(name, self.room.get(section, key)))

    def keep(self, version: int, values: Values) -> None:
        """This configuration has been confirmed."""
        self.version, self.kept = version, dict(values)

    def revert(self) -> None:
        """Puts the last kept configuration in force again."""
        self.use(self.kept)


def kept_config(data: Mapping[str, Any]) -> bytes:
    """The small state that goes with a `config.applied`."""
    about = {"version": data.get("version"), "set": data.get("set")}
    return json.dumps(about, sort_keys=True).encode("utf-8")

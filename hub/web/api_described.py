"""What the description of the API says of every act: its body is an object, a refusal a problem."""

from __future__ import annotations

from typing import Any, Final

from hub.problems import MEDIA_TYPE

OBJECT: Final = {"type": "object"}
PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "title_en", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "title_en": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
}
"""RFC 9457; `title_en` beside it, and more members by code."""
REFUSED: Final = {
    "description": "Refused; says what, where, expected, got, do",
    "content": {MEDIA_TYPE: {"schema": PROBLEM}},
}


def described(told: dict[str, Any]) -> None:
    """Completes a description in its place."""
    for path in told["paths"].values():
        for method, operation in path.items():
            operation["responses"].pop("422", None)  # ours is a problem, not FastAPI's own shape
            operation["responses"]["4XX"] = REFUSED
            if method == "post" and "requestBody" not in operation:
                operation["requestBody"] = {"content": {"application/json": {"schema": OBJECT}}}

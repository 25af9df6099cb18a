"""Refusals as RFC 9457 problem documents: what, where, expected, got, do, in two languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hub.problem_words import PARTS, details

TYPE_BASE: Final = "urn:evalroom:problem:"
MEDIA_TYPE: Final = "application/problem+json"
GIVEN: Final = (*PARTS, "title_en")
GOT_CHARS_MAX: Final = 200
"""What came in is quoted, but a refused upload must not become the answer."""


class Problem(Exception):  # noqa: N818 - a problem document is not always an error
    """A refusal a person can act on.

    Args:
        status: HTTP status.
        code: stable lower_snake word that programs may rely on.
        title: one line in Chinese; `title_en` the same in English.
        what: what was refused; `where`: field, id or path; `expected`, `got`: the two that differ;
            `do`: the next step.
        detail: longer text where one line is not enough.
        more: further members of the document, for example `alternatives`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        *,
        title: str,
        title_en: str,
        what: str = "",
        where: str = "",
        expected: str = "",
        got: object = "",
        do: str = "",
        detail: str = "",
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.title = title
        self.title_en = title_en
        self.what = what or title_en
        self.where = where
        self.expected = expected
        self.got = str(got)[:GOT_CHARS_MAX]
        self.do = do
        self.detail = detail
        self.more = dict(more or {})
        super().__init__(f"{code}: {self.what} ({self.where}): expected {expected}, got {self.got}")

    def document(self) -> dict[str, Any]:
        """The problem document, ready for JSON; `zh` and `en` hold the details in words."""
        body = {
            "type": TYPE_BASE + self.code,
            "title": self.title,
            "title_en": self.title_en,
            "status": self.status,
            "code": self.code,
            "detail": self.detail or self.what,
            "what": self.what,
            "where": self.where,
            "expected": self.expected,
            "got": self.got,
            "do": self.do,
        }
        given = {key: str(body[key]) for key in GIVEN}
        return {**self.more, **body, **details(self.code, given, self.more)}


def not_found(what: str, where: str) -> Problem:
    """404: no such thing, or not for this person to see."""
    return Problem(
        404,
        "not_found",
        title="没有找到",
        title_en="Not found",
        what=f"there is no such {what}",
        where=where,
        expected=f"an existing {what} of your organisation",
        got=where,
        do="check the number",
    )


def bad_request(
    code: str, *, what: str, where: str, expected: str, got: object, do: str
) -> Problem:
    """422: the request can be read but not done."""
    return Problem(
        422,
        code,
        title="请求内容有误",
        title_en="The request cannot be done as written",
        what=what,
        where=where,
        expected=expected,
        got=got,
        do=do,
    )

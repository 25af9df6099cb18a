"""Texts people type: they go into facts and packages in the clear, so some numbers may not.

The rule is `protocols.policy.plain_text`, the same as on the room's screen. The JSON API asks it of
every text without a form of its own (`hub.web.api_body.Fields.text`).
"""

from __future__ import annotations

from hub.ports import refuse
from protocols.policy.plain_text import PersonalNumber, personal_number

_FOUND = {
    PersonalNumber.DOCUMENT: ("证件号码", "a number of a document"),
    PersonalNumber.TELEPHONE: ("电话号码", "a telephone number"),
}


def free_text(text: str, *, where: str) -> str:
    """The text as it came.

    Raises:
        Problem: 422 a number in it points at a person; the text is not repeated.
    """
    found = personal_number(text)
    if found is None:
        return text
    zh, en = _FOUND[found]
    raise refuse(
        422,
        "personal_number",
        zh=f"文字中不得出现{zh}",
        en=f"The text holds {en}",
        where=where,
        expected="a text without numbers of documents or telephones",
        got=en,
        do="删去号码，用编号或岗位称呼人员",
    )

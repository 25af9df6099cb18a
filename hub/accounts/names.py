"""How a login and a post may read: they stand on every screen, names and telephones do not."""

from __future__ import annotations

import re
from typing import Final

from hub.problems import bad_request

LOGIN: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}\Z")
POST: Final = re.compile(r"[A-Z]{2,4}-[0-9]{2,3}\Z")


def check_names(login: str, post: str) -> None:
    """Refuses a login or post that could not stand on a screen.

    Raises:
        Problem: 422.
    """
    if LOGIN.match(login) is None:
        raise bad_request(
            "login_invalid",
            what="the login cannot be used",
            where="user.login",
            expected="1 to 64 of a-z 0-9 . _ -, beginning with a letter",
            got=login,
            do="choose another",
        )
    if POST.match(post) is None:
        raise bad_request(
            "post_invalid",
            what="the post cannot be used",
            where="user.post",
            expected="2 to 4 capital letters, a hyphen and a number, such as HB-07",
            got=post,
            do="choose another; no names, no telephone numbers",
        )

"""How a sign-in is refused."""

from __future__ import annotations

from hub.accounts.limiter import FAILURES_FREE
from hub.problems import Problem


def wrong(status: int = 401) -> Problem:
    """Another login or password."""
    return Problem(
        status,
        "sign_in_wrong",
        title="账号或密码不正确",
        title_en="The login or password is not right",
        where="sign-in",
        expected="a login and its password",
        got="another pair",
        do="try again, or ask your administrator for `evalroom hub user reset`",
    )


def busy() -> Problem:
    """More sign-ins at once than may wait."""
    return Problem(
        429,
        "sign_in_busy",
        title="登录请求过多，请稍后再试",
        title_en="Too many sign in at once",
        where="sign-in",
        expected="a few sign-ins at a time",
        got="more",
        do="try again in a second",
    )


def too_many(login: str, wait_ms: int) -> Problem:
    """More wrong passwords than may be tried at once."""
    return Problem(
        429,
        "sign_in_locked",
        title="尝试次数过多，请稍后再试",
        title_en="Too many wrong tries",
        where=f"sign-in of {login[:64]}",
        expected=f"{FAILURES_FREE} wrong passwords at one address before one waits",
        got="more",
        do=f"wait {wait_ms // 1000 + 1} s",
    )

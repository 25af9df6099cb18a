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


def not_signed_in(where: str, cookie: str) -> Problem:
    """A request without a session."""
    return Problem(
        401,
        "not_signed_in",
        title="请先登录",
        title_en="Sign in first",
        where=where,
        expected=f"the cookie {cookie}",
        got="none that is valid",
        do="POST /api/v1/sign-in",
    )


def csrf_missing(given: str) -> Problem:
    """A request another site may have made a browser send."""
    return Problem(
        403,
        "csrf_missing",
        title="请求缺少校验标记",
        title_en="The request lacks its check word",
        where="header X-CSRF",
        expected="the csrf word of your sign-in",
        got="another" if given else "nothing",
        do="send the word that sign-in answered",
    )

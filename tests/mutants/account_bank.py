"""Faults planted in who may come in: rights, sign-in, sessions, cookies, limits."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_RIGHTS: Final = "tests/hub/api/test_rights.py"
_LIMITER: Final = "tests/hub/accounts/test_limiter.py"
_HEADERS: Final = "tests/hub/web/test_headers.py"

ACCOUNTS: Final = (
    Planted(
        "the table of rights is not asked",
        "hub/web/rights.py",
        "            allow(accounts.actor(request), tuple(sorted(right.roles)))\n",
        "            accounts.actor(request)\n",
        (f"{_RIGHTS}::test_every_role_of_every_organisation_gets_what_the_table_says_and_no_more",),
    ),
    Planted(
        "an address nobody listed answers",
        "hub/web/rights.py",
        "            raise _unlisted(address)\n",
        "            return\n",
        (f"{_RIGHTS}::test_an_address_nobody_listed_answers_nobody",),
    ),
    Planted(
        "a service leaves the role to the table",
        "hub/archive/service.py",
        "        allow(actor, APPRAISING)\n",
        "",
        (f"{_RIGHTS}::test_the_services_refuse_by_themselves_whom_the_table_refuses",),
    ),
    Planted(
        "the session's cookie may come from a neighbour",
        "hub/accounts/service.py",
        "        self.cookie = HOST_COOKIE if secure else COOKIE\n",
        "        self.cookie = COOKIE\n",
        (f"{_HEADERS}::test_the_sessions_cookie_is_the_strictest_its_scheme_allows",),
    ),
    Planted(
        "a failure's answer has no policy",
        "hub/web/app.py",
        "        return SecurityHeaders(super().build_middleware_stack())\n",
        "        self.add_middleware(SecurityHeaders)\n"
        "        return super().build_middleware_stack()\n",
        (f"{_HEADERS}::test_every_kind_of_answer_carries_the_headers_once",),
    ),
    Planted(
        "a stranger's failures are everybody's",
        "hub/accounts/limiter.py",
        '    return f"device:{login}:{device}" if device else f"login:{login}@{_net(address)}"\n',
        '    return f"login:{login}"\n',
        (
            f"{_LIMITER}::test_strangers_never_keep_out_a_known_browser_or_an_address_they_are_not_at",
        ),
    ),
    Planted(
        "guessing costs no time",
        "hub/accounts/limiter.py",
        "        if beyond >= 0:\n",
        "        if beyond > 10_000:\n",
        (f"{_LIMITER}::test_counters_are_forgotten_and_stay_few",),
    ),
    Planted(
        "any word is a known browser's",
        "hub/accounts/devices.py",
        " and hmac.compare_digest(found[2], self._mac(found[1], login))",
        "",
        (f"{_LIMITER}::test_a_device_word_is_of_one_login_and_one_hub",),
    ),
    Planted(
        "everybody may stand in line for a hash",
        "hub/accounts/limiter.py",
        "            free = self._waiting < (TURNS_MAX if known else STRANGERS_MAX)\n",
        "            free = True\n",
        (f"{_LIMITER}::test_more_than_a_few_at_once_are_turned_away_and_the_known_later",),
    ),
)
"""Planted where people sign in and act."""

"""Faults planted in who may come in: rights, sign-in, sessions, cookies, limits."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_RIGHTS: Final = "tests/hub/api/test_rights.py"
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
)
"""Planted where people sign in and act."""

"""Faults planted in who may come in: rights, sign-in, sessions, cookies, limits."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_RIGHTS: Final = "tests/hub/api/test_rights.py"
_LIMITER: Final = "tests/hub/accounts/test_limiter.py"
_FACTOR: Final = "tests/hub/accounts/test_second_factor.py"
_SESSIONS: Final = "tests/hub/accounts/test_sessions.py"
_LIMITS: Final = "tests/hub/web/test_limits.py"
_ROGUE: Final = "tests/hub/media/test_rogue.py"
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
        '    return f"device:{login}:{device}" if device else f"login:{login}@{net_of(address)}"\n',
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
    Planted(
        "a code counts twice",
        "hub/accounts/second_factor.py",
        "        if same and step > after:\n",
        "        if same:\n",
        (f"{_FACTOR}::test_who_has_one_signs_in_with_it_and_each_code_opens_once",),
    ),
    Planted(
        "the code is not asked for",
        "hub/accounts/service.py",
        "        if self._has_factor(actor) and not self._second(actor, code):\n",
        "        if False:\n",
        (f"{_FACTOR}::test_who_has_one_signs_in_with_it_and_each_code_opens_once",),
    ),
    Planted(
        "a role without its second factor works on",
        "hub/accounts/service.py",
        "        if found.factor_missing and not request.url.path.startswith(WITHOUT_FACTOR):\n",
        "        if False:\n",
        (f"{_FACTOR}::test_a_role_that_must_have_one_may_do_nothing_but_set_it_up",),
    ),
    Planted(
        "a recovery code opens again",
        "hub/accounts/factors.py",
        "            if used.rowcount != 1:\n                return False\n",
        "            if used.rowcount != 1:\n                return len(code) > codes.DIGITS\n",
        (f"{_FACTOR}::test_who_has_one_signs_in_with_it_and_each_code_opens_once",),
    ),
    Planted(
        "the secret lies open",
        "hub/accounts/second_factor.py",
        "    return (nonce + AESGCM(key).encrypt(nonce, secret, person.encode())).hex()\n",
        "    return secret.hex()\n",
        (f"{_FACTOR}::test_a_sealed_secret_is_of_one_person_and_one_hub",),
    ),
    Planted(
        "a new password leaves the others signed in",
        "hub/accounts/service.py",
        "        others = web_sessions.c.token_sha256 != kept\n",
        '        others = web_sessions.c.token_sha256 == "none"\n',
        (f"{_SESSIONS}::test_a_new_password_ends_the_others_and_opens_the_venues_key",),
    ),
    Planted(
        "anybody ends anybody's session",
        "hub/accounts/sessions.py",
        "        mine = [web_sessions.c.person == whom.person, ",
        "        mine = [",
        (f"{_SESSIONS}::test_a_person_sees_where_he_is_signed_in_and_ends_one",),
    ),
    Planted(
        "a body without end is read on",
        "hub/web/limits.py",
        "        if self._left < 0:\n",
        "        if False:\n",
        (f"{_LIMITS}::test_a_body_without_end_is_refused_whatever_length_it_says",),
    ),
    Planted(
        "a body may drip for ever",
        "hub/web/limits.py",
        "            async with asyncio.timeout(max(0.0, min(self._piece_s, left_s))):\n",
        "            async with asyncio.timeout(self._piece_s):\n",
        (f"{_LIMITS}::test_a_body_that_drips_is_refused_after_its_time",),
    ),
    Planted(
        "a head may drip for ever",
        "hub/web/limits.py",
        "        elif self._slow is None:\n",
        "        elif False:\n",
        (f"{_LIMITS}::test_a_head_that_never_ends_is_left_after_its_time",),
    ),
    Planted(
        "media fill the disk",
        "hub/media/blobs.py",
        "            if self.free_bytes() - self._share.coming < FREE_BYTES_MIN:\n",
        "            if False:\n",
        (f"{_ROGUE}::test_media_leave_the_record_its_space",),
    ),
    Planted(
        "one room may take all",
        "hub/media/shares.py",
        "        if share.uploads >= UPLOADS_AT_ONCE or share.bytes + size > DAY_BYTES_MAX:\n",
        "        if False:\n",
        (f"{_ROGUE}::test_a_room_has_its_share_at_once_and_in_a_day_and_others_have_theirs",),
    ),
    Planted(
        "media nobody recorded are taken",
        "hub/media/blobs.py",
        "        if row is None:\n            raise Problem(\n                409,\n"
        '                "media_not_recorded",',
        "        if row is None:\n            return BLOB_BYTES_MAX\n            raise Problem(\n"
        '                409,\n                "media_not_recorded",',
        (
            "tests/hub/media/test_media.py"
            "::test_a_segment_is_taken_once_recorded_and_again_costs_nothing",
        ),
    ),
)
"""Planted where people sign in and act."""

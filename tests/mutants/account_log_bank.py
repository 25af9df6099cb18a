"""Faults planted in what is written of accounts, in closing them, and in who vouches for them."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_LOG: Final = "tests/hub/accounts/test_account_log.py"
_CLOSING: Final = "tests/hub/accounts/test_closing.py"
_PROVIDER: Final = "tests/hub/accounts/test_provider.py"
_BREAKS: Final = f"{_PROVIDER}::test_a_provider_that_breaks_the_standard_signs_nobody_in"
_HALVES: Final = f"{_LOG}::test_a_session_and_its_row_stand_together_or_not_at_all"

ACCOUNT_LOG: Final = (
    Planted(
        "a typed login stands in the log",
        "hub/accounts/service.py",
        "            self.log.failed(NOBODY if row is None else login, address)\n",
        "            self.log.failed(login, address)\n",
        (f"{_LOG}::test_a_flood_is_one_row_a_minute_with_a_count_and_unknown_logins_are_no_words",),
    ),
    Planted(
        "each failure is a row",
        "hub/accounts/account_log.py",
        "        if conn.execute(there.values(more)).rowcount:\n            return\n",
        "",
        (f"{_LOG}::test_a_flood_is_one_row_a_minute_with_a_count_and_unknown_logins_are_no_words",),
    ),
    Planted(
        "a failure is written while its answer waits",
        "hub/accounts/account_log.py",
        "            found.origin = net_of(address)\n",
        "            found.origin = net_of(address)\n        if login:\n            self.flush()\n",
        (f"{_LOG}::test_a_failure_writes_nothing_on_its_way_so_no_answer_tells_who_is_there",),
    ),
    Planted(
        "a sign-in and its row are two transactions",
        "hub/accounts/service.py",
        "            self.log.write(conn, what, actor.login, address=address, agent=agent)\n",
        "        with self._store.write(mirrored=False) as conn:\n"
        "            self.log.write(conn, what, actor.login, address=address, agent=agent)\n",
        (_HALVES,),
    ),
    Planted(
        "the log keeps the whole address",
        "hub/accounts/account_log.py",
        '            "origin": net_of(address),\n            "browser"',
        '            "origin": address,\n            "browser"',
        (f"{_LOG}::test_of_an_address_no_more_is_kept_than_tells_machines_apart",),
    ),
    Planted(
        "a flood thins what is not its own",
        "hub/accounts/account_log.py",
        "        conn.execute(account_log.delete().where(same, rows.id <= oldest))\n",
        "        conn.execute(account_log.delete().where(rows.id <= oldest))\n",
        (f"{_LOG}::test_rows_go_after_their_time_and_a_week_of_guessing_thins_its_own_kind_alone",),
    ),
    Planted(
        "the log is mirrored for ever",
        "hub/store/tables_core.py",
        "        account_log,\n",
        "",
        (f"{_LOG}::test_the_mirror_does_not_grow_by_it",),
    ),
    Planted(
        "who has left still signs",
        "hub/cli/closing.py",
        '        hub.keys.retire(conn, owner_kind="person", owner=whom.person, epoch=at.epoch, '
        "seq=at.seq)\n",
        "",
        (f"{_CLOSING}::test_a_closed_account_has_no_session_no_factor_and_no_key",),
    ),
    Planted(
        "who has left still opens the venue's key",
        "hub/cli/closing.py",
        "        conn.execute(key_wraps.delete().where(key_wraps.c.holder == whom.person))\n",
        "",
        (f"{_CLOSING}::test_a_closed_account_has_no_session_no_factor_and_no_key",),
    ),
    Planted(
        "a closed colleague counts as one who is left",
        "hub/cli/closing.py",
        "        users.c.org == whom.org, users.c.active, users.c.person != whom.person\n",
        "        users.c.org == whom.org, users.c.person != whom.person\n",
        (
            f"{_CLOSING}::"
            "test_the_last_administrator_and_the_last_key_holder_are_closed_by_an_explicit_word_alone",
        ),
    ),
    Planted(
        "a reopened account has its old password",
        "hub/cli/closing.py",
        "            conn, whom.person, hash_password(secrets.token_urlsafe(TOKEN_BYTES))\n",
        '            conn, "nobody", hash_password(secrets.token_urlsafe(TOKEN_BYTES))\n',
        (f"{_CLOSING}::test_a_reopened_account_has_neither_the_old_password_nor_the_old_key",),
    ),
    Planted(
        "another attempt's state is taken",
        "hub/accounts/provider.py",
        '        if not hmac.compare_digest(answer.get("state", "").encode(), '
        "attempt.state.encode()):\n",
        "        if False:\n",
        (f"{_BREAKS}[state]",),
    ),
    Planted(
        "another attempt's nonce is taken",
        "hub/accounts/provider.py",
        '            "nonce": not hmac.compare_digest(str(claims.get("nonce")).encode(), '
        "nonce.encode()),\n",
        "",
        (f"{_BREAKS}[wrong nonce]",),
    ),
    Planted(
        "a token for somebody else is taken",
        "hub/accounts/provider.py",
        '            "aud": own not in audience,\n',
        "",
        (f"{_BREAKS}[wrong audience]",),
    ),
    Planted(
        "an old token is taken",
        "hub/accounts/provider.py",
        " or now > until + CLOCKS_S,\n",
        ",\n",
        (f"{_BREAKS}[expired]",),
    ),
    Planted(
        "a shared secret signs",
        "hub/accounts/provider.py",
        'ALGORITHMS: Final = ("RS256", "PS256", "ES256")\n',
        'ALGORITHMS: Final = ("RS256", "PS256", "ES256", "HS256", "none")\n',
        (f"{_BREAKS}[alg none]", f"{_BREAKS}[shared secret]"),
    ),
    Planted(
        "what comes back counts again",
        "hub/accounts/provider.py",
        "        self._use(attempt.state)\n",
        "",
        (
            f"{_PROVIDER}::"
            "test_what_comes_back_counts_once_even_where_the_provider_takes_a_code_twice",
        ),
    ),
    Planted(
        "a provider's word stands for every second factor",
        "hub/accounts/vouching.py",
        "        if not strong:\n",
        "        if False:\n",
        (f"{_PROVIDER}::test_the_own_second_factor_is_asked_for_as_with_a_password",),
    ),
    Planted(
        "a slip of any kind is a provider's word",
        "hub/accounts/slips.py",
        '        message = CONTEXT + f"{self._kind}\\x00\\x00{text}".encode()\n',
        '        message = CONTEXT + f"\\x00\\x00{text}".encode()\n',
        (f"{_PROVIDER}::test_without_the_providers_word_the_second_step_opens_nothing",),
    ),
)
"""Planted where accounts are written down, closed and vouched for."""

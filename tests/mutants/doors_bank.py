"""Faults at the hub's doors, of packages, codecs, clocks and accounts: threats 15 to 21."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_MATRIX: Final = "tests/hub/api/test_access_matrix.py"
_RIGHTS: Final = "tests/hub/api/test_rights.py"
_API: Final = "tests/hub/api/test_api.py"
_ACCOUNTS: Final = "tests/hub/accounts/test_accounts.py"
_LIMITER: Final = "tests/hub/accounts/test_limiter.py"
_SERVICE: Final = "hub/accounts/service.py"
_APP: Final = "hub/web/app.py"

DOORS: Final = (
    # -- threat 21: sessions and secrets ----------------------------------------------------------
    Planted(
        "a script may read the session's cookie",
        "hub/web/api_accounts.py",
        "            max_age=int(kept.total_seconds()),\n            httponly=True,\n",
        "            max_age=int(kept.total_seconds()),\n",
        (f"{_ACCOUNTS}::test_a_session_is_a_strict_cookie_and_a_csrf_word",),
    ),
    Planted(
        "another site's link brings the session's cookie",
        "hub/web/api_accounts.py",
        '            samesite="strict",\n            secure=hub.accounts.secure,\n        )\n\n',
        '            samesite="lax",\n            secure=hub.accounts.secure,\n        )\n\n',
        (f"{_ACCOUNTS}::test_a_session_is_a_strict_cookie_and_a_csrf_word",),
    ),
    Planted(
        "any word is the session's word",
        _SERVICE,
        "        if not secrets.compare_digest(found.csrf.encode(), given.encode()):\n",
        "        if not given:\n",
        (f"{_API}::test_a_change_without_the_csrf_word_is_refused",),
    ),
    Planted(
        "who sends no word need not know it",
        _SERVICE,
        "        if not secrets.compare_digest(found.csrf.encode(), given.encode()):\n",
        "        if given and not secrets.compare_digest(found.csrf.encode(), given.encode()):\n",
        (
            f"{_RIGHTS}::test_a_change_without_the_sessions_word_is_refused_everywhere",
            f"{_ACCOUNTS}::test_a_session_is_a_strict_cookie_and_a_csrf_word",
        ),
    ),
    Planted(
        "each wait is as short as the first",
        "hub/accounts/limiter.py",
        "min(longest_ms, WAIT_FIRST_MS * 2 ** min(beyond, 20))",
        "min(longest_ms, WAIT_FIRST_MS)",
        (f"{_LIMITER}::test_a_day_of_guessing_one_login_at_one_address_gets_few_tries",),
    ),
    Planted(
        "a known browser waits with the strangers",
        _SERVICE,
        '        known = device if self.devices.knows(device, login) else ""\n',
        '        known = ""\n',
        (f"{_LIMITER}::test_a_storm_on_a_login_leaves_its_browser_and_its_sessions_alone",),
    ),
    Planted(
        "the token itself is stored",
        _SERVICE,
        '    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()',
        "    return token",
        (f"{_ACCOUNTS}::test_the_stored_token_signs_nobody_in",),
    ),
    Planted(
        "a PIN may be guessed for ever",
        "hub/keys/tries.py",
        "            wait_ms = self._wait_ms(row)\n",
        "            wait_ms = 0\n",
        (f"{_ACCOUNTS}::test_five_wrong_pins_lock_the_key_for_ten_minutes",),
    ),
    Planted(
        "a key is locked until the next boot",
        "hub/keys/tries.py",
        "        return max(0, LOCK_MS - passed)",
        "        return LOCK_MS",
        (f"{_ACCOUNTS}::test_five_wrong_pins_lock_the_key_for_ten_minutes",),
    ),
    Planted(
        "a page may run scripts that stand in it",
        _APP,
        "\"default-src 'self'; base-uri",
        "\"default-src 'self'; script-src 'self' 'unsafe-inline'; base-uri",
        (
            "tests/hub/web/test_headers.py::test_the_policy_allows_this_origin_and_makes_no_exception",
        ),
    ),
    Planted(
        "another site may show the console in a frame",
        _APP,
        "frame-ancestors 'none'; ",
        "",
        (
            "tests/hub/web/test_headers.py::test_the_policy_allows_this_origin_and_makes_no_exception",
        ),
    ),
    Planted(
        "a wrong code costs nothing",
        _SERVICE,
        "            self._limiter.failed("
        "actor.login, address, self._clock.mono_ms(), device=device)\n",
        "",
        (
            "tests/hub/accounts/test_second_factor.py"
            "::test_wrong_codes_are_slowed_down_like_wrong_passwords",
        ),
    ),
    Planted(
        "to end all others ends one's own",
        "hub/accounts/sessions.py",
        "web_sessions.c.token_sha256 != kept]",
        "web_sessions.c.token_sha256 == kept]",
        ("tests/hub/accounts/test_sessions.py::test_all_others_end_at_once",),
    ),
    Planted(
        "a key is wrapped by its salt alone",
        "hub/crypto.py",
        '        secret.encode("utf-8"),\n        salt=salt,\n        n=stretch.wrap_n,\n',
        "        salt,\n        salt=salt,\n        n=stretch.wrap_n,\n",
        ("tests/hub/accounts/test_provider.py::test_the_providers_word_opens_no_key",),
    ),
    # -- threat 15: who sees what -----------------------------------------------------------------
    Planted(
        "a session is known to whoever is signed in",
        "hub/access.py",
        "    return actor.org in link.orgs and not _only(actor, HOME_ONLY)\n",
        "    return not _only(actor, HOME_ONLY)\n",
        (
            f"{_MATRIX}::test_everyone_reads_what_concerns_him_and_nothing_else[hunan.operator]",
            f"{_MATRIX}::test_a_stranger_changes_nothing[cases/{{case}}/ack-body9]",
        ),
    ),
    Planted(
        "being host gives a supervisor what is another's",
        "hub/access.py",
        "    return actor.org in link.orgs and not _only(actor, HOME_ONLY)\n",
        "    return actor.org in link.orgs\n",
        (
            f"{_MATRIX}::test_everyone_reads_what_concerns_him_and_nothing_else"
            "[changsha.supervisor]",
        ),
    ),
    Planted(
        "an act tells a stranger that a case is there",
        "hub/web/api_case.py",
        "        hub.contingency.must_see(who, case)\n"
        "        return hub.contingency.ack(who, case)\n",
        "        return hub.contingency.ack(who, case)\n",
        (f"{_MATRIX}::test_a_stranger_changes_nothing[cases/{{case}}/ack-body9]",),
    ),
    Planted(
        "the live stream says every session's name to everybody",
        "hub/reach.py",
        "    return any(sees_session(actor, one) for one in ties.values())\n",
        "    return bool(ties)\n",
        (f"{_MATRIX}::test_the_live_stream_says_only_what_concerns_the_reader[hunan.operator]",),
    ),
    Planted(
        "the live stream says every case to everybody",
        "hub/reach.py",
        "    return sees_case(actor, org=row.org, link=link)\n",
        "    return link is not None\n",
        (
            f"{_MATRIX}::test_the_live_stream_says_only_what_concerns_the_reader"
            "[hunan.tenderer_agent]",
        ),
    ),
    Planted(
        "an address is added and nobody says whom it is for",
        _APP,
        '    @routes.get("/api/v1/board")\n',
        '    @routes.get("/api/v1/rooms")\n    @routes.get("/api/v1/board")\n',
        (
            f"{_MATRIX}::test_whom_every_address_is_for_is_said",
            f"{_RIGHTS}::test_every_address_of_the_application_is_in_the_table_and_no_other",
        ),
    ),
    # -- threat 16: packages with a trap ----------------------------------------------------------
    Planted(
        "two names that some system takes for one pass",
        "protocols/evidence/verifier.py",
        " or seen.setdefault(name.casefold(), name) != name:",
        ":",
        (
            "tests/fuzz/test_hostile_packages.py"
            "::test_hostile_packages_are_refused_and_nothing_is_written",
        ),
    ),
    Planted(
        "a listed name may lead out of the folder",
        "protocols/evidence/verifier.py",
        'part and part[-1] not in ". " and DEVICE',
        "part and DEVICE",
        ("tests/hub/archive/test_package.py::test_a_name_that_leads_out_of_the_folder_is_altered",),
    ),
    Planted(
        "a folder without its manifest is sound",
        "protocols/evidence/verifier.py",
        '            self.say(INCOMPLETE, TAGS, "missing")\n            raise _Stop\n',
        "            raise _Stop\n",
        ("tests/protocols/evidence/test_verifier.py::test_any_folder_gives_a_verdict",),
    ),
    *(
        Planted(
            name,
            "protocols/evidence/verifier.py",
            before,
            "False",
            (
                "tests/protocols/evidence/test_verifier_hostile.py"
                "::test_an_object_nobody_can_count_or_print_or_walk_is_refused",
            ),
        )
        for name, before in (
            ("an object is as deep as it likes", "depth > OBJECT_DEPTH_MAX"),
            (
                "a number is as large as it likes",
                "isinstance(one, int | float) and not -INTEGER_MAX <= one <= INTEGER_MAX",
            ),
            (
                "a text may be half a character",
                'not one.isascii() and any("\\ud800" <= char <= "\\udfff" for char in one)',
            ),
        )
    ),
    # -- threat 17: media -------------------------------------------------------------------------
    Planted(
        "whoever names a room uploads for it",
        "hub/web/api_media.py",
        "        if key is not None and key[0] == kid and crypto.verify(key[1], sig, message):\n",
        "        if key is not None and key[0] == kid and message and sig:\n",
        ("tests/hub/media/test_media.py::test_an_upload_needs_the_rooms_own_signature[changed0]",),
    ),
    Planted(
        "a clip nobody can read is passed over",
        "edge/media/recorder.py",
        '            self._sink("segment_damaged", {"stream": self.stream, '
        '"name": name, "bytes": size})\n',
        '            log.warning("%s: %s of %d bytes has no picture", self.stream, name, size)\n',
        ("tests/fuzz/test_clips.py::test_changed_clips_get_an_answer_each_and_reach_nothing",),
    ),
    # -- threat 18: rubbish from a board ----------------------------------------------------------
    Planted(
        "a damaged frame takes all behind it along",
        "protocols/wire/framing.py",
        "            elif at < len(buffer):\n"
        "                self.dropped_bytes += 1\n"
        "                at += 1\n",
        "            elif at < len(buffer):\n"
        "                self.dropped_bytes += len(buffer) - at\n"
        "                at = len(buffer)\n",
        (
            "tests/protocols/wire/test_framing.py::test_a_good_frame_inside_a_damaged_one_is_found",
            "tests/fuzz/test_targets.py::test_no_input_breaks_a_target[cu16]",
        ),
    ),
    Planted(
        "no frame is checked",
        "protocols/wire/framing.py",
        "        if not self.sound(window[:size]):\n",
        "        if not window[:size]:\n",
        (
            "tests/mutants/test_codec_checks.py"
            "::test_no_check_of_a_codec_can_be_wrong_unnoticed[cu16]",
        ),
    ),
    Planted(
        "one bad answer and a board is lost",
        "edge/drivers/port.py",
        "        if self._misses >= MISSES_MAX:\n",
        "        if self._misses:\n",
        (
            "tests/edge/drivers/test_lock_drivers.py"
            "::test_a_bad_line_never_makes_a_door_move[cu16-damage]",
        ),
    ),
    Planted(
        "a silent board is asked at the same port for ever",
        "edge/drivers/port.py",
        "        if self._misses % MISSES_REOPEN == 0:\n",
        "        if self._misses % MISSES_REOPEN == 0 and not self._lost:\n",
        (
            "tests/edge/drivers/test_port.py"
            "::test_a_board_that_stays_silent_gets_its_port_opened_afresh_and_is_lost_once",
        ),
    ),
    Planted(
        "a silent board is lost with every question",
        "edge/drivers/port.py",
        "        if self._lost:\n            return\n        self._lost = reason\n",
        "        self._lost = reason\n",
        (
            "tests/edge/drivers/test_port.py"
            "::test_a_board_that_stays_silent_gets_its_port_opened_afresh_and_is_lost_once",
        ),
    ),
    # -- threat 20: clocks ------------------------------------------------------------------------
    Planted(
        "a clock that nobody set makes an event old",
        "hub/recording/recorder.py",
        '    return event.at_trust != "none" and now',
        "    return now",
        (
            "tests/hub/recording/test_recording.py"
            "::test_only_a_trusted_clock_makes_an_event_old[none-False]",
        ),
    ),
    Planted(
        "a step of the wall clock is on no record",
        "edge/runtime.py",
        "        if abs(step) <= STEP_MS and not synced:\n",
        "        if not synced:\n",
        ("tests/edge/test_loop.py::test_a_wall_clock_that_is_set_is_on_the_record_with_its_step",),
    ),
    Planted(
        "a case's clock is the one on the wall",
        "protocols/policy/contingency.py",
        "        return max(0, now.mono_ms - before.mono_ms), True\n",
        "        return max(0, now.wall_ms - before.wall_ms), True\n",
        (
            "tests/hub/contingency/test_cases.py"
            "::test_the_clock_counts_through_wall_steps_and_a_restart_and_stands_when_cleared",
        ),
    ),
    Planted(
        "a case's clock runs on when all is mended",
        "hub/contingency/opening.py",
        "    clock = case.clock.stop(stamp(parts.clock))\n",
        "    clock = case.clock.run(stamp(parts.clock))\n",
        (
            "tests/hub/contingency/test_cases.py"
            "::test_the_clock_counts_through_wall_steps_and_a_restart_and_stands_when_cleared",
        ),
    ),
    Planted(
        "rows are sent in the clock's order",
        "edge/journal_reader.py",
        '" AND seq >= ? ORDER BY seq LIMIT ?"',
        '" AND seq >= ? ORDER BY at, seq LIMIT ?"',
        (
            "tests/simulation/test_histories.py"
            "::test_many_histories_hold_and_every_oracle_had_something_to_judge",
        ),
    ),
)
"""Every planted fault at the hub's doors and below them."""

"""Faults of who is let in, what outlives a restore, and codes in a package."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_BROKERS: Final = "tests/hub/recording/test_over_brokers.py"
_REVOKED: Final = "tests/hub/cli/test_revoked_again.py"
_CODES: Final = "tests/protocols/evidence/test_verifier_codes.py"
_WRAPPED: Final = "tests/hub/cli/test_wrapped_keys.py"
_VERIFIER: Final = "protocols/evidence/verifier.py"

ADMISSION: Final = (
    Planted(
        "a room's client id is known",
        "edge/hub_side.py",
        'client_id(me.ctl, read_private(me.folder / "sign.key"))',
        "me.ctl",
        (
            f"{_BROKERS}::test_an_enrolled_rogue_ends_nobodys_connection_by_calling_itself_by_anothers_name",
        ),
    ),
    Planted(
        "the hub's client id is known",
        "hub/cli/serving.py",
        "client_id(config.hub, read_private(config.hub_key))",
        "config.hub",
        (
            f"{_BROKERS}::test_an_enrolled_rogue_ends_nobodys_connection_by_calling_itself_by_anothers_name",
        ),
    ),
    Planted(
        "nobody looks whose certificate ran out",
        "hub/cli/serving.py",
        "            drop_expired(self.hub)\n",
        "            pass\n",
        (f"{_BROKERS}::test_whose_certificate_runs_out_while_he_is_connected_is_heard_no_more",),
    ),
    Planted(
        "a certificate that ran out stays on the list",
        "hub/keys/admission.py",
        "            .where(tls_certificates.c.until_at > self._now())\n",
        "",
        (f"{_BROKERS}::test_whose_certificate_runs_out_while_he_is_connected_is_heard_no_more",),
    ),
    Planted(
        "the list of the revoked gets shorter",
        "hub/keys/admission.py",
        "{**(listed or {}), **",
        "{**",
        (f"{_REVOKED}::test_no_command_makes_the_list_shorter_than_it_was",),
    ),
    Planted(
        "a hub forgets whom its list names",
        "hub/cli/serving.py",
        "            relearn(hub, [hub.config.revoked_certs])\n",
        "            pass\n",
        (f"{_REVOKED}::test_a_database_that_was_put_back_by_hand_learns_it_when_the_hub_starts",),
    ),
    Planted(
        "anybody's list revokes",
        "hub/keys/authority.py",
        "        if not ours:\n",
        "        if False:\n",
        (f"{_REVOKED}::test_a_list_of_another_authority_revokes_nobody_and_is_named",),
    ),
    Planted(
        "a restore believes no list",
        "hub/cli/restore.py",
        "shut_out = relearn(hub, lists)",
        "shut_out: list[str] = []",
        (f"{_REVOKED}::test_the_list_that_the_brokers_machine_has_is_enough",),
    ),
    Planted(
        "a code counts twice in a package",
        _VERIFIER,
        "            if digest in used:\n",
        "            if False:\n",
        (f"{_CODES}::test_a_code_counts_once",),
    ),
    Planted(
        "no code is looked up",
        _VERIFIER,
        '            and event["data"].get("via") == "code"\n',
        "            and False\n",
        (f"{_CODES}::test_a_code_of_anything_else_is_altered",),
    ),
    Planted(
        "any venue's controller draws codes",
        _VERIFIER,
        '(who.kind, who.org) != ("controller", self.home_org)',
        "False",
        (f"{_CODES}::test_a_controller_that_the_home_venue_did_not_certify_draws_no_codes",),
    ),
    Planted(
        "a list of codes need not be signed",
        _VERIFIER,
        "            if role in who.roles and verify_ed25519(who.pub, sig, message.payload()):\n",
        "            if role in who.roles:\n",
        (f"{_CODES}::test_a_list_whose_signature_is_another_counts_for_nothing",),
    ),
    Planted(
        "a package without the lists of its codes is whole",
        _VERIFIER,
        '                self.say(INCOMPLETE, CODES, "no_codes")\n',
        "                pass\n",
        (f"{_CODES}::test_without_the_lists_the_package_is_incomplete",),
    ),
    Planted(
        "a package brings no lists of codes",
        "hub/archive/building.py",
        "**({CODES: sources.codes} if sources.codes else {}),",
        "",
        (
            "tests/hub/session/test_codes.py::test_a_package_with_an_order_by_code_brings_the_lists_that_were_drawn_for_its_venue",
        ),
    ),
    Planted(
        "keys lie beside their wrapping",
        "hub/cli/restore.py",
        " and (name != KEYS or phrase is None)",
        "",
        (f"{_WRAPPED}::test_no_key_lies_in_a_backup_that_a_passphrase_wraps",),
    ),
    Planted(
        "a short passphrase will do",
        "hub/cli/wrapped_keys.py",
        "    if len(phrase) < PHRASE_CHARS_MIN:\n",
        "    if False:\n",
        (f"{_WRAPPED}::test_a_passphrase_that_can_be_guessed_makes_no_backup",),
    ),
    Planted(
        "a hub asks for no checkpoint by itself",
        "hub/cli/parsers.py",
        '        default="cosigned",\n',
        '        default="none",\n',
        ("tests/hub/fleet/test_commands.py::test_init_makes_a_hub_once",),
    ),
)

"""Faults planted in who is let in: certificates, their authority, what a broker is told of them."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_BROKER: Final = "tests/hub/test_broker_identity.py"
_AUTHORITY: Final = "tests/hub/keys/test_authority.py"
_ENROLLED: Final = "tests/hub/fleet/test_enrolments.py"
_ENROLMENTS: Final = "hub/fleet/enrolments.py"
_RENEWED: Final = "tests/hub/fleet/test_renewal.py"
_ROOM: Final = "tests/edge/test_certificate.py"
_ROOMS: Final = "edge/certificate.py"
_NATS: Final = "hub/broker/embedded.py"
_MOSQUITTO: Final = "hub/broker/mosquitto.py"
_KEYS: Final = "hub/keys/authority.py"

IDENTITY: Final = (
    # -- threat 1: a rogue box -------------------------------------------------------------------
    Planted(
        "Mosquitto lets in without a certificate",
        _MOSQUITTO,
        '"require_certificate true",',
        '"require_certificate false",',
        (f"{_BROKER}::test_nothing_of_a_stranger_arrives",),
    ),
    Planted(
        "Mosquitto believes the name that was typed",
        _MOSQUITTO,
        '"use_identity_as_username true",',
        '"use_identity_as_username false",',
        (f"{_BROKER}::test_whoever_calls_himself_by_anothers_name_is_still_himself",),
    ),
    Planted(
        "NATS asks for no certificate",
        _NATS,
        '"verify_and_map": True',
        '"verify_and_map": False',
        (f"{_BROKER}::test_a_room_and_the_hub_hear_each_other",),
    ),
    Planted(
        "a room's certificate makes a broker",
        _KEYS,
        "x509.ExtendedKeyUsage([use])",
        "x509.ExtendedKeyUsage([use, ExtendedKeyUsageOID.SERVER_AUTH])",
        (f"{_BROKER}::test_a_rooms_certificate_does_not_make_a_broker",),
    ),
    Planted(
        "a room's certificate vouches for others",
        _KEYS,
        "x509.BasicConstraints(ca=False, path_length=None)",
        "x509.BasicConstraints(ca=True, path_length=None)",
        (
            f"{_AUTHORITY}::test_a_controllers_certificate_has_our_name_and_days_whatever_the_request_says",
        ),
    ),
    Planted(
        "a request need not be signed with its key",
        _KEYS,
        "    if not sound:\n",
        "    if False:\n",
        (f"{_AUTHORITY}::test_what_is_no_request_of_its_sender_is_refused",),
    ),
    # -- threat 2: a stolen code -----------------------------------------------------------------
    Planted(
        "a code counts for ever",
        _ENROLMENTS,
        "    if parts.clock.wall() > row.until_at:\n",
        "    if False:\n",
        (f"{_ENROLLED}::test_a_code_of_yesterday_is_refused_and_recorded",),
    ),
    Planted(
        "a claim code counts twice",
        _ENROLMENTS,
        "    if row.state != OPEN and row.fingerprint != request.fingerprint:\n",
        "    if False:\n",
        (f"{_ENROLLED}::test_a_second_room_with_the_same_code_is_refused_and_recorded",),
    ),
    Planted(
        "nobody proves that he has the key",
        _ENROLMENTS,
        "    if not request.proven(crypto.verify):\n",
        "    if False:\n",
        (f"{_ENROLLED}::test_whoever_has_not_the_key_or_not_the_code_is_refused",),
    ),
    Planted(
        "nobody compares the fingerprint",
        _ENROLMENTS,
        'if one.fingerprint.replace(" ", "") == wanted',
        "if wanted",
        (f"{_ENROLLED}::test_nobody_is_let_in_without_the_venues_key_or_by_another_fingerprint",),
    ),
    # -- threat 3: another's topics --------------------------------------------------------------
    Planted(
        "Mosquitto lets every room write everywhere",
        _MOSQUITTO,
        'f"topic write {own}/{leaf}"',
        'f"topic write er/1/+/+/{leaf}"',
        (f"{_BROKER}::test_nothing_arrives_on_a_topic_that_is_not_the_senders",),
    ),
    Planted(
        "NATS lets every room write everywhere",
        _NATS,
        'f"{own}.{leaf}"',
        'f"er.1.*.*.{leaf}"',
        (f"{_BROKER}::test_nothing_arrives_on_a_topic_that_is_not_the_senders",),
    ),
    # -- threat 14: a stolen card ----------------------------------------------------------------
    Planted(
        "Mosquitto is not told who was revoked",
        _MOSQUITTO,
        '            f"crlfile {told}",\n',
        "",
        (f"{_BROKER}::test_a_revoked_room_is_thrown_out_at_once_and_does_not_come_back",),
    ),
    Planted(
        "a revoked connection stays",
        _MOSQUITTO,
        "signal.SIGTERM if self._revoked_anew else signal.SIGHUP",
        "signal.SIGHUP",
        (f"{_BROKER}::test_a_revoked_room_is_thrown_out_at_once_and_does_not_come_back",),
    ),
    Planted(
        "a revoked room gets another certificate",
        "hub/fleet/renewal.py",
        '.values(state="revoked")',
        '.values(state="enrolled")',
        (f"{_RENEWED}::test_a_revoked_controller_is_on_no_list_and_its_signature_is_nobodys",),
    ),
    Planted(
        "a revoked certificate is on no list",
        "hub/fleet/renewal.py",
        "hub.admission.shut_out(conn, ctl, reason)",
        "1",
        (f"{_RENEWED}::test_a_revoked_controller_is_on_no_list_and_its_signature_is_nobodys",),
    ),
    Planted(
        "an upload's signature renews a certificate",
        "hub/web/api_media.py",
        "message = prefix + sha256",
        'message = b"er1/tls\\0" + sha256',
        (f"{_RENEWED}::test_a_revoked_controller_is_on_no_list_and_its_signature_is_nobodys",),
    ),
    Planted(
        "nobody renews in time",
        _ROOMS,
        "(ends - begins) * 2 / 3",
        "(ends - begins)",
        (f"{_ROOM}::test_a_certificate_is_due_at_two_thirds_of_its_life",),
    ),
    Planted(
        "a room takes a certificate that is not its own",
        _ROOMS,
        "fresh.public_key() != before.public_key() or fresh.subject != before.subject",
        "False",
        (f"{_ROOM}::test_what_is_not_ours_never_takes_its_place",),
    ),
    Planted(
        "a room takes a certificate of anybody",
        _ROOMS,
        "        fresh.verify_directly_issued_by(authority)\n",
        "        del authority\n",
        (f"{_ROOM}::test_what_is_not_ours_never_takes_its_place",),
    ),
    Planted(
        "the list of the revoked is empty",
        _KEYS,
        "            made = made.add_revoked_certificate(one.revocation_date(since).build())\n",
        "            one.revocation_date(since).build()\n",
        (f"{_AUTHORITY}::test_a_revoked_certificate_is_in_the_signed_list_and_no_other",),
    ),
    Planted(
        "who gave his place to another is still let in",
        "hub/cli/enroll.py",
        '        hub.admission.shut_out(conn, ctl, "replaced")\n',
        "        del ctl\n",
        (
            "tests/hub/recording/test_over_brokers.py"
            "::test_a_room_is_recorded_over_tls_until_its_place_is_given_to_another",
        ),
    ),
)
"""Every planted fault of identity and transport."""

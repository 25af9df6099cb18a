"""The words of the hub's command line: commands, options, their help and examples."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

EX_USAGE: Final = 64  # sysexits.h: wrong usage or unreadable path
EXAMPLES: Final = """examples:
  evalroom hub init /srv/hub
  evalroom hub user add /srv/hub --org changsha --role home_manager --login zhang --secret-file s
  evalroom hub enroll /srv/hub --org changsha --room 2 --name 二室 --secret-file s --out room2
  evalroom hub claim make /srv/hub --org changsha --room 2 --name 二室 --by li
  evalroom hub serve /srv/hub --port 8300
  evalroom hub backup /srv/hub /backup/hub-2026-11-24
  evalroom hub erase /srv/hub s-0123456789ab --by admin --reason '保存期届满'
  evalroom hub restore /backup/hub-2026-11-24 /srv/hub-new --mirror /mirror/mirror.jsonl
  evalroom hub release /srv/hub --ctl c-0123456789ab --by wang --reason '备用卡已收回'
  evalroom hub reopen-log /srv/hub --by admin --reason '由旧备份恢复'

`evalroom hub COMMAND --help` names the options of one, their units and defaults.
"""


EXITS: Final = (
    "exit: 0 done, 64 wrong usage or refused; the refusal says what, where and what to do"
)
STATIONS: Final = 4
STATIONS_MAX: Final = 40
"""Stations of a room; a hall of more is several rooms, each with its controller."""
DATA_HELP: Final = "the hub's data folder"


class Parser(argparse.ArgumentParser):
    """Ends with 64, as the other commands of this program do."""

    words: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Remembers what was given, for the refusal."""
        self.words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> Any:  # argparse never returns from here
        """Says what is wrong with the words typed, and ends with 64."""
        usage = " ".join(self.format_usage().removeprefix("usage: ").split())
        print(
            f"evalroom: {message}\n  where: {self.prog}\n  expected: {usage}\n"
            f"  got: {' '.join(self.words) or 'nothing more'}\n  do: see `{self.prog} --help`",
            file=sys.stderr,
        )
        raise SystemExit(EX_USAGE)


def _command(
    sub: Any, name: str, text: str, example: str, *, parents: Sequence[Any] = ()
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = sub.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example: {example}\n{EXITS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=list(parents),
    )
    return made


def _in_your_name(decide: argparse.ArgumentParser, *, reason: str = "") -> None:
    """Options of an act that stands in the record with who did it; `reason`: help, none asked."""
    decide.add_argument("--by", required=True, help="your login: it is done in your name")
    if reason:
        decide.add_argument("--reason", required=True, help=reason)
    decide.add_argument("--secret-file", type=Path, help="first line: your password (asked for)")


def hub_parser() -> argparse.ArgumentParser:
    """`evalroom hub …`."""
    top = Parser(
        prog="evalroom hub",
        description="The hub: stations, sessions, record, contingency, archive.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub = top.add_subparsers(dest="command", required=True, parser_class=Parser)
    _init_options(sub)
    _serve_options(_command(sub, "serve", "runs the hub", "evalroom hub serve /srv/hub"))
    backup = _command(
        sub, "backup", "copies a running hub", "evalroom hub backup /srv/hub /backup/today"
    )
    backup.add_argument("data", type=Path, help=DATA_HELP)
    backup.add_argument("file", type=Path, help="new folder for the backup")
    backup.add_argument(
        "--passphrase-file",
        type=Path,
        help="first line: what the backup's keys are wrapped with (none: not at all)",
    )
    restore = _command(
        sub,
        "restore",
        "makes a hub of a backup and the mirror",
        "evalroom hub restore /backup/today /srv/hub-new --mirror /mirror/mirror.jsonl",
    )
    restore.add_argument("file", type=Path, help="folder of the backup")
    restore.add_argument("data", type=Path, help="new data folder, or the damaged one")
    restore.add_argument(
        "--mirror",
        type=Path,
        help="mirror.jsonl of the lost hub: what came after the backup (none)",
    )
    restore.add_argument(
        "--passphrase-file",
        type=Path,
        help="first line: what the backup's keys were wrapped with (none)",
    )
    restore.add_argument(
        "--revoked",
        type=Path,
        help="crl.pem that the broker's machine still has: who was revoked after the backup (none)",
    )
    restore.add_argument(
        "--wait",
        type=int,
        default=0,
        metavar="S",
        help="seconds to wait for a hub that still runs from the folder to end (0: refuse)",
    )
    _user_options(sub)
    _enroll_options(sub)
    _claim_options(sub)
    _release_options(sub)
    _reopen_options(sub)
    _revoke_options(sub)
    _erase_options(sub)
    return top


def _init_options(sub: Any) -> None:
    init = _command(sub, "init", "makes a data folder", "evalroom hub init /srv/hub --port 8300")
    init.add_argument("data", type=Path, help="new folder for the hub's data")
    init.add_argument("--demo", action="store_true", help="with rooms, people and known secrets")
    init.add_argument("--demo-orgs", default="", help="only these, comma between (all paired)")
    init.add_argument("--port", type=int, default=8300, help="of the console, TCP (8300)")
    init.add_argument("--mqtt-port", type=int, default=0, help="of the broker, TCP (a free one)")
    init.add_argument("--url", default="", help="address rooms use (http://127.0.0.1:PORT)")
    init.add_argument(
        "--database",
        default="",
        help="postgresql+psycopg://hub@host/evalroom; default SQLite in the folder",
    )
    init.add_argument("--hub-orders", action="store_true", help="the hub's key may sign orders")
    init.add_argument(
        "--checkpoint",
        choices=("none", "cosigned"),
        default="cosigned",
        help="what a package needs: the log's checkpoint, co-signed by home and guest (cosigned)",
    )
    init.add_argument(
        "--clock-offset-file", default="", help="drills only: seconds added to the clock (none)"
    )


def _enroll_options(sub: Any) -> None:
    enroll = _command(
        sub,
        "enroll",
        "gives a room controller its keys",
        "evalroom hub enroll /srv/hub --org changsha --room 2 --name 二室 --secret-file s --out r2",
    )
    enroll.add_argument("data", type=Path, help=DATA_HELP)
    enroll.add_argument("--org", required=True, help="organisation, for example changsha")
    enroll.add_argument("--room", required=True, help="the room's short id, for example 2")
    enroll.add_argument("--name", required=True, help="as on the door, for example 二室")
    enroll.add_argument(
        "--stations",
        type=int,
        metavar="N",
        help=f"stations of a room that is not there yet, 1 to {STATIONS_MAX} ({STATIONS})",
    )
    enroll.add_argument(
        "--secret-file", type=Path, help="first line: a venue manager's password (asked for)"
    )
    enroll.add_argument("--out", type=Path, required=True, help="new folder for the room's keys")


def _claim_options(sub: Any) -> None:
    claim = _command(
        sub,
        "claim",
        "lets a room enrol itself by a one-time code",
        "evalroom hub claim list /srv/hub",
    )
    acts = claim.add_subparsers(dest="act", required=True, parser_class=Parser)
    make = _command(
        acts,
        "make",
        "makes a code: once, for 24 hours",
        "evalroom hub claim make /srv/hub --org changsha --room 2 --name 二室 --by li",
    )
    make.add_argument("data", type=Path, help=DATA_HELP)
    make.add_argument("--org", required=True, help="organisation, for example changsha")
    make.add_argument("--room", required=True, help="the room's short id, for example 2")
    make.add_argument("--name", required=True, help="as on the door, for example 二室")
    make.add_argument(
        "--stations",
        type=int,
        metavar="N",
        help=f"stations of a room that is not there yet, 1 to {STATIONS_MAX} ({STATIONS})",
    )
    make.add_argument("--by", required=True, help="your login, for the record")
    listed = _command(acts, "list", "lists codes and who asks", "evalroom hub claim list /srv/hub")
    listed.add_argument("data", type=Path, help=DATA_HELP)
    for word, text in (
        ("approve", "lets in the room that shows this fingerprint"),
        ("refuse", "turns away whoever asks with this fingerprint"),
    ):
        decide = _command(
            acts,
            word,
            text,
            f"evalroom hub claim {word} /srv/hub --fingerprint 'ab12 …' --by changsha.home_manager",
        )
        decide.add_argument("data", type=Path, help=DATA_HELP)
        decide.add_argument("--fingerprint", required=True, help="as the room shows it")
        _in_your_name(decide)


def _erase_options(sub: Any) -> None:
    erase = _command(
        sub,
        "erase",
        "destroys the keys of a session's sealed identities",
        "evalroom hub erase /srv/hub s-0123456789ab --by admin --reason '保存期届满'",
    )
    erase.add_argument("data", type=Path, help=DATA_HELP)
    erase.add_argument("session", help="s- and 12 hex digits")
    erase.add_argument("--member", type=int, help="one member's number; default all you may erase")
    _in_your_name(erase, reason="on which ground; goes into the record")


def _release_options(sub: Any) -> None:
    release = _command(
        sub,
        "release",
        "lets the commands to a controller that was found twice go again",
        "evalroom hub release /srv/hub --ctl c-0123456789ab --by wang --reason '备用卡已收回'",
    )
    release.add_argument("data", type=Path, help=DATA_HELP)
    release.add_argument("--ctl", required=True, help="controller, c- and 12 hex digits")
    _in_your_name(release, reason="how it was made sure that one is left")


def _reopen_options(sub: Any) -> None:
    reopen = _command(
        sub,
        "reopen-log",
        "begins a new log after the old one lost entries",
        "evalroom hub reopen-log /srv/hub --by admin --reason '由旧备份恢复'",
    )
    reopen.add_argument("data", type=Path, help=DATA_HELP)
    _in_your_name(reopen, reason="why; it stays in the log for everybody")


def _revoke_options(sub: Any) -> None:
    revoke = _command(
        sub,
        "revoke",
        "lets a lost or stolen controller in nowhere any longer",
        "evalroom hub revoke /srv/hub --ctl c-0123456789ab --by wang --reason '存储卡遗失'",
    )
    revoke.add_argument("data", type=Path, help=DATA_HELP)
    revoke.add_argument("--ctl", required=True, help="controller, c- and 12 hex digits")
    _in_your_name(revoke, reason="why; goes into the record")


def _serve_options(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("data", type=Path, help=DATA_HELP)
    of_file = serve.add_argument_group("instead of what hub.toml says (the default of each)")
    of_file.add_argument("--host", help="address to listen on")
    of_file.add_argument("--port", type=int, help="of the console, TCP")
    of_file.add_argument("--mqtt-port", type=int, help="of the broker, TCP")
    of_file.add_argument("--external-mqtt", metavar="HOST:PORT", help="a broker that runs already")
    of_file.add_argument(
        "--broker", choices=("embedded", "mosquitto", "none"), help="which broker to start"
    )
    of_file.add_argument("--clock-offset-file", help="drills only: seconds added to the clock")
    of_file.add_argument("--tls-cert", help="PEM file; with --tls-key the console is https")
    of_file.add_argument("--tls-key", help="PEM file of the certificate's key")
    serve.add_argument("--verbose", action="store_true", help="log what is done, not only faults")


def _user_options(sub: Any) -> None:
    user = _command(sub, "user", "people at the hub", "evalroom hub user list /srv/hub")
    acts = user.add_subparsers(dest="act", required=True, parser_class=Parser)
    add = _command(
        acts,
        "add",
        "adds a person",
        "evalroom hub user add /srv/hub --org hubei --role home_manager --login wang",
    )
    add.add_argument("data", type=Path, help=DATA_HELP)
    add.add_argument("--org", required=True, help="organisation, for example hubei")
    add.add_argument(
        "--role",
        action="append",
        required=True,
        dest="roles",
        metavar="ROLE",
        help="for example home_manager; may be given several times",
    )
    add.add_argument("--login", required=True, help="name to sign in with")
    add.add_argument("--post", default="", help="post and number, for example HB-07 (the next)")
    add.add_argument("--by", default="", help="login of a manager who holds the venue's key")
    add.add_argument(
        "--secret-file",
        type=Path,
        help="lines: new password, new PIN, and with --by that manager's password (asked for)",
    )
    listed = _command(acts, "list", "lists people by post", "evalroom hub user list /srv/hub")
    listed.add_argument("data", type=Path, help=DATA_HELP)
    listed.add_argument("--org", default="", help="of one organisation (all)")
    reset = _command(
        acts,
        "reset",
        "gives a person a new password and PIN",
        "evalroom hub user reset /srv/hub --login wang --by li --secret-file s",
    )
    reset.add_argument("data", type=Path, help=DATA_HELP)
    reset.add_argument("--login", required=True, help="whose")
    reset.add_argument("--by", default="", help="login of a manager who holds the venue's key")
    reset.add_argument(
        "--secret-file",
        type=Path,
        help="lines: new password, new PIN, and with --by that manager's password (asked for)",
    )
    _account_options(acts)


def _account_options(acts: Any) -> None:
    log = _command(
        acts,
        "log",
        "shows sign-ins, failures and changes of accounts",
        "evalroom hub user log /srv/hub --login wang --days 7",
    )
    log.add_argument("data", type=Path, help=DATA_HELP)
    log.add_argument("--login", default="", help="of one person (all)")
    log.add_argument("--days", type=int, default=30, metavar="N", help="the last N days (30)")
    for word, text in (
        ("close", "closes the account of a person who has left"),
        ("reopen", "opens a closed account again; `user reset` then gives new secrets"),
    ):
        decide = _command(
            acts,
            word,
            text,
            f"evalroom hub user {word} /srv/hub --login wang --by admin --reason '调离'",
        )
        decide.add_argument("data", type=Path, help=DATA_HELP)
        decide.add_argument("--login", required=True, help="whose")
        _in_your_name(decide, reason="why; goes into the record")
        if word == "close":
            decide.add_argument(
                "--even-the-last",
                action="store_true",
                help="though no administrator is left, or nobody who opens the venue's key",
            )
    oidc = _command(
        acts,
        "oidc",
        "binds a person to an identity of the provider in hub.toml",
        "evalroom hub user oidc /srv/hub --login wang --subject 4f1c… --by admin",
    )
    oidc.add_argument("data", type=Path, help=DATA_HELP)
    oidc.add_argument("--login", required=True, help="whose")
    subject = oidc.add_mutually_exclusive_group(required=True)
    subject.add_argument("--subject", help="the provider's `sub` of this person")
    subject.add_argument(
        "--remove", action="store_const", const="", dest="subject", help="takes the binding away"
    )
    _in_your_name(oidc)


def verify_parser() -> argparse.ArgumentParser:
    """`evalroom verify …`."""
    top = Parser(
        prog="evalroom verify",
        description="Checks a hand-over package offline.",
        epilog="example: evalroom verify out/day/package --trust out/day/trust.json\n"
        "exit: 0 sound, 2 altered, 3 incomplete, 4 no trust file, 64 usage, 70 internal",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("package", type=Path, help="folder of the package")
    top.add_argument(
        "--trust", type=Path, help="trust.json, brought outside the hub (none: exit 4)"
    )
    top.add_argument("--lang", choices=("zh", "en"), default="zh", help="of the findings (zh)")
    return top

"""The hub's commands: init serve backup restore user enroll release erase; demo, verify beside."""

# ruff: noqa: PLC0415 - each command loads its own part only; `--help` answers at once

from __future__ import annotations

import argparse
import getpass
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hub.config import Config, ConfigError, load

EX_OK: Final = 0
EX_USAGE: Final = 64  # sysexits.h: wrong usage or unreadable path
COMMAND_LINE: Final = "command line"
"""Where a sign-in without a browser comes from."""
EX_SOFTWARE: Final = 70  # sysexits.h: our fault
EXAMPLES: Final = """examples:
  evalroom hub init /srv/hub
  evalroom hub user add /srv/hub --org changsha --role home_manager --login zhang --secret-file s
  evalroom hub enroll /srv/hub --org changsha --room 2 --name 二室 --secret-file s --out room2
  evalroom hub serve /srv/hub --port 8300
  evalroom hub backup /srv/hub /backup/hub-2026-11-24
  evalroom hub erase /srv/hub s-0123456789ab --by admin --reason '保存期届满'
  evalroom hub restore /backup/hub-2026-11-24 /srv/hub-new --mirror /mirror/mirror.jsonl
  evalroom hub release /srv/hub --ctl c-0123456789ab --by wang --reason '备用卡已收回'

`evalroom hub COMMAND --help` names the options of one, their units and defaults.
"""


EXITS: Final = (
    "exit: 0 done, 64 wrong usage or refused; the refusal says what, where and what to do"
)
DATA_HELP: Final = "the hub's data folder"


class UsageError(Exception):
    """The command line cannot be carried out; the text says what, where, expected, got, do."""


class _Parser(argparse.ArgumentParser):
    """Ends with 64, as the other commands of this program do."""

    words: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Remembers what was given, for the refusal."""
        self.words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> Any:  # argparse never returns from here
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


def hub_parser() -> argparse.ArgumentParser:
    """`evalroom hub …`."""
    top = _Parser(
        prog="evalroom hub",
        description="The hub: stations, sessions, record, contingency, archive.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub = top.add_subparsers(dest="command", required=True, parser_class=_Parser)
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
        "--clock-offset-file", default="", help="drills only: seconds added to the clock (none)"
    )
    _serve_options(_command(sub, "serve", "runs the hub", "evalroom hub serve /srv/hub"))
    backup = _command(
        sub, "backup", "copies a running hub", "evalroom hub backup /srv/hub /backup/today"
    )
    backup.add_argument("data", type=Path, help=DATA_HELP)
    backup.add_argument("file", type=Path, help="new folder for the backup")
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
    _user_options(sub)
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
        "--secret-file", type=Path, help="first line: a venue manager's password (asked for)"
    )
    enroll.add_argument("--out", type=Path, required=True, help="new folder for the room's keys")
    _release_options(sub)
    _erase_options(sub)
    return top


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
    erase.add_argument("--by", required=True, help="your login: it is done in your name")
    erase.add_argument("--reason", required=True, help="on which ground; goes into the record")
    erase.add_argument("--secret-file", type=Path, help="first line: your password (asked for)")


def _release_options(sub: Any) -> None:
    release = _command(
        sub,
        "release",
        "lets the commands to a controller that was found twice go again",
        "evalroom hub release /srv/hub --ctl c-0123456789ab --by wang --reason '备用卡已收回'",
    )
    release.add_argument("data", type=Path, help=DATA_HELP)
    release.add_argument("--ctl", required=True, help="controller, c- and 12 hex digits")
    release.add_argument("--by", required=True, help="your login: it is done in your name")
    release.add_argument("--reason", required=True, help="how it was made sure that one is left")
    release.add_argument("--secret-file", type=Path, help="first line: your password (asked for)")


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
    acts = user.add_subparsers(dest="act", required=True, parser_class=_Parser)
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


def verify_parser() -> argparse.ArgumentParser:
    """`evalroom verify …`."""
    top = _Parser(
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


# Commands


def _init(args: argparse.Namespace) -> int:
    from hub.cli.initialise import init, new_hub_id

    config = Config(
        data=args.data.absolute(),
        hub=new_hub_id(),
        url=args.url or f"http://127.0.0.1:{args.port}",
        port=args.port,
        mqtt_port=args.mqtt_port,
        database=args.database,
        pack="demo.yaml" if args.demo else "hubei-2020.yaml",
        demo=args.demo,
        hub_orders=args.hub_orders,
        clock_offset_file=_absolute(args.clock_offset_file),
    ).checked()
    orgs = tuple(one for one in args.demo_orgs.split(",") if one)
    made = init(config, demo_orgs=orgs, say=print)
    print(f"hub {made.hub} in {made.data}")
    if not made.demo:
        print(f"  next: evalroom hub user add {made.data} --org … --role home_manager --login …")
        print("  (a venue's first manager makes its key and vouches for everybody after)")
    print(f"  then: evalroom hub serve {made.data}")
    return EX_OK


def _serve(args: argparse.Namespace) -> int:
    from hub.app import build
    from hub.cli.serving import serve
    from hub.web.app import create_app

    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    hub = build(load(args.data, _overrides(args)))
    serve(hub, create_app(hub), ready=lambda url: print(f"hub: {url}", flush=True))
    return EX_OK


def _overrides(args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {
        key: value
        for key in ("host", "port", "mqtt_port", "broker", "tls_cert", "tls_key")
        if (value := getattr(args, key)) is not None
    }
    if args.clock_offset_file is not None:
        found["clock_offset_file"] = _absolute(args.clock_offset_file)
    if args.external_mqtt:
        host, _, port = args.external_mqtt.rpartition(":")
        if not host or not port.isdigit():
            raise UsageError(
                "no such address\n  where: --external-mqtt\n  expected: host:port\n"
                f"  got: {args.external_mqtt}\n  do: for example 10.0.0.5:1883"
            )
        found |= {"broker": "external", "mqtt_host": host, "mqtt_port": int(port)}
    return found


def _backup(args: argparse.Namespace) -> int:
    from hub.cli.restore import backup

    made = backup(load(args.data), args.file)
    print(json.dumps(made, ensure_ascii=False))
    return EX_OK


def _restore(args: argparse.Namespace) -> int:
    from hub.cli.restore import restore

    made = restore(args.file, args.data, mirror=args.mirror)
    print(json.dumps(made, ensure_ascii=False))
    return EX_OK


def _user(args: argparse.Namespace) -> int:
    from hub.app import build
    from hub.cli.people import add_user, reset_user

    hub = build(load(args.data), services=False)
    try:
        if args.act == "list":
            for one in hub.accounts.people(args.org):
                print(f"{one.post}\t{one.login}\t{one.org}\t{','.join(one.roles)}")
            return EX_OK
        names = ["new password", "new PIN", *([f"password of {args.by}"] if args.by else [])]
        secrets = _secrets(args.secret_file, names)
        by = (args.by, secrets[2]) if args.by else None
        if args.act == "add":
            made = add_user(
                hub,
                org=args.org,
                roles=args.roles,
                login=args.login,
                post=args.post,
                password=secrets[0],
                pin=secrets[1],
                by=by,
            )
            print(f"{made.post} {made.person}")
        else:
            reset_user(hub, login=args.login, password=secrets[0], pin=secrets[1], by=by)
            print(f"{args.login}: new password and PIN; every session ended")
        return EX_OK
    finally:
        hub.close()


def _enroll(args: argparse.Namespace) -> int:
    from hub.app import build
    from hub.cli.enroll import enroll

    secret = _secrets(args.secret_file, [f"password of a manager of {args.org}"])[0]
    hub = build(load(args.data), services=False)
    try:
        made = enroll(
            hub, org=args.org, room=args.room, name=args.name, secret=secret, out=args.out
        )
    finally:
        hub.close()
    print(json.dumps({"ctl": made.ctl, "place": made.place, "out": str(made.folder.absolute())}))
    return EX_OK


def _release(args: argparse.Namespace) -> int:
    from hub.app import build
    from hub.fleet.clones import release

    secret = _secrets(args.secret_file, [f"password of {args.by}"])[0]
    hub = build(load(args.data), services=False)
    try:
        token, who = hub.accounts.sign_in(args.by, secret, COMMAND_LINE)
        hub.accounts.sign_out(token)
        made = release(hub, who.actor, args.ctl, args.reason)
    finally:
        hub.close()
    print(json.dumps({**made, "by": who.actor.post}))
    return EX_OK


def _erase(args: argparse.Namespace) -> int:
    from hub.app import build
    from hub.booking.erasure import erase

    secret = _secrets(args.secret_file, [f"password of {args.by}"])[0]
    hub = build(load(args.data), services=False)
    try:
        token, who = hub.accounts.sign_in(args.by, secret, COMMAND_LINE)
        hub.accounts.sign_out(token)
        made = erase(hub, who.actor, args.session, member=args.member, reason=args.reason)
    finally:
        hub.close()
    print(json.dumps({**made, "by": who.actor.post}))
    return EX_OK


def _secrets(path: Path | None, names: Sequence[str]) -> list[str]:
    """Secrets from the lines of a file, or asked for; never from the command line."""
    if path is None and not sys.stdin.isatty():
        raise UsageError(
            f"nobody can be asked\n  where: {', '.join(names)}\n  expected: a terminal, or "
            "--secret-file\n  got: neither\n  do: name a file with these secrets, one a line"
        )
    if path is None:
        return [getpass.getpass(f"{name}: ") for name in names]
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) < len(names):
        raise UsageError(
            f"too few secrets\n  where: {path}\n  expected: {len(names)} lines: "
            f"{', '.join(names)}\n  got: {len(lines)}\n  do: add the missing lines"
        )
    return [line.strip() for line in lines[: len(names)]]


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path else ""


COMMANDS: Final = {
    "init": _init,
    "serve": _serve,
    "backup": _backup,
    "restore": _restore,
    "user": _user,
    "enroll": _enroll,
    "release": _release,
    "erase": _erase,
}


def _hub(words: Sequence[str]) -> int:
    args = hub_parser().parse_args(words)
    return COMMANDS[args.command](args)


def _verify(words: Sequence[str]) -> int:
    from hub.cli.verify import verify_folder

    args = verify_parser().parse_args(words)
    return verify_folder(args.package, trust=args.trust, lang=args.lang)


def _demo(words: Sequence[str]) -> int:
    import hub.demo.cli as demo

    top = _Parser(prog="evalroom")
    demo.add_parser(top.add_subparsers(dest="command", required=True, parser_class=_Parser))
    return int(demo.main(top.parse_args(["demo", *words])))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `hub …`, `demo …` or `verify …`; returns the exit code."""
    from hub.problems import Problem

    words = list(sys.argv[1:] if argv is None else argv)
    first = words[0] if words else "hub"
    sides = {"hub": _hub, "verify": _verify, "demo": _demo}
    run = sides.get(first, _hub)
    try:
        return run(words[1:] if first in sides else words)
    except (ConfigError, UsageError) as error:
        return _refused(str(error))
    except Problem as problem:
        told = {"what": problem.title_en, **_said(problem.document()["en"])}
        return _refused("\n  ".join([problem.title_en, *(f"{k}: {v}" for k, v in told.items())]))
    except OSError as error:
        return _refused(
            f"a file cannot be used\n  where: {error.filename}\n  expected: a readable path\n"
            f"  got: {error.strerror}\n  do: check the path and its rights"
        )
    except KeyboardInterrupt:
        return EX_OK


def _said(parts: dict[str, str]) -> dict[str, str]:
    return {key: parts[key] for key in ("what", "where", "expected", "got", "do") if parts[key]}


def _refused(text: str) -> int:
    print(f"evalroom: {text}", file=sys.stderr)
    return EX_USAGE


if __name__ == "__main__":
    sys.exit(main())

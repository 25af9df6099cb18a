"""The hub's commands, from `init` to `erase`; `demo` and `verify` beside them."""

# ruff: noqa: PLC0415 - each command loads its own part only; `--help` answers at once

from __future__ import annotations

import argparse
import getpass
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hub.accounts.account_log import COMMAND_LINE
from hub.cli.parsers import EX_USAGE, Parser, hub_parser, verify_parser
from hub.config import Config, ConfigError, load

if TYPE_CHECKING:
    from hub.app import Hub

EX_OK: Final = 0
EX_SOFTWARE: Final = 70  # sysexits.h: our fault


class UsageError(Exception):
    """The command line cannot be carried out; the text says what, where, expected, got, do."""


# Commands


def _init(args: argparse.Namespace) -> int:
    from hub.cli.initialise import init, new_hub_id

    config = Config(
        data=args.data.absolute(),
        hub=new_hub_id(),
        url=args.url or f"http://127.0.0.1:{args.port}",
        port=args.port,
        mqtt_port=args.mqtt_port,
        mqtt_tls=True,
        database=args.database,
        pack="demo.yaml" if args.demo else "hubei-2020.yaml",
        demo=args.demo,
        hub_orders=args.hub_orders,
        checkpoint=args.checkpoint,
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
    from hub.cli.sole import sole
    from hub.web.app import create_app

    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    config = load(args.data, _overrides(args))
    with sole(config.data):
        hub = build(config)
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

    phrase = _phrase(args.passphrase_file)
    made = backup(load(args.data), args.file, phrase=phrase)
    if phrase is None:
        print(
            f"the hub's keys lie in {args.file / 'keys'} in the clear: who has this backup can "
            "pose as the hub. do: keep it locked away, or make it with --passphrase-file",
            file=sys.stderr,
        )
    print(json.dumps(made, ensure_ascii=False))
    return EX_OK


def _phrase(path: Path | None) -> str | None:
    return None if path is None else _secrets(path, ["passphrase"])[0]


def _restore(args: argparse.Namespace) -> int:
    from hub.cli.restore import restore

    made = restore(
        args.file,
        args.data,
        mirror=args.mirror,
        revoked=args.revoked,
        phrase=_phrase(args.passphrase_file) or "",
        wait_s=args.wait,
    )
    print(json.dumps(made, ensure_ascii=False))
    return EX_OK


def _user(args: argparse.Namespace) -> int:
    from hub.app import build
    from hub.cli.people import add_user, log_lines, reset_user

    hub = build(load(args.data), services=False)
    try:
        if args.act == "list":
            for one in hub.accounts.register.people(args.org):
                print(f"{one.post}\t{one.login}\t{one.org}\t{','.join(one.roles)}")
            return EX_OK
        if args.act == "log":
            for line in log_lines(hub, login=args.login, days=args.days):
                print(line)
            return EX_OK
        if args.act in {"close", "reopen", "oidc"}:
            return _user_in_my_name(hub, args)
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


def _user_in_my_name(hub: Hub, args: argparse.Namespace) -> int:
    from hub.cli.closing import bind_user, close_user, reopen_user

    secret = _secrets(args.secret_file, [f"password of {args.by}"])[0]
    token, who = hub.accounts.sign_in(args.by, secret, COMMAND_LINE)
    hub.accounts.sign_out(token)
    if args.act == "close":
        made = close_user(
            hub, who.actor, login=args.login, reason=args.reason, last=args.even_the_last
        )
    elif args.act == "oidc":
        made = bind_user(hub, who.actor, login=args.login, subject=args.subject)
    else:
        made = reopen_user(hub, who.actor, login=args.login, reason=args.reason)
    print(json.dumps({**made, "by": who.actor.post}))
    if args.act == "reopen":
        print(f"  next: evalroom hub user reset {args.data} --login {args.login} --by …")
    return EX_OK


def _enroll(args: argparse.Namespace) -> int:
    from hub.app import build
    from hub.cli.enroll import enroll

    secret = _secrets(args.secret_file, [f"password of a manager of {args.org}"])[0]
    hub = build(load(args.data), services=False)
    try:
        made = enroll(
            hub,
            org=args.org,
            room=args.room,
            name=args.name,
            secret=secret,
            out=args.out,
            count=args.stations,
        )
    finally:
        hub.close()
    print(json.dumps({"ctl": made.ctl, "place": made.place, "out": str(made.folder.absolute())}))
    return EX_OK


def _claim(args: argparse.Namespace) -> int:
    from hub.app import build
    from hub.cli import claim
    from hub.cli.enroll import Wish

    decides = args.act in {"approve", "refuse"}
    secret = _secrets(args.secret_file, [f"password of {args.by}"])[0] if decides else ""
    hub = build(load(args.data), services=False)
    try:
        if args.act == "list":
            print(json.dumps(claim.listed(hub), ensure_ascii=False, indent=1))
        elif args.act == "make":
            wish = Wish(args.org, args.room, args.name, args.stations)
            print(claim.make(hub, wish, by=args.by))
        else:
            token, who = hub.accounts.sign_in(args.by, secret, COMMAND_LINE)
            hub.accounts.sign_out(token)
            if args.act == "approve":
                print(claim.approve(hub, args.fingerprint, secret=secret, by=who.actor.post))
            else:
                claim.refuse(hub, args.fingerprint, actor=who.actor)
    finally:
        hub.close()
    return EX_OK


def _revoke(args: argparse.Namespace) -> int:
    from hub.fleet.renewal import revoke

    return _in_my_name(args, revoke)


def _release(args: argparse.Namespace) -> int:
    from hub.fleet.clones import release

    return _in_my_name(args, release)


def _in_my_name(args: argparse.Namespace, act: Callable[..., dict[str, Any]]) -> int:
    """Something done to a controller by whoever signs in, with a reason."""
    from hub.app import build

    secret = _secrets(args.secret_file, [f"password of {args.by}"])[0]
    hub = build(load(args.data), services=False)
    try:
        token, who = hub.accounts.sign_in(args.by, secret, COMMAND_LINE)
        hub.accounts.sign_out(token)
        made = act(hub, who.actor, args.ctl, args.reason)
    finally:
        hub.close()
    print(json.dumps({**made, "by": who.actor.post}))
    return EX_OK


def _reopen(args: argparse.Namespace) -> int:
    from hub.app import build
    from hub.cli.reopen import reopen_log

    secret = _secrets(args.secret_file, [f"password of {args.by}"])[0]
    hub = build(load(args.data), services=False)
    try:
        token, who = hub.accounts.sign_in(args.by, secret, COMMAND_LINE)
        hub.accounts.sign_out(token)
        origin = reopen_log(hub, who.actor, args.reason)
    finally:
        hub.close()
    print(json.dumps({"origin": origin, "by": who.actor.post}))
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
    "claim": _claim,
    "release": _release,
    "reopen-log": _reopen,
    "revoke": _revoke,
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

    top = Parser(prog="evalroom")
    demo.add_parser(top.add_subparsers(dest="command", required=True, parser_class=Parser))
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

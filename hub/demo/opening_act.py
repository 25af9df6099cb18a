"""Before the day: the hub is made, rooms are enrolled, every process is started and answers."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx

from hub.demo.supervise import evalroom, until
from hub.demo.town import RoomSite, Town, wait_socket

SETUP_S = 120.0  # keys of nine organisations, scrypt by intention, on a loaded machine
READY_S = 60.0


def run_once(town: Town, name: str, words: list[str]) -> None:
    """Runs one `evalroom` command to its end; its words go to a log.

    Raises:
        RuntimeError: it failed; the last lines are in the text.
    """
    logs = town.out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"
    with log.open("wb") as sink:
        done = subprocess.run(
            evalroom(*words),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            timeout=SETUP_S,
            check=False,
        )
    if done.returncode:
        tail = log.read_text(encoding="utf-8", errors="replace")[-800:]
        raise RuntimeError(f"evalroom {' '.join(words[:2])}: exit {done.returncode}\n{tail}")


def open_town(town: Town) -> None:
    """Makes and starts everything; returns when every part answers."""
    town.say("建立中心：24 家单位、对口关系、日历、规则包、演示人员与密钥")
    # Boards and cables need no keys: they are switched on while the keys are made. Not in the
    # other thread: the kernel ends a child when the thread that started it ends.
    with ThreadPoolExecutor(1) as other:
        made = other.submit(_make_hub, town)
        _switch_on(town)
        made.result()
    for site in town.rooms:
        _enroll(town, site)
    town.supervisor.start("hub", evalroom("hub", "serve", str(town.data)))
    for site in town.rooms:
        _start_controller(town, site)
    until("the hub answers", lambda: _ready(town), within_s=READY_S)
    for site in town.rooms:
        _wait_connected(site)
    town.say(f"中心 {town.url}；{len(town.rooms)} 间评标室已连接")


def _make_hub(town: Town) -> None:
    words = ["hub", "init", str(town.data), "--demo"]
    words += ["--demo-orgs", ",".join(site.org for site in town.rooms)]
    words += ["--port", str(town.http_port), "--mqtt-port", str(town.mqtt_port)]
    words += ["--clock-offset-file", str(town.out / "clock-offset.txt")]
    run_once(town, "init", words)
    town.read_accounts()


def _switch_on(town: Town) -> None:
    """Every board, every cable and the evaluation system; returns when each answers."""
    _start_system(town)
    for site in town.rooms:
        _start_boards(town, site)
    for site in town.rooms:
        for name in (*site.boards(), "link"):
            wait_socket(site.socket(name))


def _wait_connected(site: RoomSite) -> None:
    until(
        f"{site.place} is connected",
        lambda: site.screen().state()["link"]["up"],
        within_s=READY_S,
    )


def _enroll(town: Town, site: RoomSite) -> None:
    site.folder.mkdir(parents=True, exist_ok=True)
    secret = site.folder / "secret.txt"
    secret.touch(mode=0o600)
    secret.write_text(town.accounts[f"{site.org}.home_manager"]["password"], encoding="utf-8")
    out = site.folder / "credentials"
    words = ["hub", "enroll", str(town.data), "--org", site.org, "--room", site.room]
    words += ["--name", site.name, "--secret-file", str(secret), "--out", str(out)]
    try:
        run_once(town, f"enroll-{site.place}", words)
    finally:
        secret.unlink()
    site.ctl = json.loads((out / "id.json").read_text(encoding="utf-8"))["ctl"]
    offset = town.out / "clock-offset.txt"
    (site.folder / "room.toml").write_text(site.toml(offset.absolute()), encoding="utf-8")


def _start_system(town: Town) -> None:
    """The evaluation system of the home venue, simulated: it answers, that is all rooms ask."""
    control, state = town.run / "system.sock", town.out / "system.txt"
    words = ["--listen", str(town.system_port), "--control", str(control), "--state", str(state)]
    town.supervisor.start("evaluation-system", evalroom("sim", "system", *words))
    wait_socket(control)


def _start_boards(town: Town, site: RoomSite) -> None:
    (site.folder / "boards").mkdir(parents=True, exist_ok=True)
    routes = [f"{site.mqtt_port}:127.0.0.1:{town.mqtt_port}"]
    routes += [f"{site.http_port}:127.0.0.1:{town.http_port}"]
    words = [word for route in routes for word in ("--route", route)]
    words += ["--control", str(site.socket("link"))]
    words += ["--state", str(site.folder / "boards" / "link.txt")]
    town.supervisor.start(f"{site.place}-link", evalroom("sim", "link", *words))
    for name, argv in site.boards().items():
        town.supervisor.start(f"{site.place}-{name}", argv)


def _start_controller(town: Town, site: RoomSite) -> None:
    words = ["edge", "run", str(site.folder / "room.toml")]
    town.supervisor.start(f"{site.place}-controller", evalroom(*words))


def _ready(town: Town) -> bool:
    try:
        return httpx.get(f"{town.url}/readyz", timeout=2).is_success
    except httpx.TransportError:
        return False

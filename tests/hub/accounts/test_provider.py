"""An outside provider vouches for people: believed where all of it is right, in nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from hub.__main__ import main
from hub.accounts import Accounts, second_factor
from hub.accounts import provider as provider_part
from hub.accounts.hashing import hash_password
from hub.accounts.provider import Provider, ProviderError
from hub.accounts.provider_config import ProviderConfig, is_safe
from hub.accounts.slips import Slips
from hub.accounts.vouching import Vouching
from hub.app import Hub
from hub.cli.closing import close_user
from hub.config import ConfigError
from hub.problems import Problem
from hub.store.tables_core import events, users, web_sessions
from hub.web.app import create_app
from tests.hub.accounts import open_provider
from tests.hub.accounts.open_provider import CLIENT, SECRET
from tests.hub.booking.town import PASSWORD, Town

pytestmark = pytest.mark.slow

LOGIN = "hubei.operator"
OWN = b"s" * 32
HTML = {"accept": "text/html"}
FAULTS = (
    "wrong nonce",
    "no nonce",
    "wrong audience",
    "shared audience",
    "wrong azp",
    "expired",
    "from the future",
    "old",
    "no expiry",
    "wrong issuer",
    "no subject",
    "alg none",
    "shared secret",
    "other key",
    "bent signature",
    "no token",
    "issuer",
    "plain",
    "state",
    "iss",
    "denied",
)


@dataclass
class Door:
    """A hub's door, the provider it knows, and one browser."""

    town: Town
    client: TestClient
    far: open_provider.Provider
    near: Provider
    back: str = ""

    def there(self, then: str = "/bookings") -> str:
        """To the provider and, there, signed in; the address it sends the browser back to."""
        answer = self.client.get(f"/sign-in/provider?next={then}", follow_redirects=False)
        assert answer.status_code == 303
        if "/authorize" not in answer.headers["location"]:
            return str(answer.headers["location"])
        told = httpx.get(answer.headers["location"], follow_redirects=False)
        self.back = told.headers["location"].removeprefix("http://127.0.0.1")
        return self.back

    def sign_in(self) -> Any:
        return self.client.get(self.there(), headers=HTML, follow_redirects=False)

    @property
    def inside(self) -> str:
        told = self.client.get("/api/v1/me").json()
        return str(told.get("actor", {}).get("login", ""))

    def sessions(self) -> int:
        with self.town.store.read() as conn:
            return int(conn.execute(select(func.count()).select_from(web_sessions)).scalar_one())


@pytest.fixture(scope="module")
def served() -> Iterator[open_provider.Provider]:
    """One server for all; each test has it without faults."""
    with open_provider.serving() as made:
        yield made


@pytest.fixture
def far(served: open_provider.Provider) -> open_provider.Provider:
    served.fault, served.more, served.subject = "", {}, "sub-of-a-person"
    served.codes.clear()
    return served


def near(far: open_provider.Provider, **changes: Any) -> Provider:
    config = ProviderConfig(far.issuer, CLIENT, SECRET, "统一身份认证", frozenset({"mfa", "loa3"}))
    return Provider(
        replace(config, **changes),
        secret=OWN,
        back="http://127.0.0.1/sign-in/provider/return",
        wall=lambda: datetime.now(UTC),
        mono_s=lambda: 1_000.0,
    )


def administrator(town: Town) -> Any:
    found = town.accounts.register.actor_by_login("hubei.administrator")
    assert found is not None
    return found


@pytest.fixture
def door(town: Town, far: open_provider.Provider) -> Iterator[Door]:
    yield from opened(town, far, ())


@pytest.fixture
def strict(town: Town, far: open_provider.Provider) -> Iterator[Door]:
    """Operators must have a second factor."""
    yield from opened(town, far, ("operator",))


def opened(town: Town, far: open_provider.Provider, needed: tuple[str, ...]) -> Iterator[Door]:
    provider = near(far)
    town.accounts = Accounts(
        store=town.store,
        facts=town.facts,
        clock=town.clock,  # type: ignore[arg-type]
        secure=False,
        secret=OWN,
        needed=needed,
        provider=provider,
    )
    vouching = Vouching(store=town.store, facts=town.facts, accounts=town.accounts)
    with town.store.write() as conn:
        hashed = hash_password(PASSWORD)
        town.accounts.set_password(conn, town.who(LOGIN).person, hashed)
        town.accounts.register.create(
            conn,
            login="hubei.administrator",
            password_hash=hashed,
            post="AD-01",
            org="hubei",
            roles=["administrator"],
        )
        whom = town.accounts.register.actor_by_login(LOGIN)
        assert whom is not None
        vouching.bind(conn, whom, issuer=far.issuer, subject=far.subject, by=administrator(town))
    app = create_app(town)  # type: ignore[arg-type]
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield Door(town, client, far, provider)


def test_whom_the_provider_vouches_for_is_the_person_bound_and_nobody_more(door: Door) -> None:
    answer = door.sign_in()
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/bookings">' in answer.text
    told = door.client.get("/api/v1/me").json()["actor"]
    assert (told["login"], told["roles"]) == (LOGIN, ["operator"]), "roles never come from outside"
    assert "er_attempt" not in door.client.cookies
    (entry,) = [one for one in door.town.accounts.log.of(LOGIN) if one.what != "provider_bound"]
    assert entry.what == "signed_in_outside"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_provider_that_breaks_the_standard_signs_nobody_in(door: Door, fault: str) -> None:
    door.far.fault = fault
    answer = door.client.get(door.there(), headers=HTML, follow_redirects=False)
    where = answer.headers.get("location", door.back)
    assert "provider=refused" in where or answer.url.query == b"provider=refused"
    assert (door.inside, door.sessions()) == ("", 0)
    door.far.fault = ""
    door.sign_in()
    assert door.inside == LOGIN, "the same way, without the fault"


def test_what_comes_back_counts_once_even_where_the_provider_takes_a_code_twice(
    door: Door,
) -> None:
    door.far.fault = "replay"
    back = door.there()
    slip = door.client.cookies["er_attempt"]
    assert door.client.get(back, headers=HTML).status_code == 200
    door.client.cookies.clear()
    door.client.cookies.set("er_attempt", slip)
    again = door.client.get(back, headers=HTML, follow_redirects=False)
    assert again.headers["location"] == "/sign-in?provider=refused"
    assert door.sessions() == 1


def test_what_another_browser_began_signs_nobody_in(door: Door) -> None:
    """Somebody makes a person's browser come back with his own code: it would be his account."""
    back = door.there()
    door.client.cookies.clear()
    for cookie in ("", "x.y", "é" * 9):
        headers = {**HTML, "cookie": f"er_attempt={cookie}".encode("latin-1")}
        answer = door.client.get(back, headers=headers, follow_redirects=False)  # type: ignore[arg-type]
        assert answer.headers["location"] == "/sign-in?provider=refused"
    door.client.get("/sign-in/provider", follow_redirects=False)  # an attempt of its own
    answer = door.client.get(back, headers=HTML, follow_redirects=False)
    assert answer.headers["location"] == "/sign-in?provider=refused"
    assert door.sessions() == 0


def test_an_attempt_is_over_after_ten_minutes(door: Door) -> None:
    back = door.there()
    late = datetime.now(UTC) + timedelta(seconds=provider_part.ATTEMPT_S + 1)
    door.near._slips._wall = lambda: late
    answer = door.client.get(back, headers=HTML, follow_redirects=False)
    assert answer.headers["location"] == "/sign-in?provider=refused"


def test_nobody_is_made_by_signing_in(door: Door) -> None:
    door.far.subject, door.far.more = "somebody else", {"preferred_username": LOGIN, "email": LOGIN}
    with door.town.store.read() as conn:
        before = conn.execute(select(func.count()).select_from(users)).scalar_one()
    answer = door.sign_in()
    assert answer.headers["location"] == "/sign-in?provider=provider_unbound"
    page = door.client.get(answer.headers["location"]).text
    assert "该身份未关联账号" in page
    with door.town.store.read() as conn:
        assert conn.execute(select(func.count()).select_from(users)).scalar_one() == before
    assert door.sessions() == 0
    assert [one.what for one in door.town.accounts.log.of("")] == ["sign_in_failed"]


@pytest.mark.parametrize("fault", ["down", "large"])
def test_where_the_provider_is_silent_the_password_opens_and_the_page_says_so(
    door: Door, fault: str
) -> None:
    assert 'href="/sign-in/provider?next=/board"' in door.client.get("/sign-in").text
    door.far.fault = fault
    assert door.there() == "/sign-in?provider=silent"
    page = door.client.get("/sign-in").text
    assert "暂无应答" in page
    assert "/sign-in/provider?" not in page
    body = {"login": LOGIN, "password": PASSWORD}
    assert door.client.post("/api/v1/sign-in", json=body).status_code == 200
    door.near._mono_s = lambda: 1_000.0 + provider_part.SILENT_S
    assert "/sign-in/provider?" in door.client.get("/sign-in").text, "tried again"


def test_a_flood_of_comebacks_asks_two_at_a_time(door: Door) -> None:
    taken = [door.near._turns.acquire() for _ in range(provider_part.AT_ONCE)]
    assert door.there() == "/sign-in?provider=busy"
    for _ in taken:
        door.near._turns.release()
    door.sign_in()
    assert door.inside == LOGIN


def enrol(door: Door) -> bytes:
    """Gives the operator a second factor; returns its secret."""
    actor = door.town.accounts.register.actor_by_login(LOGIN)
    assert actor is not None
    secret = door.town.accounts.factors.begin(actor)
    step = second_factor.step_of(door.town.clock.now.timestamp())
    door.town.accounts.factors.confirm(actor, second_factor.code_of(secret, step))
    door.town.clock.pass_s(60)
    return secret


def test_the_own_second_factor_is_asked_for_as_with_a_password(strict: Door) -> None:
    secret = enrol(strict)
    answer = strict.sign_in()
    assert 'action="/api/v1/sign-in/provider"' in answer.text
    assert (strict.inside, strict.sessions()) == ("", 0)
    told = [
        strict.client.post("/api/v1/sign-in/provider", json={"code": code}).json()["code"]
        for code in ("", *(["000000"] * 6))
    ]
    assert told == ["second_factor_needed", *(["second_factor_wrong"] * 5), "sign_in_locked"]
    strict.town.clock.pass_s(600)
    assert (
        strict.client.post("/api/v1/sign-in/provider", json={"code": "000000"}).status_code == 401
    ), "and the slip is too old by then, or the code wrong"
    strict.sign_in()
    step = second_factor.step_of(strict.town.clock.now.timestamp())
    body = {"code": second_factor.code_of(secret, step)}
    assert strict.client.post("/api/v1/sign-in/provider", json=body).status_code == 200
    assert strict.inside == LOGIN
    assert strict.client.get("/api/v1/board").status_code == 200


def test_without_the_providers_word_the_second_step_opens_nothing(strict: Door) -> None:
    secret = enrol(strict)
    step = second_factor.step_of(strict.town.clock.now.timestamp())
    body = {"code": second_factor.code_of(secret, step)}
    attempts = Slips(OWN, kind="attempt", wall=strict.town.clock.wall, good_s=600)
    for slip in ("", attempts.make({"person": strict.town.who(LOGIN).person, "r": "1"})):
        strict.client.cookies.set("er_vouched", slip)
        answer = strict.client.post("/api/v1/sign-in/provider", json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "provider_unbound")


def test_a_role_that_must_have_one_sets_it_up_first(strict: Door) -> None:
    strict.sign_in()
    assert strict.inside == LOGIN
    assert strict.client.get("/api/v1/board").json()["code"] == "second_factor_missing"


@pytest.mark.parametrize(
    ("said", "opens"),
    [
        ({"amr": ["pwd", "mfa"]}, True),
        ({"acr": "loa3"}, True),
        ({"amr": ["pwd"]}, False),
        ({"amr": "mfa-not-quite", "acr": 3}, False),
        ({"acr": ["loa3"]}, False),
    ],
)
def test_a_second_factor_the_provider_has_seen_counts_where_the_hub_takes_its_word(
    strict: Door, said: dict[str, Any], opens: bool
) -> None:
    strict.far.more = said
    strict.sign_in()
    assert (strict.client.get("/api/v1/board").status_code == 200) is opens


def test_a_person_who_has_left_comes_in_by_no_door(door: Door) -> None:
    whom = door.town.accounts.register.actor_by_login(LOGIN)
    assert whom is not None
    with door.town.store.write() as conn:
        conn.execute(users.update().where(users.c.person == whom.person).values(active=False))
    assert door.sign_in().headers["location"] == "/sign-in?provider=provider_unbound"


def test_a_hub_without_a_provider_has_no_such_door(town: Town) -> None:
    with TestClient(create_app(town), base_url="http://127.0.0.1") as client:  # type: ignore[arg-type]
        assert "provider" not in client.get("/sign-in").text
        for path in ("/sign-in/provider", "/sign-in/provider/return"):
            assert client.get(path, follow_redirects=False).status_code == 404
        answer = client.post("/api/v1/sign-in/provider", json={"code": "1"})
        assert answer.status_code == 404


def test_only_what_nobody_reads_on_the_way_is_a_providers_address() -> None:
    good = ("https://id.example", "https://id.example/realm", "http://127.0.0.1:8080")
    bad = ("http://id.example", "ftp://id.example", "id.example", "", "https://", "https://[x")
    assert [one for one in (*good, *bad) if is_safe(one)] == list(good)


def test_a_provider_named_by_halves_ends_the_start(
    open_hub: Callable[..., Hub], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    whole = {
        "oidc_issuer": "https://id.example",
        "oidc_client_id": "hub",
        "oidc_client_secret_file": str(secret),
    }
    with pytest.raises(ConfigError, match="oidc_client_secret_file"):
        open_hub(**whole)
    secret.write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="the secret in it"):
        open_hub(**whole)
    secret.write_text("word\n", encoding="utf-8")
    for name in whole:
        with pytest.raises(ConfigError, match=name):
            open_hub(**{**whole, name: ""})
    with pytest.raises(ConfigError, match="oidc_issuer"):
        open_hub(**{**whole, "oidc_issuer": "http://id.example"})
    provider = open_hub(**whole).accounts.provider
    assert provider is not None
    assert (provider.config.client_secret, provider.config.name) == ("word", "id.example")
    assert open_hub().accounts.provider is None


def test_an_administrator_binds_and_looses_by_command(
    hub_data: Path,
    open_hub: Callable[..., Hub],
    accounts: dict[str, dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret, word = tmp_path / "secret", tmp_path / "word"
    word.write_text("word", encoding="utf-8")
    toml = hub_data / "hub.toml"
    text = toml.read_text(encoding="utf-8")
    for name, value in (
        ("oidc_issuer", "https://id.example"),
        ("oidc_client_id", "hub"),
        ("oidc_client_secret_file", str(word)),
    ):
        text = text.replace(f'{name} = ""', f'{name} = "{value}"')
    toml.write_text(text, encoding="utf-8")
    by = next(one for one in accounts.values() if one["login"] == "hubei.home_manager")
    hub = open_hub()
    with hub.store.write() as conn:
        hub.accounts.register.create(
            conn,
            login="root",
            password_hash=hash_password(PASSWORD),
            post="AD-07",
            org="hubei",
            roles=["administrator"],
        )

    def command(*words: str, login: str = LOGIN, who: str = "root") -> int:
        given = [*words, "--login", login, "--by", who, "--secret-file", str(secret)]
        return main(["hub", "user", "oidc", str(hub_data), *given])

    secret.write_text(f"{by['password']}\n", encoding="utf-8")
    assert command("--subject", "s-1", who=by["login"]) == 64, "an administrator's matter"
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    assert command("--subject", "s-1") == 0
    assert json.loads(capsys.readouterr().out)["bound"] == LOGIN
    assert command("--subject", "s-1", login="hubei.witness") == 64, "one subject, one person"
    assert command("--subject", "s-2", login="changsha.operator") == 64, "another organisation"
    assert command("--subject", "x" * 256) == 64
    with hub.store.read() as conn:
        raws = conn.execute(select(events.c.raw).where(events.c.type.startswith("user.prov")))
        assert not [raw for raw in raws.scalars() if b"s-1" in raw], "the subject stays here"
    assert command("--remove") == 0
    assert command("--subject", "s-1", login="hubei.witness") == 0
    root = hub.accounts.register.actor_by_login("root")
    assert root is not None
    close_user(hub, root, login="hubei.witness", reason="调离", last=False)
    assert command("--subject", "s-1") == 0, "a closed account holds no subject"


def test_what_is_used_once_is_remembered_for_as_long_as_it_would_count(door: Door) -> None:
    door.near._use("a")
    with pytest.raises(ProviderError, match="used before"):
        door.near._use("a")
    door.near._mono_s = lambda: 1_000.0 + provider_part.ATTEMPT_S + 1
    door.near._use("b")
    assert set(door.near._used) == {"b"}


def test_the_providers_word_opens_no_key(door: Door) -> None:
    door.sign_in()
    person = door.town.who(LOGIN).person
    with pytest.raises(Problem, match="secret_wrong"):
        door.town.keys.person_signer(person, door.far.subject, "operator")

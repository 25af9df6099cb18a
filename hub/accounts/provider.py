"""An OpenID provider that vouches for people, if hub.toml names one: OpenID Connect Core 1.0.

Authorization code with PKCE, state and nonce. Of its token everything is checked that can be:
signature by a key it publishes, issuer, audience, times, nonce. What it says of roles or names is
not even read: a person is the one an administrator bound to the subject, and nobody is made here.
Its addresses and keys are read anew at each sign-in: a key it has withdrawn counts no more.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx

from hub.accounts.provider_config import ProviderConfig, is_safe, read_provider
from hub.accounts.slips import Slips
from hub.config import Config

ALGORITHMS: Final = ("RS256", "PS256", "ES256")
"""Signatures by a key only the provider holds; `none` and shared secrets are none."""
TIMEOUT_S: Final = 5.0
ANSWER_S: Final = 15.0
"""Of a whole answer, however its pieces come."""
ANSWER_BYTES_MAX: Final = 256 * 1024
"""Keys and addresses are some KiB."""
ATTEMPT_S: Final = 600
"""Whoever types a password and a code at the provider is back by then."""
CLOCKS_S: Final = 60
"""How far its clock and ours may be apart."""
TOKEN_AGE_S: Final = 600
SILENT_S: Final = 30.0
"""So long the sign-in page says that it did not answer."""
AT_ONCE: Final = 2
SUBJECT_CHARS_MAX: Final = 255
"""OpenID Connect Core 1.0, 2."""
WELL_KNOWN: Final = "/.well-known/openid-configuration"


class ProviderError(Exception):
    """The provider did not vouch; the text says why, for the log alone."""


class SilentError(ProviderError):
    """The provider did not answer, or nothing that can be used."""


class BusyError(ProviderError):
    """More people are asked about at once than the hub waits for."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a browser: `slip` goes with it, the other words to the provider."""

    slip: str
    state: str
    nonce: str
    verifier: str
    then: str


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom the provider vouches for; `strong`: by what hub.toml takes for a second factor."""

    subject: str
    strong: bool


class Provider:
    """One provider.

    Args:
        config: its part of hub.toml.
        secret: of this hub; signs the slips of attempts.
        back: address at which browsers come back.
        wall: the machine's own wall clock.
        mono_s: steady clock, seconds.
    """

    def __init__(
        self,
        config: ProviderConfig,
        *,
        secret: bytes,
        back: str,
        wall: Callable[[], datetime],
        mono_s: Callable[[], float],
    ) -> None:
        self.config = config
        self._back, self._wall, self._mono_s = back, wall, mono_s
        self._slips = Slips(secret, kind="attempt", wall=wall, good_s=ATTEMPT_S)
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._silent_at: float | None = None
        self._used: dict[str, float] = {}

    @property
    def silent(self) -> bool:
        """Whether it did not answer a moment ago."""
        return self._silent_at is not None and self._mono_s() - self._silent_at < SILENT_S

    def begin(self, then: str) -> tuple[str, str]:
        """A new attempt: (slip for the browser, address at the provider).

        Raises:
            SilentError, BusyError.
        """
        attempt = self._attempt(self._slips.make({"r": secrets.token_hex(16), "then": then}))
        with self._turn() as client:
            address = self._addresses(client)["authorization_endpoint"]
        challenge = hashlib.sha256(attempt.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "scope": "openid",
            "client_id": self.config.client_id,
            "redirect_uri": self._back,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        return attempt.slip, f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}"

    def finish(self, slip: str, answer: Mapping[str, str]) -> tuple[Vouched, str]:
        """Whom the provider vouches for, by what the browser brought back, and where it goes.

        Args:
            slip: of the attempt; it counts once.
            answer: `code` and `state`, `iss` if the provider names itself (RFC 9207).

        Raises:
            ProviderError: it does not, or not to this browser.
        """
        attempt = self._attempt(slip)
        if not hmac.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
            raise ProviderError("state: of another attempt")
        if answer.get("iss", self.config.issuer) != self.config.issuer:
            raise ProviderError(f"iss: another provider, {answer['iss'][:200]}")
        if answer.get("error") or not answer.get("code"):
            raise ProviderError(f"no code, error {answer.get('error', '')[:100]}")
        with self._turn() as client:
            addresses = self._addresses(client)
            token = self._token(client, addresses, answer["code"], attempt.verifier)
            keys = self._ask(client, "GET", addresses["jwks_uri"])
        claims = self._claims(token, keys)
        self._check(claims, attempt.nonce)
        self._use(attempt.state)
        said = {*_texts([claims.get("acr")]), *_texts(claims.get("amr"))}
        return Vouched(claims["sub"], strong=not said.isdisjoint(self.config.strong)), attempt.then

    def _attempt(self, slip: str) -> Attempt:
        data = self._slips.read(slip)
        if data is None:
            raise ProviderError("slip: none of ours, or too old")
        derived = {word: self._slips.derived(word, data) for word in ("state", "nonce", "verifier")}
        return Attempt(slip=slip, then=str(data["then"]), **derived)

    def _use(self, state: str) -> None:
        now_s = self._mono_s()
        with self._lock:
            self._used = {k: at for k, at in self._used.items() if now_s - at <= ATTEMPT_S}
            if state in self._used:
                raise ProviderError("slip: used before")
            self._used[state] = now_s

    @contextmanager
    def _turn(self) -> Iterator[httpx.Client]:
        if not self._turns.acquire(blocking=False):
            raise BusyError("too many at once")
        try:
            with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client:
                yield client
            self._silent_at = None
        except SilentError:
            self._silent_at = self._mono_s()
            raise
        finally:
            self._turns.release()

    def _addresses(self, client: httpx.Client) -> dict[str, Any]:
        found = self._ask(client, "GET", self.config.issuer.rstrip("/") + WELL_KNOWN)
        if found.get("issuer") != self.config.issuer:
            raise ProviderError(f"issuer: another, {str(found.get('issuer'))[:200]}")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not is_safe(str(found.get(name, ""))):
                raise ProviderError(f"{name}: not https, {str(found.get(name))[:200]}")
        return found

    def _token(
        self, client: httpx.Client, addresses: Mapping[str, Any], code: str, verifier: str
    ) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
        }
        own, secret = self.config.client_id, self.config.client_secret
        ways = addresses.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        more: dict[str, Any] = {
            "data": form,
            "auth": httpx.BasicAuth(quote(own, safe=""), quote(secret, safe="")),
        }
        if "client_secret_basic" not in _texts(ways):
            more = {"data": {**form, "client_id": own, "client_secret": secret}}
        found = self._ask(client, "POST", addresses["token_endpoint"], **more)
        token = found.get("id_token")
        if not isinstance(token, str):
            raise ProviderError("id_token: none")
        return token

    def _ask(self, client: httpx.Client, method: str, address: str, **more: Any) -> dict[str, Any]:
        raw, until_s = b"", self._mono_s() + ANSWER_S
        try:
            with client.stream(method, address, **more) as answer:
                for piece in answer.iter_bytes():
                    raw += piece
                    if len(raw) > ANSWER_BYTES_MAX or self._mono_s() > until_s:
                        raise SilentError(
                            f"{address}: more than {ANSWER_BYTES_MAX} B or {ANSWER_S} s"
                        )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SilentError(f"{address}: {error}") from error
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise SilentError(f"{address}: HTTP {answer.status_code}")
        if answer.status_code != httpx.codes.OK:
            raise ProviderError(f"{address}: HTTP {answer.status_code}")
        try:
            found = httpx.Response(200, content=raw).json()
        except ValueError as error:
            raise SilentError(f"{address}: no JSON") from error
        if not isinstance(found, dict):
            raise SilentError(f"{address}: no JSON object")
        return found

    def _claims(self, token: str, keys: Mapping[str, Any]) -> dict[str, Any]:
        from joserfc import jwt  # noqa: PLC0415 - an extra: only where a provider is named
        from joserfc.errors import JoseError  # noqa: PLC0415 - as above
        from joserfc.jwk import KeySet  # noqa: PLC0415 - as above

        try:
            found = KeySet.import_key_set(keys)  # type: ignore[arg-type]
            return dict(jwt.decode(token, found, algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderError(f"id_token: {type(error).__name__}") from error

    def _check(self, claims: Mapping[str, Any], nonce: str) -> None:
        """OpenID Connect Core 1.0, 3.1.3.7."""
        now, own = self._wall().timestamp(), self.config.client_id
        audience = _texts(claims.get("aud"))
        subject = claims.get("sub")
        until, made = claims.get("exp"), claims.get("iat")
        wrong = {
            "iss": claims.get("iss") != self.config.issuer,
            "aud": own not in audience,
            "azp": claims.get("azp", own) != own or (len(audience) > 1 and "azp" not in claims),
            "exp": not isinstance(until, int | float) or now > until + CLOCKS_S,
            "iat": not isinstance(made, int | float) or not -CLOCKS_S <= now - made <= TOKEN_AGE_S,
            "nonce": not hmac.compare_digest(str(claims.get("nonce")).encode(), nonce.encode()),
            "sub": not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARS_MAX,
        }
        found = [name for name, is_wrong in wrong.items() if is_wrong]
        if found:
            raise ProviderError(f"id_token: {', '.join(found)}")


def provider_of(
    config: Config, *, secret: bytes, wall: Callable[[], datetime], mono_ms: Callable[[], int]
) -> Provider | None:
    """The provider hub.toml names, or None.

    Raises:
        ConfigError: it is named by halves, or what it needs is not there.
    """
    found = read_provider(config)
    if found is None:
        return None
    back = f"{config.url}/sign-in/provider/return"
    return Provider(found, secret=secret, back=back, wall=wall, mono_s=lambda: mono_ms() / 1000)


def _texts(value: object) -> list[str]:
    """A text, or a list of texts, as a list."""
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []

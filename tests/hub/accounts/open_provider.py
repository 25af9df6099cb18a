"""A small OpenID provider on loopback that keeps to the standard, or breaks it in one named way."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jws, jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT, SECRET = "evalroom hub", "s3cret: of +the hub/"
KID = "k1"


@dataclass
class Provider:
    """What it knows, and how it misbehaves; `fault` is '' for a provider that is right."""

    issuer: str = ""
    subject: str = "sub-of-a-person"
    fault: str = ""
    asks: bool = False  # shows a page of its own first, as for a password
    more: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": KID}))
    other: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": KID}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def discovery(self) -> dict[str, Any]:
        base = self.issuer
        found = {
            "issuer": base if self.fault != "issuer" else f"{base}/another",
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/keys",
        }
        if self.fault == "plain":
            found["token_endpoint"] = "http://provider.example/token"  # noqa: S105 - an address
        if self.fault == "large":
            found["more"] = "x" * 300_000
        return found

    def authorize(self, query: dict[str, str]) -> str:
        """Whoever comes is signed in at once; the address to send the browser back to."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_hex(16)
        self.codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.issuer}
        if self.fault == "state":
            back["state"] = "of-another-attempt"
        if self.fault == "iss":
            back["iss"] = f"{self.issuer}/another"
        if self.fault == "denied":
            back = {"error": "access_denied", "state": query["state"]}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if pair != "evalroom%20hub:s3cret%3A%20of%20%2Bthe%20hub%2F":
            return 401, {"error": "invalid_client"}
        asked = self.codes.get(form["code"])
        if self.fault != "replay":
            self.codes.pop(form["code"], None)  # a code counts once
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        if asked is None or (
            base64.urlsafe_b64encode(challenge).decode().rstrip("=") != asked["code_challenge"]
            or form["redirect_uri"] != asked["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        if self.fault == "no token":
            return 200, {"access_token": "x"}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.signed(asked)}

    def signed(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": self.subject,
            "nonce": asked["nonce"],
            "iat": now,
            "exp": now + 300,
            "roles": ["administrator"],
            **self.more,
        }
        claims |= {
            "wrong nonce": {"nonce": "of-another-attempt"},
            "no nonce": {"nonce": None},
            "wrong audience": {"aud": "another client"},
            "shared audience": {"aud": [CLIENT, "another client"]},
            "wrong azp": {"aud": [CLIENT, "another client"], "azp": "another client"},
            "expired": {"iat": now - 400, "exp": now - 100},
            "from the future": {"iat": now + 3_600, "exp": now + 7_200},
            "old": {"iat": now - 86_400},
            "no expiry": {"exp": None},
            "wrong issuer": {"iss": f"{self.issuer}/another"},
            "no subject": {"sub": ""},
        }.get(self.fault, {})
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.fault == "alg none":
            parts = [{"alg": "none"}, claims]
            texts = [base64.urlsafe_b64encode(json.dumps(one).encode()) for one in parts]
            return ".".join([*(text.decode().rstrip("=") for text in texts), ""])
        if self.fault == "shared secret":
            raw = jws.serialize_compact(
                {"alg": "HS256", "kid": KID}, json.dumps(claims), OctKey.import_key(SECRET)
            )
            return str(raw)
        key = self.other if self.fault == "other key" else self.key
        signed = jwt.encode({"alg": "RS256", "kid": KID}, claims, key)
        return signed[:-8] + "AAAAAAAA" if self.fault == "bent signature" else signed

    def keys(self) -> dict[str, Any]:
        return dict(KeySet([self.key]).as_dict(private=False))


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Provider]:
    """The provider as a server of its own; the browser sees `host`."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            provider.asked.append(parts.path)
            if provider.fault == "down":
                self.send_error(503)
            elif parts.path == "/authorize" and provider.asks:
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(f'<a href="/yes?{html.escape(parts.query)}">yes</a>'.encode())
            elif parts.path in {"/authorize", "/yes"}:
                query = {k: v[0] for k, v in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("location", provider.authorize(query))
                self.end_headers()
            elif parts.path == "/keys":
                self.answer(200, provider.keys())
            else:
                self.answer(200, provider.discovery())

        def do_POST(self) -> None:
            provider.asked.append(self.path)
            raw = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {k: v[0] for k, v in parse_qs(raw).items()}
            self.answer(*provider.token(form, self.headers.get("authorization", "")))

        def answer(self, status: int, body: dict[str, Any]) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""The hub's configuration: `DATA/hub.toml`, strict, with the command line's last word.

Everything the hub keeps lies under one data folder, so that a backup and a move are one folder.
"""

from __future__ import annotations

import ipaddress
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

FILE: Final = "hub.toml"
BROKERS: Final = ("embedded", "mosquitto", "external", "none")
IDENTITY_KEEP_DAYS_MAX: Final = 3_650
"""As long as agents keep their project files (RULES §3.2)."""
CHECKPOINTS: Final = ("none", "cosigned")
STARTED: Final = frozenset({"embedded", "mosquitto"})
"""Brokers that the hub starts itself."""
PORT_MAX: Final = 65_535


class ConfigError(Exception):
    """The configuration is wrong; the text says what, where, expected, got, do."""


@dataclass(frozen=True, slots=True)
class Config:
    """What `hub serve` needs to know.

    Args:
        data: the data folder.
        hub: the hub's id, `h-` + 12 hex.
        url: address rooms and people use, without a slash at its end.
        host: address to listen on; plain http is accepted on loopback only.
        port: HTTP port; 0 chooses a free one.
        broker: `embedded`, `mosquitto` (both started by the hub), `external`, `none`.
        mqtt_host: the broker's address; `mqtt_port` 0 lets a started broker choose.
        mqtt_tls: rooms and hub show the broker certificates of this hub's authority; without it
            they show names and passwords in the clear, which is accepted on loopback only.
        database: SQLAlchemy URL; empty is SQLite in the data folder.
        mirror: file of the mirror; empty is in the data folder (better: another disk).
        pack: file name of the policy pack under `protocols/policy/packs`.
        demo: made by `hub init --demo`.
        hub_orders: the trust file lets the hub's own key sign orders.
        checkpoint: `cosigned` where the trust file pins a controller of each venue as witness and a
            package needs a checkpoint that home and guest co-signed; else `none`.
        checkpoint_s, checkpoint_rows: the log's next checkpoint is signed this long after the last,
            or with so many new entries; never without new ones.
        tls_cert: PEM files; both or none.
        identity_keep_days: days after the end of a booking in which its members' identities can
            still be opened; then their keys are destroyed.
        clock_offset_file: shifts wall time, for a demonstration; empty is none.
        oidc_issuer, oidc_client_id, oidc_client_secret_file: an OpenID provider that vouches for
            people, the hub's name there, and the file of its password; empty is none.
        oidc_name: what the button of the sign-in page says; empty is the provider's host.
        oidc_second_factor: values of `acr` or `amr` that stand for a second factor, by commas.
        second_factor_roles: roles whose people must have one, apart by commas; empty is nobody.
    """

    data: Path
    hub: str
    url: str = "http://127.0.0.1:8300"
    host: str = "127.0.0.1"
    port: int = 8300
    broker: str = "embedded"
    mqtt_host: str = "127.0.0.1"
    mqtt_port: int = 0
    mqtt_tls: bool = False
    database: str = ""
    mirror: str = ""
    pack: str = "hubei-2020.yaml"
    demo: bool = False
    hub_orders: bool = False
    checkpoint: str = "none"
    checkpoint_s: int = 60
    checkpoint_rows: int = 100
    tls_cert: str = ""
    tls_key: str = ""
    identity_keep_days: int = 90
    clock_offset_file: str = ""
    second_factor_roles: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret_file: str = ""
    oidc_name: str = ""
    oidc_second_factor: str = ""

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the database."""
        return self.database or f"sqlite:///{self.database_file}"

    @property
    def database_file(self) -> Path:
        """SQLite's file."""
        return self.data / "hub.sqlite"

    @property
    def mirror_file(self) -> Path:
        """The mirror's file."""
        return Path(self.mirror) if self.mirror else self.data / "mirror" / "mirror.jsonl"

    @property
    def secure(self) -> bool:
        """Whether people come over https: TLS of our own, or of a proxy in front."""
        return bool(self.tls_cert) or urlsplit(self.url).scheme == "https"

    @property
    def needing_second_factor(self) -> tuple[str, ...]:
        """Roles whose people must have a second factor."""
        return tuple(self.second_factor_roles.replace(",", " ").split())

    @property
    def blobs(self) -> Path:
        """Folder of the media."""
        return self.data / "blobs"

    @property
    def packages(self) -> Path:
        """Folder of the hand-over packages."""
        return self.data / "packages"

    @property
    def hub_key(self) -> Path:
        """The hub's private key."""
        return self.data / "keys" / "hub.key"

    @property
    def authority_cert(self) -> Path:
        """The certificate rooms check the broker's with."""
        return self.hub_key.with_name("ca.crt")

    @property
    def broker_cert(self) -> Path:
        """The broker's certificate and key."""
        return self.hub_key.with_name("broker.pem")

    @property
    def hub_cert(self) -> Path:
        """The hub's certificate and key at the broker."""
        return self.hub_key.with_name("hub.pem")

    @property
    def revoked_certs(self) -> Path:
        """Which certificates count no more at the broker."""
        return self.hub_key.with_name("crl.pem")

    @property
    def trust(self) -> Path:
        """The trust file to hand to venues outside the hub."""
        return self.data / "trust.json"

    @property
    def broker_folder(self) -> Path:
        """Folder of a broker the hub starts."""
        return self.data / "broker"

    @property
    def broker_users(self) -> Path:
        """Names and passwords of everyone who may connect to the broker."""
        return self.data / "keys" / "mqtt-users.json"

    def checked(self) -> Config:
        """Itself.

        Raises:
            ConfigError: values that cannot work together.
        """
        if self.broker not in BROKERS:
            raise _wrong("broker", self.broker, expected=" or ".join(BROKERS))
        for name in ("port", "mqtt_port"):
            if not 0 <= getattr(self, name) <= PORT_MAX:
                raise _wrong(name, getattr(self, name), expected=f"0 to {PORT_MAX}")
        if not 1 <= self.identity_keep_days <= IDENTITY_KEEP_DAYS_MAX:
            raise _wrong(
                "identity_keep_days",
                self.identity_keep_days,
                expected=f"1 to {IDENTITY_KEEP_DAYS_MAX}",
            )
        if self.checkpoint not in CHECKPOINTS:
            raise _wrong("checkpoint", self.checkpoint, expected=" or ".join(CHECKPOINTS))
        for name in ("checkpoint_s", "checkpoint_rows"):
            if getattr(self, name) < 1:
                raise _wrong(name, getattr(self, name), expected="1 or more")
        address = urlsplit(self.url)
        if address.scheme not in {"http", "https"} or not address.netloc:
            raise _wrong("url", self.url, expected="http://… or https://… with a host")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise _wrong("tls_cert, tls_key", self.tls_cert or self.tls_key, expected="both")
        if not self.tls_cert and not is_loopback(self.host):
            raise _wrong(
                "host",
                self.host,
                expected="a loopback address, or TLS",
                do="give --tls-cert and --tls-key, or put a TLS proxy in front and listen on "
                "127.0.0.1",
            )
        if not self.mqtt_tls and self.broker in STARTED and not is_loopback(self.mqtt_host):
            raise _wrong(
                "mqtt_host",
                self.mqtt_host,
                expected="a loopback address, or mqtt_tls = true",
                do="write mqtt_tls = true and enrol the rooms again",
            )
        return self

    def write(self) -> None:
        """Writes `hub.toml`; only what a person may change by hand."""
        lines = ["# The hub's configuration. An unknown key is an error.", "[hub]"]
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name == "data":
                continue
            shown = json.dumps(value, ensure_ascii=False)  # TOML reads JSON's plain values
            lines.append(f"{one.name} = {shown}")
        (self.data / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def is_loopback(host: str) -> bool:
    """Whether this address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load(data: Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Reads `DATA/hub.toml` and lays the command line's values over it.

    Raises:
        ConfigError: no such file, not TOML, unknown key, wrong type or value.
    """
    path = data / FILE
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"no hub here\n  where: {path}\n  expected: the file `evalroom hub init` writes\n"
            f"  got: nothing\n  do: evalroom hub init {data}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the configuration cannot be read\n  where: {path}\n  expected: TOML\n  got: {error}\n"
            "  do: mend that line"
        ) from error
    unknown = sorted(set(table) - {"hub"})
    if unknown:
        raise _wrong(unknown[0], table[unknown[0]], expected="only the table [hub]")
    values = {**table.get("hub", {}), **(overrides or {})}
    return _build(data, values).checked()


def _build(data: Path, values: Mapping[str, Any]) -> Config:
    known = {one.name: one for one in fields(Config) if one.name != "data"}
    types = {"int": int, "bool": bool, "str": str}
    for key, value in values.items():
        if key not in known:
            raise _wrong(key, value, expected="one of " + ", ".join(sorted(known)))
        wanted = types[str(known[key].type)]
        if type(value) is not wanted:
            raise _wrong(key, value, expected=f"a value of type {wanted.__name__}")
    if "hub" not in values:
        raise _wrong("hub", "nothing", expected="the hub's id")
    return Config(data=data.absolute(), **values)


def _wrong(key: str, got: object, *, expected: str, do: str = "") -> ConfigError:
    return ConfigError(
        f"the configuration is wrong\n  where: {FILE} [hub] {key}\n  expected: {expected}\n"
        f"  got: {got!r}\n  do: {do or 'change that value, then start again'}"
    )

"""What hub.toml says of an OpenID provider; all of it, or nothing."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hub.config import FILE, Config, ConfigError, is_loopback


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One provider.

    Args:
        issuer: its address, as it stands in its tokens.
        client_id: the hub's name at the provider.
        client_secret: and its password there.
        name: what the button says.
        strong: values of `acr` or `amr` that stand for a second factor.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
    strong: frozenset[str]


def read_provider(config: Config) -> ProviderConfig | None:
    """The provider hub.toml names, with its secret read, or None.

    Raises:
        ConfigError: it is named by halves, or what it needs is not there.
    """
    given = {
        name: getattr(config, name)
        for name in ("oidc_issuer", "oidc_client_id", "oidc_client_secret_file")
    }
    if not any(given.values()):
        return None
    for name, value in given.items():
        if not value:
            raise _wrong(name, "nothing", expected="a value: the provider is named by halves")
    if not is_safe(config.oidc_issuer) or urlsplit(config.oidc_issuer).query:
        raise _wrong("oidc_issuer", config.oidc_issuer, expected="https://… with a host")
    if importlib.util.find_spec("joserfc") is None:
        raise _wrong(
            "oidc_issuer",
            "a hub without the extra oidc",
            expected="the package joserfc",
            do="pip install 'evalroom[oidc]', or take the oidc lines out",
        )
    return ProviderConfig(
        issuer=config.oidc_issuer,
        client_id=config.oidc_client_id,
        client_secret=_secret(Path(config.oidc_client_secret_file)),
        name=config.oidc_name or urlsplit(config.oidc_issuer).hostname or "",
        strong=frozenset(config.oidc_second_factor.replace(",", " ").split()),
    )


def is_safe(address: str) -> bool:
    """Whether what is sent there can be read by nobody on the way."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    )


def _secret(path: Path) -> str:
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(
            "oidc_client_secret_file", str(path), expected=f"a readable file, not {error}"
        ) from error
    if not found:
        raise _wrong("oidc_client_secret_file", str(path), expected="a file with the secret in it")
    return found


def _wrong(key: str, got: str, *, expected: str, do: str = "") -> ConfigError:
    return ConfigError(
        f"the configuration is wrong\n  where: {FILE} [hub] {key}\n  expected: {expected}\n"
        f"  got: {got!r}\n  do: {do or 'change that value, then start again'}"
    )

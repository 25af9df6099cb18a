"""A key behind a secret, at the cost the product knows; whatever is wrong fails closed."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import hub.app
from hub import crypto
from hub.cli import initialise
from hub.keys.keyring import Keys

PIN = "13572468"
SEED = bytes(range(32))


@pytest.fixture(scope="module")
def wrapped() -> dict[str, Any]:
    return crypto.wrap_key(SEED, PIN)


@pytest.mark.slow
def test_the_secret_opens_its_key_and_no_other_does(wrapped: dict[str, Any]) -> None:
    seed, derived = crypto.unwrap_key(wrapped, PIN)
    assert seed == SEED
    with pytest.raises(crypto.CryptoError, match="secret"):
        crypto.unwrap_key(wrapped, "13572469")
    second = crypto.wrap_with(derived, bytes(32))
    assert second["salt"] == wrapped["salt"]
    assert second["nonce"] != wrapped["nonce"]
    assert crypto.unwrap_key(second, PIN, known=derived)[0] == bytes(32)


def test_what_the_product_wraps_costs_what_the_contract_says(wrapped: dict[str, Any]) -> None:
    assert {name: wrapped[name] for name in ("kdf", "n", "r", "p")} == {
        "kdf": "scrypt",
        "n": 2**17,
        "r": 8,
        "p": 1,
    }
    assert crypto.Stretch(wrap_n=2**17, tag_n=2**15) == crypto.FULL
    for built in (Keys.__init__, hub.app.build, initialise.init):
        assert inspect.signature(built).parameters["stretch"].default is crypto.FULL


@pytest.mark.parametrize("change", [{"n": 2**6}, {"n": 2**18}, {"r": 1}, {"p": 2}, {"kdf": "none"}])
def test_a_wrapping_of_another_cost_is_refused_and_not_tried(
    wrapped: dict[str, Any], change: dict[str, Any]
) -> None:
    derived = crypto.Derived(key=bytes(32), salt=bytes.fromhex(wrapped["salt"]))
    with pytest.raises(crypto.CryptoError, match="expected scrypt with n=131072"):
        crypto.unwrap_key({**wrapped, **change}, PIN, known=derived)


def test_a_hub_built_for_one_cost_opens_nothing_of_another() -> None:
    cheap = crypto.Stretch(wrap_n=2**6, tag_n=2**6)
    made = crypto.wrap_key(SEED, PIN, cheap)
    assert crypto.unwrap_key(made, PIN, cheap)[0] == SEED
    with pytest.raises(crypto.CryptoError, match="expected scrypt"):
        crypto.unwrap_key(made, PIN)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kdf", "n", "salt", "nonce", "ct"])
def test_a_wrapping_that_lacks_a_part_stays_closed(wrapped: dict[str, Any], name: str) -> None:
    with pytest.raises(crypto.CryptoError):
        crypto.unwrap_key({key: value for key, value in wrapped.items() if key != name}, PIN)

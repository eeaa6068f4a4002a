"""The port is declared once; what implements it synchronously has the same methods."""

from __future__ import annotations

import inspect

import pytest

from scd.cryptoki.module import InProcessModule
from scd.token.port import METHODS, TokenModule


@pytest.mark.parametrize("method", sorted(METHODS | {"close"}))
def test_the_module_in_the_worker_has_each_method_as_the_port_declares_it(method: str) -> None:
    declared, done = (
        inspect.signature(getattr(TokenModule, method)),
        inspect.signature(getattr(InProcessModule, method)),
    )
    assert done == declared


def test_a_call_names_a_method_of_the_port() -> None:
    assert {"tokens", "objects", "login", "sign", "write_data"} <= METHODS
    assert not METHODS & {"ask", "close"}

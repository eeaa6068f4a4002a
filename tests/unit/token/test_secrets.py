"""A PIN does not get into texts or files by accident."""

from __future__ import annotations

import copy
import pickle

import pytest

from scd.token.secrets import Pin

SECRET = b"271828"


@pytest.mark.parametrize("text", [f"{Pin(SECRET)}", f"{Pin(SECRET):>20}", str(Pin(SECRET)), f"{[Pin(SECRET)]}"])
def test_no_text_shows_it(text: str) -> None:
    assert "Pin(…)" in text
    assert SECRET.decode() not in text


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_neither_copied_nor_serialised(way: object) -> None:
    assert callable(way)
    with pytest.raises(TypeError, match="not serialised"):
        way(Pin(SECRET))

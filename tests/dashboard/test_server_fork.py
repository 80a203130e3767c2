"""A page's server for tests starts in whatever process a test of a page ran before."""

import sys
from types import ModuleType

import pytest

from db.settings import Settings
from db.store import Store
from tests.support.server import forked


def test_a_script_left_as_the_main_module_is_not_run_again(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    left = ModuleType("__main__")
    left.__file__ = f"{tmp_path}/missing_script.py"  # what an AppTest leaves; running it would fail
    monkeypatch.setitem(sys.modules, "__main__", left)
    with forked(settings) as url:
        assert url.startswith("http://127.0.0.1")
    assert sys.modules["__main__"] is left

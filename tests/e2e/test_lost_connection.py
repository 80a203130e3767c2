"""A connection that broke comes back, and the page with it: nobody has to press anything."""

from typing import Any

import pytest

from db import workers
from db.store import Store
from db.workers import Worker
from tests.e2e.waiting import script, still
from tests.support import shop

pytestmark = pytest.mark.e2e

SOCKETS = """
  window.sockets = []
  const Plain = window.WebSocket
  window.WebSocket = class extends Plain {
    constructor(...words) { super(...words); window.sockets.push(this) }
  }"""
BREAK = "window.sockets.forEach(each => each.close())"
OPEN = "window.sockets.length > 1 && window.sockets.at(-1).readyState === WebSocket.OPEN"


def test_what_changes_after_a_lost_connection_is_shown(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    page.add_init_script(SOCKETS)
    page.goto(f"{dashboard}/library")
    page.get_by_text("no engine").first.wait_for()
    still(page)
    page.evaluate(BREAK)
    script(page, OPEN)
    still(page)
    page.wait_for_timeout(1500)
    workers.beat(store, Worker("me", 2**22, "elsewhere", "cpu", "float32", "ready"))
    page.get_by_text("engine ready").first.wait_for()

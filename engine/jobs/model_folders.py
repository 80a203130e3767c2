"""Looks now and then whether registered models are still there, and notes for the pages what is wrong."""

import contextlib
import threading

from db import models
from db.models import FOLDER
from db.store import Store
from engine.llm.loading.health import fault

LOOK_S = 10.0


def check(store: Store) -> None:
    """Note of every registered model what is wrong with its folder, or that nothing is any more."""
    for model in models.listing(store):
        models.note(store, model, FOLDER, fault(model.source))


def keep_checking(store: Store, closed: threading.Event) -> None:
    """Do so every few seconds until closed: for a thread of its own, since a disk that is away may hang."""
    while not closed.is_set():
        with contextlib.suppress(Exception):  # the store may be away; the next look tells
            check(store)
        closed.wait(LOOK_S)

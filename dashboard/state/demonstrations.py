"""Demonstrations as the desk shows them, whether a run, the pool or the store knows them.

A demonstration is drawn from its `DemoView`: a dictionary with `id, source, user, history, answer, timestamp,
similarity, shared`. Runs and pools bring complete ones; one that a link names is rebuilt from the store.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.state import session
from db import datasets, demonstrations
from db.datasets import DatasetInfo
from db.requests import Chosen


def learn(views: Iterable[Mapping[str, Any]], dataset: str) -> None:
    """Remember what runs and pools of this data set say about demonstrations."""
    known = _known(dataset)
    for view in views:
        known[view["id"]] = {**known.get(view["id"], {}), **{k: v for k, v in view.items() if v is not None}}


def of(chosen: Sequence[Chosen], info: DatasetInfo) -> tuple[list[dict[str, Any]], list[str]]:
    """Views of the chosen demonstrations in order, with weights; and the ids the store does not know."""
    known = _known(info.name)
    missing = [wanted.id for wanted in chosen if wanted.id not in known]
    if missing:
        learn(_from_store(missing, info), info.name)
    lost = [wanted.id for wanted in chosen if wanted.id not in known]
    views = [{**known[wanted.id], "weight": wanted.weight} for wanted in chosen if wanted.id in known]
    return views, lost


def _known(dataset: str) -> dict[str, dict[str, Any]]:
    return st.session_state.setdefault("known_demos", {}).setdefault(dataset, {})


def search(info: DatasetInfo, words: str, most: int) -> tuple[list[str], int]:
    """The first `most` titles of the catalogue that hold all these words, and how many do."""
    wanted = words.lower().split()
    titles = _titles(info)
    matching = [title for title, lower in titles if all(word in lower for word in wanted)]
    return matching[:most], len(matching)


def _content(info: DatasetInfo) -> tuple[int, str]:
    return info.id, info.fingerprint


@st.cache_data(show_spinner=False, max_entries=4, hash_funcs={DatasetInfo: _content})
def _titles(info: DatasetInfo) -> list[tuple[str, str]]:
    """Every title once, most frequent first, with its lower-case form to search in."""
    known = datasets.catalogue(session.store(), info.id)
    order = sorted(range(len(known.titles)), key=lambda item: -known.counts[item])
    titles = dict.fromkeys(known.titles[item] for item in order)
    return [(title, title.lower()) for title in titles if title.strip()]


def _from_store(ids: Sequence[str], info: DatasetInfo) -> list[dict[str, Any]]:
    stored = demonstrations.get_many(session.store(), ids, info.id)
    titles = demonstrations.titles(session.store(), stored.values())
    return [
        {
            "id": demo.id,
            "source": demo.source,
            "user": demo.user_id,
            "history": [_named(*shown) for shown in titles[demo.id][:-1]],
            "answer": _named(*titles[demo.id][-1]),
            "timestamp": demo.timestamp,
        }
        for demo in stored.values()
    ]


def _named(item: str, title: str) -> dict[str, str]:
    return {"item": item, "title": title}

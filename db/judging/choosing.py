"""Which lists of stored runs are judged against each other: two settings over users, or picked runs.

A setting is everything about a run but its user.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from db import runs
from db.canonical import digest
from db.choices import SET, STRATEGIES
from db.comparable import changed
from db.errors import BadInput
from db.requests import RunRequest
from db.requests.fields import RequestField
from db.requests.strategy_spec import reference_of
from db.runs import CUSTOM_SET, Run
from db.schema import run_index
from db.schema import runs as run_table
from db.store import Store

READ = 5_000
"""Runs of a data set, the newest, among which settings are found."""
WITH, WITHOUT = "items", "zero_shot"
NO_DEMONSTRATIONS = "no demonstrations"
_OF_THE_USER = ("dataset", "user")
_OF_THE_SET = ("demos", "demonstrations")


@dataclass(frozen=True)
class Side:
    """One list of a stored run: with its demonstrations, or the one without (`part`: WITH or WITHOUT)."""

    run: str
    part: str = WITH


Two = tuple[Side, Side]
"""A and B."""


@dataclass(frozen=True)
class Setting:
    """One of a setting's requests, and the newest run of each of its users."""

    request: RunRequest
    by_user: dict[str, str]

    @property
    def key(self) -> str:
        """What tells it from other settings."""
        return setting_key(self.request)


def setting_key(request: RunRequest) -> str:
    """Equal for the runs of one setting, whoever the user is."""
    return digest({name: value for name, value in request.to_json().items() if name != "user"})


def settings(store: Store, dataset: str) -> list[Setting]:
    """The settings of a data set's newest runs, those with most users first."""
    query = (
        sa.select(run_table.c.key, run_table.c.request)
        .join(run_index, run_index.c.run_key == run_table.c.key)
        .where(run_index.c.dataset == dataset, run_index.c.deleted_at.is_(None))
        .order_by(run_index.c.created_at.desc())
        .limit(READ)
    )
    with store.read() as connection:
        rows = connection.execute(query).all()
    found: dict[str, Setting] = {}
    for key, written in rows:
        request = RunRequest.from_json(json.loads(written))
        setting = found.setdefault(setting_key(request), Setting(request, {}))
        setting.by_user.setdefault(request.user, key)
    return sorted(found.values(), key=lambda setting: -len(setting.by_user))


def over_users(a: Setting | None, b: Setting, most: int, seed: int) -> list[Two]:
    """Both settings' lists for up to `most` of the users who have both, drawn by the seed. Without A: each
    run of B against its own list without demonstrations."""
    users = [user for user in b.by_user if a is None or user in a.by_user]
    drawn = sorted(users, key=lambda user: digest([seed, user]))[:most]
    if a is None:
        return with_and_without(b.by_user[user] for user in drawn)
    return [(Side(a.by_user[user]), Side(b.by_user[user])) for user in drawn]


def with_and_without(keys: Iterable[str]) -> list[Two]:
    """Each run's list with its demonstrations (B) against its own without (A)."""
    return [(Side(key, WITHOUT), Side(key)) for key in keys]


def by_history(chosen: Sequence[Run]) -> list[Two]:
    """The pairs among these runs: of each history that exactly two of them have, the older as A."""
    groups: dict[tuple, list[Run]] = {}
    for run in sorted(chosen, key=lambda run: run.created_at):
        groups.setdefault(history_of(run), []).append(run)
    return [(Side(two[0].key), Side(two[1].key)) for two in groups.values() if len(two) == len("AB")]


def history_of(run: Run) -> tuple:
    """What people see a list for: equal where two runs rank for the same history and target."""
    target = run.result["target"]
    return run.request.dataset, run.user_id, target["item"], target.get("position")


def named(
    store: Store, dataset: str, a: str | None, b: str, model: str | None = None
) -> tuple[Setting | None, Setting]:
    """The settings that A (None: without demonstrations) and B name: a strategy as runs write it (`bm25:4`),
    or a run that has it.

    Where a strategy says it, A and B are alike in all else; of several such the ones with most users in
    common. Raises BadInput, or NotFound for a run that is not there.
    """
    known = [one for one in settings(store, dataset) if model in (None, one.request.model)]
    theirs = _meant(store, known, dataset, b)
    firsts: list[Setting | None] = [None] if a is None else [*_meant(store, known, dataset, a)]
    exact = all(word is None or _is_run(word) for word in (a, b))

    def fits(one: Setting | None, other: Setting) -> bool:
        if one is None or one is other:
            return one is None
        return exact or not _other_fields(one.request, other.request)

    both = [(one, other) for one in firsts for other in theirs if fits(one, other)]
    if not both:
        raise BadInput(
            f"No two settings of {dataset!r} have {a!r} and {b!r} and are alike in all else. Name a run of "
            "each instead, or rank the same users with both."
        )
    return max(both, key=lambda two: len(over_users(*two, most=READ, seed=0)))


def labels(a: Sequence[tuple[RunRequest, str]], b: Sequence[tuple[RunRequest, str]]) -> tuple[str, str]:
    """What A and B are, in a few words, from the requests and parts of their lists: how the demonstrations
    were chosen, and what else differs."""
    fields = changed([request for request, _ in (*a, *b)])
    return _label(a, fields), _label(b, fields)


def in_words(request: RunRequest, fields: Sequence[RequestField]) -> str:
    """A setting: its demonstrations, and its values of those of these fields that are not the user's."""
    return ", ".join([_demonstrations(request), *(_value(each, request) for each in _others(fields))])


def _value(each: RequestField, request: RunRequest) -> str:
    value = getattr(request, each.name)
    row = None if isinstance(value, tuple) else (each.choices or {}).get(value)
    return f"{each.asked.label} {row.label if row else value}"


def _label(side: Sequence[tuple[RunRequest, str]], fields: Sequence[RequestField]) -> str:
    if all(part == WITHOUT for _, part in side):
        return NO_DEMONSTRATIONS
    words = dict.fromkeys(in_words(request, fields) for request, _ in side)
    return next(iter(words)) if len(words) == 1 else "several settings"


def _demonstrations(request: RunRequest) -> str:
    if request.demonstrations is not None:
        return CUSTOM_SET if request.demonstrations else NO_DEMONSTRATIONS
    name, _, size = request.demos.partition(":")
    if reference := reference_of(request.demos):
        return f"{SET.label} {reference}"
    if name == "none":
        return NO_DEMONSTRATIONS
    label = STRATEGIES[name].label if name in STRATEGIES else name
    return f"{label} ({size})" if size else label


def _meant(store: Store, known: Sequence[Setting], dataset: str, word: str) -> list[Setting]:
    """The settings that a word means. Raises BadInput for none."""
    if _is_run(word):
        wanted = setting_key(runs.get(store, word).request)
        found = [one for one in known if one.key == wanted]
    else:
        found = [one for one in known if one.request.demonstrations is None and one.request.demos == word]
    if not found:
        there = dict.fromkeys(one.request.demos for one in known if one.request.demonstrations is None)
        have = f"Its runs have: {', '.join(list(there)[:10])}." if there else "It has no such runs yet."
        raise BadInput(f"No stored run of {dataset!r} has the demonstrations {word!r}. {have}")
    return found


def _is_run(word: str) -> bool:
    """Whether it names a run, not a strategy."""
    return ":" not in word and word not in STRATEGIES and len(word) >= runs.SHORTEST_PREFIX


def _others(fields: Iterable[RequestField]) -> list[RequestField]:
    return [each for each in fields if each.name not in (*_OF_THE_USER, *_OF_THE_SET)]


def _other_fields(a: RunRequest, b: RunRequest) -> list[RequestField]:
    return _others(changed([a, b]))

"""A small model looks through a pool: which it keeps, on which probes, and that it never sees the target."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db import datasets
from db.errors import BadInput
from db.requests import Chosen, RunRequest, request_digest
from db.requests.strategy_spec import parse_spec
from db.settings import Settings
from db.store import Store
from engine.context import Engine, resolve
from engine.demos import selection
from engine.demos.probes import gives_away, own_probes
from engine.jobs import handlers
from engine.llm.scoring.ranking import Task, rank_candidates
from engine.progress import quiet
from engine.prompts import PLAIN, Example
from engine.tasks import proxy_scoring
from engine.tasks.inputs import gather
from engine.tasks.rank import rank
from tests.toys import toy_columns


def opened(store: Store, settings: Settings, folder: Callable[..., Path], last: int | None = None) -> Engine:
    """An engine with a big and a small model; `last`: what user u8 bought in the end."""
    columns = toy_columns(users=12, items=30, length=8)
    if last is not None:
        columns.item[np.flatnonzero(columns.user == 8)[-1]] = last
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("big", str(folder("llama")))
    made.register("small", str(folder("gpt2")))
    return made


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    return opened(store, settings, model_folder)


@pytest.fixture
def request_() -> RunRequest:
    return RunRequest(
        dataset="toy", user="u8", model="big", demos="neighbours:2", candidates=6, prescore="small"
    )


def example(entry: Any) -> Example:
    return Example(tuple(i.title for i in entry.history), entry.answer.title, entry.liked)


def test_the_kept_ones_are_the_best_of_four_times_as_many_by_the_small_models_own_prompts(
    engine: Engine, request_: RunRequest
) -> None:
    context = resolve(engine, request_)
    dataset, query = context.dataset, context.query
    pool = selection.choose(engine.store, dataset, query, "neighbours:8", 0)
    small = engine.load(engine.registered("small"))
    probes = own_probes(engine.store, dataset, query, proxy_scoring.PROBES, request_.history)
    gains = []
    for entry in pool:
        gained = []
        for probe in probes:
            assert not gives_away(entry, query, probe)
            shown = tuple(one.title for one in probe.history)
            found = rank_candidates(small, Task((example(entry),), shown, (probe.purchase.title,), 0))
            assert found.loss is not None
            assert found.loss_zero_shot is not None
            gained.append(found.loss_zero_shot - found.loss)
        gains.append(sum(gained) / len(gained))
    assert proxy_scoring.effects(context, pool) == pytest.approx(gains, abs=1e-4)
    wanted = [pool[i].demonstration.id for i in sorted(range(len(pool)), key=lambda i: gains[i])[-2:]]
    chosen = [entry.demonstration.id for entry in gather(resolve(engine, request_)).chosen]
    assert chosen == wanted
    assert chosen != [entry.demonstration.id for entry in pool[-2:]]


def test_probes_are_the_last_purchases_before_the_target(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for target, hidden in (("test", 1), ("probe", 2)):
        context = resolve(engine, replace(request_, target=target))
        dataset, query = context.dataset, context.query
        own = datasets.history(engine.store, dataset.id, query.user)
        monkeypatch.setattr(datasets, "history", None)  # which may be long: it is not read
        probes = own_probes(engine.store, dataset, query, 3, 4)
        assert [probe.purchase for probe in probes] == own[: len(own) - hidden][:-4:-1]
        for probe in probes:
            at = probe.purchase.position
            assert list(probe.history) == own[max(0, at - 4) : at]
        assert len(own_probes(engine.store, dataset, query, 99, 4)) == query.target_position - 1
        monkeypatch.undo()


def test_a_window_that_shows_the_probe_is_not_tried_on_it(engine: Engine, request_: RunRequest) -> None:
    context = resolve(engine, request_)
    dataset, query = context.dataset, context.query
    own = selection.choose(engine.store, dataset, query, "proximal:6", 0)
    probes = own_probes(engine.store, dataset, query, 3, 10)
    for entry in own:
        shown = {one.position for one in (*entry.history, entry.answer)}
        assert [gives_away(entry, query, p) for p in probes] == [p.purchase.position in shown for p in probes]
    found = proxy_scoring.effects(context, own)
    newest = max(range(len(own)), key=lambda i: own[i].answer.position)
    assert found[newest] is None
    assert any(value is not None for value in found)
    assert proxy_scoring.best([None, 0.5, None, -1.0, 0.5]) == [1, 4, 3, 0, 2]


def test_neither_the_target_nor_what_follows_decides_what_is_kept(
    tmp_path: Path, model_folder: Callable[..., Path], request_: RunRequest
) -> None:
    for target, count in (("test", 2), ("probe", 2)):
        seen = []
        for number, last in enumerate((20, 21)):
            here = Settings(home=tmp_path / f"{target}{number}", device="cpu", dtype="float32")
            with Store.open(here) as store:
                engine = opened(store, here, model_folder, last)
                inputs = gather(resolve(engine, replace(request_, target=target)))
                found = proxy_scoring.effects(inputs.context, inputs.chosen)
                seen.append(([entry.demonstration.id for entry in inputs.chosen], found))
        assert seen[0] == seen[1]
        assert len(seen[0][0]) == count


class Unseen:
    """A target that must not be looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"the target's {name} was read")


def test_the_small_model_runs_without_looking_at_the_target(engine: Engine, request_: RunRequest) -> None:
    context = resolve(engine, request_)
    blind = replace(context.query, target=Unseen())  # type: ignore[arg-type]
    spec = parse_spec("neighbours:2")
    kept = proxy_scoring.prescored(context.at(blind), spec)
    assert [e.demonstration.id for e in kept] == [
        e.demonstration.id for e in gather(resolve(engine, request_)).chosen
    ]


def test_a_run_names_the_small_models_weights_in_its_digest(engine: Engine, request_: RunRequest) -> None:
    plain = replace(request_, prescore=None)
    run = rank(engine, request_)
    assert rank(engine, request_).cached
    assert run.key != rank(engine, plain).key
    assert "prescore" not in plain.to_json()
    before = request_digest(engine.store, request_)
    folder = Path(engine.registered("small").source)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "layer_norm_epsilon": 1e-3}))
    assert not rank(engine, request_).cached or request_digest(engine.store, request_) != before


def test_a_pool_shows_the_small_models_effects_best_first(engine: Engine, request_: RunRequest) -> None:
    payload = {"request": request_.to_json(), "sources": ["neighbours", "proximal"], "size": 4}
    found = handlers.pool_job(engine, payload, quiet)["demonstrations"]
    values = [demo["prescore"] for demo in found]
    judged = [value for value in values if value is not None]
    assert judged == sorted(judged, reverse=True)
    assert values[len(judged) :] == [None] * (len(values) - len(judged))
    payload["request"] = replace(request_, prescore=None).to_json()
    plain = handlers.pool_job(engine, payload, quiet)["demonstrations"]
    assert all("prescore" not in demo for demo in plain)
    assert {demo["id"] for demo in plain} == {demo["id"] for demo in found}


def test_budgets_and_several_prompts_are_kept_to(engine: Engine, request_: RunRequest) -> None:
    budget = gather(resolve(engine, replace(request_, demos="neighbours:200t"))).chosen
    encoder = engine.load(engine.registered("big")).encoder
    total = sum(len(encoder.joined(PLAIN.form("sum").demo(example(e)))) for e in budget)
    assert 0 < total <= 200
    assert gather(resolve(engine, replace(request_, prompts=2))).prompts == (2, 2)
    assert gather(resolve(engine, replace(request_, demos="none"))).chosen == ()


def test_named_demonstrations_are_not_looked_through(request_: RunRequest) -> None:
    with pytest.raises(BadInput, match="prescore"):
        replace(request_, demonstrations=(Chosen("0123456789abcdef"),))
    with pytest.raises(BadInput, match="prescore"):
        replace(request_, prescore=" ")


def test_turns_are_written_only_where_the_small_model_has_them(
    engine: Engine, request_: RunRequest, model_folder: Callable[..., Path]
) -> None:
    engine.register("talker", str(model_folder("llama", "chat")))
    plain = replace(request_, model="talker", turns="one")
    turned = replace(plain, turns="chat")
    assert rank(engine, turned).request.turns == "chat"
    context = resolve(engine, plain)
    wide = parse_spec("neighbours:8")
    pool = selection.choose(engine.store, context.dataset, context.query, wide, 0, context.reader)
    measured = proxy_scoring.effects(resolve(engine, turned), pool)
    assert measured == proxy_scoring.effects(context, pool)
    itself = [replace(request, prescore="talker") for request in (plain, turned)]
    one, chat = (proxy_scoring.effects(resolve(engine, request), pool) for request in itself)
    assert one != chat

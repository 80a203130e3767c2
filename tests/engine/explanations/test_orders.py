"""The order map: against rankings of prompts written in each order, and of lists with the target moved."""

from collections import Counter
from dataclasses import replace
from itertools import permutations

import pytest

from db.requests import Chosen, RunRequest
from engine.context import Engine, resolve
from engine.explanations.asking import explained
from engine.explanations.orders import MOST, cells, orders
from engine.llm.scoring.modes import answered, candidate_rows
from engine.llm.scoring.packed import Prompt, ending, read
from engine.llm.scoring.ranking import log_share, prepare
from engine.tasks.inputs import gather
from engine.tasks.rank import rank


def test_every_order_is_the_ranking_of_the_prompt_written_so(engine: Engine, request_: RunRequest) -> None:
    result, run = explained(engine, "orders", request_), rank(engine, request_)
    rows = result["orders"]
    assert [tuple(row["order"]) for row in rows] == list(permutations(range(3)))
    assert result["all"]
    names = [demo["id"] for demo in run.result["demonstrations"]]
    for row in (rows[0], rows[3], rows[5]):
        chosen = tuple(Chosen(names[at], 1.0) for at in row["order"])
        other = rank(engine, replace(request_, demos="none", demonstrations=chosen)).result
        assert row["margin"] == pytest.approx(other["margin"], abs=1e-5)
        assert row["loss"] == pytest.approx(other["loss"], abs=1e-5)
        assert row["rank"] == other["metrics"]["rank"]
    assert rows[0]["margin"] == pytest.approx(run.result["margin"], abs=1e-5)


def test_weights_move_with_their_demonstrations(engine: Engine, request_: RunRequest) -> None:
    weighted = replace(request_, weights=(1.0, 0.0, 2.0))
    result = explained(engine, "orders", weighted)
    names = [demo["id"] for demo in rank(engine, request_).result["demonstrations"]]
    chosen = (Chosen(names[2], 2.0), Chosen(names[1], 0.0), Chosen(names[0], 1.0))
    other = rank(engine, replace(request_, demos="none", demonstrations=chosen)).result
    row = next(row for row in result["orders"] if row["order"] == [2, 1, 0])
    assert row["margin"] == pytest.approx(other["margin"], abs=1e-5)


def test_the_target_is_asked_for_at_every_place_of_the_list(engine: Engine, request_: RunRequest) -> None:
    places = explained(engine, "orders", request_)["places"]
    assert (places["size"], [row["place"] for row in places["rows"]]) == (6, [1, 2, 3, 4, 5, 6])
    inputs = gather(resolve(engine, replace(request_, scoring="listwise")))
    task, loaded = inputs.task(), inputs.context.loaded
    question, fitted, zero, _ = prepare(loaded, task)
    others = [place for place in question.orders[0] if place != task.target]
    for at, name, prompt in ((0, "margin", fitted), (3, "margin", fitted), (5, "without", zero)):
        placed = replace(question, orders=((*others[:at], task.target, *others[at:]),))
        whole = Prompt(prompt.encoded.ids, tuple(prompt.encoded.owners()), ())
        found = read(loaded, [ending(whole, (), candidate_rows(loaded.encoder, placed))])[0].logprobs
        truth = log_share(answered(placed, found, None).scores, task.target)
        assert places["rows"][at][name] == pytest.approx(truth, abs=1e-5)


def test_each_demonstration_stands_at_each_place_equally_often() -> None:
    for count in (2, 3, 4, 5, 7, 8, 12, 30):
        drawn = orders(count, 0)
        assert drawn[0] == tuple(range(count))
        assert count > MOST or len(drawn) <= MOST
        for place in range(count):
            assert len(set(Counter(order[place] for order in drawn).values())) == 1
            assert len({order[place] for order in drawn}) == count
    assert orders(7, 0) == orders(7, 0) != orders(7, 1)


def test_cells_are_means_around_the_mean_of_all() -> None:
    found = cells([(0, 1), (1, 0)], [2.0, 4.0])
    assert found == [[-1.0, 1.0], [1.0, -1.0]]
    assert cells([(0, 1)], [2.0]) == [[0.0, None], [None, 0.0]]

"""What the benchmarks compare gives the same answers, and their numbers add up. Times are never asserted."""

from dataclasses import replace

import pytest
import torch

from db.errors import OutOfMemory
from engine.benchmarks import bank, effects, intervals, models, pool_order, prompts, ranking
from engine.benchmarks.timing import Written, flops, sample, whole
from engine.llm.explain.effects import demonstration_effects
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.per_demo_cache import single_losses
from engine.llm.scoring.ranking import Task, prepare, rank_candidates
from engine.prompts import Example
from engine.prompts.segments import title_answer
from tests.engine.conftest import TITLES, make_loaded

DEMOS = tuple(Example((TITLES[b], TITLES[b + 1]), TITLES[b + 2]) for b in range(4))
TASK = Task(DEMOS, TITLES[2:6], TITLES[4:10], 2)


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way takes one second and this machine makes 1000 flops in one."""

    def each_once(ways, _device) -> dict[str, float]:
        for work in ways.values():
            work()
        return dict.fromkeys(ways, 1.0)

    for module in (effects, ranking, bank):
        monkeypatch.setattr(module, "rate", lambda _: 1000.0)
        monkeypatch.setattr(module, "in_turn", each_once)


def test_whole_prompts_give_the_losses_that_effects_are_of() -> None:
    loaded = make_loaded("llama", dtype=torch.float64)
    result = demonstration_effects(loaded, TASK, leave_one_out=True, mode="reprompt", measure="loss")
    rivals = effects.rivals(loaded, TASK)
    assert [len(rivals[name]) for name in effects.RIVALS] == [1, 4, effects.ABLATIONS]
    (plain,) = whole(loaded, rivals["plain"], stock=True)
    assert plain == pytest.approx(-result.gains["loss"].value, abs=1e-4)
    left = [plain - log_prob for log_prob in whole(loaded, rivals["loo"], stock=False)]
    assert left == pytest.approx(result.leave_one_out, abs=1e-4)


def test_whole_prompts_rank_as_the_shared_one() -> None:
    loaded = make_loaded("qwen3")
    truth = rank_candidates(loaded, TASK).scores
    assert whole(loaded, ranking.prompts(loaded, TASK), stock=True) == pytest.approx(truth, abs=1e-4)


def test_the_pool_scores_alike_in_every_way() -> None:
    loaded = make_loaded("llama")
    written = bank.written(loaded, TASK, DEMOS)
    truth = single_losses(loaded, TASK, DEMOS)
    assert [-v for v in whole(loaded, written, stock=True)] == pytest.approx(truth, abs=1e-4)
    assert [-v for v in bank.batched(loaded, written)] == pytest.approx(truth, abs=1e-4)


def test_a_sample_counts_the_rest_by_tokens() -> None:
    every = [Written(tuple(range(n)), 1) for n in (10, 40, 20, 30)]
    few, times = sample(every, 2)
    assert [len(p.ids) for p in few] == [20, 40]
    assert times == pytest.approx(100 / 60)
    assert sample(every, 4) == (every, 1.0)


def test_flops_are_those_of_the_products() -> None:
    loaded = make_loaded("llama")  # width 32, 4 heads of 8 over 2 key heads, 48 inside, 3 layers, 640 tokens
    layer = 32 * 32 * 2 + 32 * 16 * 2 + 3 * 32 * 48
    assert flops(loaded, 5) == 2 * 5 * 3 * layer + 4 * 3 * 32 * 15
    assert flops(loaded, 5, 7, 2) == flops(loaded, 5) + 4 * 3 * 32 * 35 + 2 * 2 * 640 * 32


def test_the_floor_of_an_estimator_is_its_suffixes() -> None:
    loaded = make_loaded("llama")
    fitted = prepare(loaded, TASK)[1]
    before = len(fitted.encoded.before("query"))
    suffix = flops(loaded, len(fitted.encoded) - before + 6, before, 7)
    exact = effects.floor(loaded, fitted, 7, "exact", 16)
    assert exact == flops(loaded, before) + 16 * suffix
    # 12 nodes are 4 intervals with 5 ends; 6 more halve one.
    assert effects.floor(loaded, fitted, 7, "aumann", 12) == flops(loaded, before) + 29 * suffix
    assert effects.floor(loaded, fitted, 7, "aumann", 18) == flops(loaded, before) + 42 * suffix


@pytest.mark.usefixtures("second")
def test_ratios_of_effects() -> None:
    loaded = make_loaded("llama")
    report = effects.effects(loaded, [TASK], [4], most=8)
    (row,) = report["rows"]
    exact = row["ways"]["exact"]
    scale = sample(effects.rivals(loaded, TASK)["ablations"], 8)[1]
    # A second, less what the prompt without demonstrations took.
    taken = exact["ms"] / 1000
    assert 0.5 < taken < 1
    assert exact["times_plain"] == pytest.approx(taken, abs=0.01)
    assert exact["faster_than_loo"] == pytest.approx(1 / taken, abs=0.01)
    assert exact["faster_than_ablations"] == pytest.approx(scale / taken, abs=0.01)
    assert row["ablations_ms"] == pytest.approx(1000 * scale, abs=0.1)
    answer = len(loaded.encoder.joined(title_answer(TITLES[6])))
    assert exact["floor_ms"] == effects.floor(loaded, prepare(loaded, TASK)[1], answer, "exact", 16)
    assert exact["passes"] == 16
    assert report["bars"][0]["holds"] is True  # once a plain forward pass: at most 2.5


@pytest.mark.usefixtures("second")
def test_ratios_of_ranking_and_bank() -> None:
    loaded = make_loaded("llama")
    report = ranking.ranking(loaded, [TASK], most=3)
    scale = sample(ranking.prompts(loaded, ranking.cut(loaded, TASK, 20)), 3)[1]
    assert report["rows"][0]["whole_ms"] == pytest.approx(1000 * scale, abs=0.1)
    pooled = bank.bank(loaded, [TASK, TASK])
    assert pooled["faster_than_batched"] == pooled["faster_than_one_by_one"] == 1.0
    assert pooled["flops_without_over_with"] > 1.2
    assert not any(threshold["holds"] for threshold in pooled["bars"])


def test_orders_of_a_pool_are_compared_with_what_each_really_does() -> None:
    loaded, pool = make_loaded("llama"), tuple(Example(TITLES[b : b + 2], TITLES[b + 3]) for b in range(5))
    task = replace(TASK, demos=DEMOS[:1], weights=(0.5,))
    truth = list(pool_order.written(loaded, task, pool, PrefillCache()))
    backwards = {pool_order.SIMILARITY: [-effect for effect in truth], pool_order.RANDOM: [0.0] * 5}
    user = pool_order.compared(loaded, task, pool, backwards)
    assert user["truth"] == pytest.approx(truth, abs=1e-6)
    found = pool_order.summed([user, user], 0)
    rows = {row["order"]: row for row in found["rows"]}
    assert rows[pool_order.ADDED]["spearman"] == pytest.approx(1)
    assert rows[pool_order.ADDED]["effect_of_its_first"] == pytest.approx(max(truth), abs=1e-4)
    assert rows[pool_order.SIMILARITY]["spearman"] == pytest.approx(-1)
    assert rows[pool_order.SIMILARITY]["effect_of_its_first"] == pytest.approx(min(truth), abs=1e-4)
    assert pool_order.RANDOM not in rows, "all equal: no order"
    assert -1 <= rows[pool_order.SLOPES]["spearman"] < 1
    assert {pool_order.ALONE, pool_order.LOSS} <= rows.keys()
    assert found["bars"][0]["holds"]


def test_coverage_is_of_the_estimate_against_all_coalitions(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, demos = make_loaded("gpt2"), tuple(Example((TITLES[b],), TITLES[b + 1]) for b in range(6))
    task = Task(demos, TITLES[2:4], TITLES[4:8], 2)
    found = intervals.intervals(loaded, [task, replace(task, target=1)])
    assert (found["k"], found["users"]) == (6, 2)
    passes = [14, 26, 38, 50]  # those told before the last
    told = [(row["measure"], row["passes"]) for row in found["rows"]]
    assert told == [(measure, taken) for measure in ("margin", "loss") for taken in passes]
    assert all(row["covered"]["mean"] >= 0.5 and row["width_mean"] > 0 for row in found["rows"])
    told = intervals.intervals(loaded, [task], "difference")
    steps, ends = told["rows"][:-2], told["rows"][-2:]
    assert [row["passes"] for row in steps] == passes * 2
    assert [row["measure"] for row in ends] == ["margin", "loss"]
    assert all(row["passes"] in {step["passes"] for step in steps} | {64} for row in ends)
    # Teeth: intervals of no width hold nothing, and the bar says so.
    honest = intervals._off
    flat = lambda near, true: honest(replace(near, reach=0 * near.reach), true)  # noqa: E731
    monkeypatch.setattr(intervals, "_off", flat)
    mutant = intervals.intervals(loaded, [task])
    assert {row["covered"]["mean"] for row in mutant["rows"]} == {0}
    assert not any(threshold["holds"] for threshold in mutant["bars"])


def test_a_shorter_list_of_candidates_keeps_the_target() -> None:
    loaded = make_loaded("llama")
    task = Task(DEMOS, TITLES[2:6], TITLES, 8)
    short = ranking.cut(loaded, task, 3)
    assert short.candidates == (*TITLES[:2], TITLES[8])
    assert short.target == 2


def test_a_random_model_is_made_in_memory_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = {"vocab_size": 4096, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    first = models.random_llama("cpu", num_attention_heads=4, **shape)
    again = models.random_llama("cpu", num_attention_heads=4, **shape)
    assert rank_candidates(first, TASK).scores == rank_candidates(again, TASK).scores
    monkeypatch.setattr(models, "available_bytes", lambda _: 1000)
    with pytest.raises(OutOfMemory, match="Nothing was created"):
        models.random_llama("cpu", num_attention_heads=4, **shape)


def test_prompts_are_of_the_simulated_store() -> None:
    with prompts.shop() as engine:
        first = prompts.tasks(engine, 2, 3, 20, items=4)
        assert first == prompts.tasks(engine, 2, 3, 20, items=4)
    for task in first:
        assert (len(task.demos), len(task.history), len(task.candidates)) == (3, 4, 20)
        assert all(1 <= len(demo.history) <= 4 for demo in task.demos)
        assert task.target is not None

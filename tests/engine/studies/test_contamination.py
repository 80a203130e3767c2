"""How far a model knows a catalogue, on a model that cannot: random weights."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from db import datasets
from db.errors import BadInput
from db.requests import RunRequest, StudyRequest
from db.store import Store
from engine.context import Engine, resolve
from engine.data.twin_titles import Twin
from engine.llm.scoring.continuations import continuations
from engine.llm.scoring.log_probs import Row, prefill, suffix_logprobs
from engine.studies import contamination as module
from engine.studies import renamed_users, title_completion
from engine.studies.title_completion import Guesser, Halved, halved, partners
from engine.tasks.inputs import gather
from tests.toys import toy_columns

PAYLOAD = {"study": "contamination", "dataset": "toy", "model": "tiny", "users": 12, "candidates": 6}
PAYLOAD |= {"demos": "neighbours:2", "history": 4}


def contamination(engine: Engine, payload: dict[str, Any], *reported: Any) -> dict[str, Any]:
    """The study's result, asked as a job's payload asks."""
    return module.run(engine, StudyRequest.from_json(payload), *reported)


def bare(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "seconds"}


@pytest.fixture
def named(engine: Engine) -> Engine:
    """With a data set `named` of forty titles of four words each."""
    columns = toy_columns(users=32, items=40, length=9)
    words = [[f"{start}{end}" for end in ("an", "or", "il", "es", "um")] for start in ("B", "T", "Gr", "Pl")]
    rows = [
        [part[(n * step + n // 5) % 5] for part, step in zip(words, (1, 2, 3, 4), strict=True)]
        for n in range(40)
    ]
    columns = replace(columns, titles=[" ".join([*row, str(n)]) for n, row in enumerate(rows)])
    datasets.insert(engine.store, "named", columns, kind="t", source="t", fingerprint="named", report={})
    return engine


def test_a_model_that_cannot_know_shows_no_sign(named: Engine, reports: Callable[..., Any]) -> None:
    told = reports()
    found = contamination(named, {**PAYLOAD, "dataset": "named"}, told)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["users"], found["titles"]) == (12, 24)
    states = {row["name"]: row["state"] for row in found["evidence"]}
    assert states["completion"] != "yes"
    assert states["likelihood"] == states["order"] == states["people"] == "no"
    assert found["verdict"] in ("none", "no titles", "unsure")
    assert found["claim"].startswith("tiny ")
    assert [(cell["row"], cell["column"]) for cell in found["cells"]] == [
        (titles, column) for titles in ("real", "twin") for column in ("zero_shot", "demonstrations")
    ]
    for row in found["evidence"]:
        assert row["difference"]["mean"] == pytest.approx(row["real"]["mean"] - row["control"]["mean"])
        assert 12 <= row["difference"]["n"] <= 24
    assert any("Made-up titles keep" in note for note in found["notes"])
    shares = [share for share, _ in told.told]
    assert shares == sorted(shares)
    rows = [row for _, table in module.tables(found) for row in table]
    assert any("made-up titles" in row[2] for row in rows)


def test_a_killed_study_resumes_and_ends_the_same(
    engine: Engine, reports: Callable[..., Any], whole_study: Callable[..., Any]
) -> None:
    whole, _ = whole_study(contamination, PAYLOAD)
    killed = reports(ends_after=4)
    with pytest.raises(KeyboardInterrupt):
        contamination(engine, PAYLOAD, killed)
    kept = json.loads(json.dumps(killed.partial))
    assert set(kept["measured"]) == {"titles/0", "user/0", "user/1"}
    assert kept["so_far"]["ndcg10"]["twin"]["zero_shot"]["n"] == 2
    assert bare(contamination(engine, PAYLOAD, reports(), kept)) == bare(whole)


def test_renaming_to_the_same_names_changes_nothing(engine: Engine) -> None:
    inputs = gather(resolve(engine, RunRequest("toy", "u5", "tiny", "neighbours:2", candidates=6, history=4)))
    found = renamed_users.measured(inputs, lambda title: title, None)
    assert found["standing"]["twin"] == found["standing"]["real"]
    assert found["shown"]["twin"] == found["shown"]["real"] == 2
    assert found["other"] is None


def test_only_titles_are_renamed(engine: Engine) -> None:
    inputs = gather(resolve(engine, RunRequest("toy", "u5", "tiny", "neighbours:2", candidates=6, history=4)))
    twin = Twin(inputs.titles, 0)
    other = renamed_users.renamed(inputs, twin.title)
    assert (other.candidates, other.item_ids, other.weights) == (
        inputs.candidates,
        inputs.item_ids,
        inputs.weights,
    )
    assert [one.demonstration for one in other.chosen] == [one.demonstration for one in inputs.chosen]
    assert [row.item_id for row in other.query.history] == [row.item_id for row in inputs.query.history]
    assert other.target_index == inputs.target_index
    assert other.titles == tuple(map(twin.title, inputs.titles))
    assert not set(other.titles) & set(inputs.titles)
    shown = [row.title for one in other.chosen for row in (*one.history, one.answer)]
    assert shown == [twin.title(row.title) for one in inputs.chosen for row in (*one.history, one.answer)]
    assert other.task().history == tuple(twin.title(title) for title in inputs.task().history)


def test_another_history_is_as_long_and_without_the_target(engine: Engine) -> None:
    contexts = [resolve(engine, RunRequest("toy", f"u{n}", "tiny", history=4)) for n in range(6)]
    histories = [context.query.history for context in contexts]
    target = contexts[0].query.target
    other = renamed_users.other_history(histories, 0, target)
    assert other is not None
    assert len(other) == 4
    assert target.item not in {row.item for row in other}
    assert renamed_users.other_history([histories[0], histories[1][:2]], 0, target) is None
    seen = replace(histories[1][0], item=target.item)
    assert renamed_users.other_history([histories[0], [seen, *histories[1][1:]]], 0, target) is None


def test_continuations_are_the_sums_and_the_choices_of_the_model(engine: Engine) -> None:
    loaded = engine.load(engine.local("tiny"))
    begun, rest = [5, 9, 33, 21], [7, 80, 12]
    written: list[int] = []
    for _ in range(3):
        written.append(
            int(prefill(loaded, [*begun, *written], [-1] * (4 + len(written))).next_logprobs.argmax())
        )
    told = continuations(loaded, begun[:2], [(begun[2:], rest), (begun[2:3], [3]), (begun[2:], written)])
    assert [one.greedy for one in told][::2] == [False, True]
    base = prefill(loaded, begun[:-1], [-1] * 3).head()
    wanted = suffix_logprobs(loaded, base, [Row((begun[-1], *ids), 3) for ids in (rest, written)])
    assert torch.tensor([told[0].logprob, told[2].logprob]) == pytest.approx(wanted.numpy(), abs=1e-4)
    assert continuations(loaded, begun, []) == []


def test_titles_are_cut_between_words(engine: Engine) -> None:
    encoder = engine.load(engine.local("tiny")).encoder
    one = halved(encoder, "Star Harbor  Deluxe Edition")
    assert one is not None
    assert str(encoder.tokenizer.decode(list(one.begun))).strip() == "Star Harbor"
    assert str(encoder.tokenizer.decode(list(one.rest))).strip() == "Deluxe Edition"
    assert halved(encoder, "Tetris") is None


def test_every_second_half_stands_behind_its_own_and_another_title() -> None:
    titles = [Halved(str(n), (n,), (n, n)) for n in range(5)] + [Halved("x", (9,), (1,))]
    found = partners(titles)
    assert found[-1] is None, "the only one as long"
    assert sorted(one.title for one in found[:-1] if one) == [str(n) for n in range(5)]
    assert all(one != other for one, other in zip(titles, found, strict=True))
    same = [Halved(str(n), (n,), (7,)) for n in range(3)]
    assert partners(same) == [None] * 3


def test_what_other_titles_give_away_is_guessed_and_a_title_does_not_help_itself() -> None:
    titles = [Halved(str(n), (n,), (100, 101)) for n in range(3)]
    titles += [Halved("far", (50,), (60, 61)), Halved("near", (0,), (70,))]
    guesser = Guesser(titles)
    assert [guesser.completes(one) for one in titles] == [False] * 5, "nothing but itself follows its words"
    repeated = [Halved("a", (1, 2), (3, 4)), Halved("b", (9, 2), (3, 4)), Halved("c", (8, 2), (5, 4))]
    assert [Guesser(repeated).completes(one) for one in repeated] == [True, True, False]
    assert [Guesser(repeated[::2]).completes(one) for one in repeated[::2]] == [False, False]


def test_a_catalogue_of_single_words_is_refused(
    engine: Engine, reports: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    monkeypatch.setattr(title_completion, "halved", lambda *_: None)
    with pytest.raises(BadInput, match="Fewer than two titles of 'toy'"):
        contamination(engine, PAYLOAD, reports())


def test_titles_are_drawn_by_purchases_and_stand_behind_others(named: Engine) -> None:
    encoder = named.load(named.local("tiny")).encoder
    titles = ["Never Bought", "Often Bought", "Often  Bought", "One", "Now And Then"]
    found = title_completion.drawn(encoder, titles, np.array([0, 5000, 5000, 9, 1]), "x")
    assert [one.title for one in found] == ["Often Bought", "Now And Then"]
    before = title_completion.lead(encoder, found)
    assert str(encoder.tokenizer.decode(list(before))).endswith("Titles:\n- Often Bought\n- Now And Then\n-")

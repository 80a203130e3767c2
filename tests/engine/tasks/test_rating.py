"""Rating prediction: the expectation over ratings as answers, and controls that know no more."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from db import datasets
from db.errors import BadInput
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine, resolve
from engine.prompts import encode, render
from engine.tasks.inputs import gather
from engine.tasks.rating import controls, rate, rate_users
from engine.tasks.templates import save
from tests.support.own_template import with_section
from tests.toys import toy_columns

ASKED = RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:2", history=3)
COLUMNS = toy_columns(users=12, items=30, length=8)


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    for name, columns in (("toy", COLUMNS), ("unrated", replace(COLUMNS, rating=None))):
        datasets.insert(store, name, columns, kind="generic", source="", fingerprint=name, report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama", "bpe")))
    return made


def test_the_prediction_is_the_expectation_over_whole_prompts(engine: Engine) -> None:
    found = rate(engine, ASKED)
    context = resolve(engine, ASKED)
    context = context.writing("rating")
    inputs, form, loaded = gather(context), context.form, context.loaded
    task = inputs.task()
    assert all(": " in item for item in task.history)
    shared = encode(loaded.encoder, render(context.template, "rating", task.demos, task.history)).ids
    asked = loaded.encoder.joined(form.ask([inputs.target.title]))
    logprobs = []
    for rating in range(1, 6):
        answer = loaded.encoder.joined((f" {rating}\n",))
        ids = torch.tensor([[*shared, *asked, *answer]])
        with torch.no_grad():
            logits = torch.log_softmax(loaded.model(ids).logits[0].double(), dim=-1)
        places = range(len(ids[0]) - len(answer) - 1, len(ids[0]) - 1)
        logprobs.append(sum(float(logits[at, token]) for at, token in zip(places, answer, strict=True)))
    share = torch.softmax(torch.tensor(logprobs, dtype=torch.float64), dim=0).numpy()
    assert [each["p"] for each in found["probabilities"]] == pytest.approx(share, abs=1e-4)
    assert found["expected"] == pytest.approx(float(share @ np.arange(1, 6)), abs=1e-3)
    assert found["error"] == pytest.approx(found["expected"] - found["actual"])


def test_a_template_needs_no_other_section_and_demonstrations_are_shown_as_in_the_prompt(
    engine: Engine, store: Store
) -> None:
    save(store, "ratings", with_section("rating", "{title}\n", "Rating: {answer}"))
    found = rate(engine, replace(ASKED, template="ratings", demos="neighbours:2"))
    first = found["demonstrations"][0]
    assert first["text"].startswith("Read:\n- ")
    assert re.search(r"\nThen:\nRating: \d\n$", first["text"])
    plain = rate(engine, ASKED)["demonstrations"][0]["text"]
    assert "with the rating given" in plain


def test_a_weight_of_zero_predicts_as_if_the_demonstrations_were_hidden(engine: Engine) -> None:
    plain = rate(engine, ASKED)
    off = rate(engine, replace(ASKED, weights=(0.0, 0.0)))
    assert off["expected"] != pytest.approx(plain["expected"], abs=1e-6)
    assert off["zero_shot"] == plain["zero_shot"]


def test_the_targets_own_rating_plays_no_part(engine: Engine, store: Store) -> None:
    place = np.flatnonzero(COLUMNS.user == 8)[-1]
    rating = COLUMNS.rating.copy()  # type: ignore[union-attr]
    rating[place] = 6 - rating[place]
    other = replace(COLUMNS, rating=rating)
    datasets.insert(store, "other", other, kind="generic", source="", fingerprint="other", report={})
    first, second = rate(engine, ASKED), rate(engine, replace(ASKED, dataset="other"))
    assert first["actual"] != second["actual"]
    assert (first["expected"], first["controls"]) == (second["expected"], second["controls"])


@pytest.mark.parametrize("target", ["test", "probe"])
@pytest.mark.parametrize("timed", [True, False])
def test_controls_are_means_of_what_was_known(engine: Engine, store: Store, target: str, timed: bool) -> None:
    columns = COLUMNS if timed else replace(COLUMNS, timestamp=None)
    if not timed:
        datasets.insert(store, "bare", columns, kind="generic", source="", fingerprint="bare", report={})
    query = resolve(engine, replace(ASKED, dataset="toy" if timed else "bare", target=target)).query
    rows = []
    for n in range(len(columns.user)):
        user, place = int(columns.user[n]), n % 8
        known = place < 8 - query.held_out
        if timed:
            known = columns.timestamp[n] < query.target_timestamp  # type: ignore[index]
        if user == query.user:
            known = place < query.target_position
        if known:
            rows.append((user, int(columns.item[n]), float(columns.rating[n])))  # type: ignore[index]

    def mean(chosen: list[float]) -> float | None:
        return sum(chosen) / len(chosen) if chosen else None

    assert controls(columns, query) == pytest.approx(
        {
            "user_mean": mean([r for user, _, r in rows if user == query.user]),
            "item_mean": mean([r for _, item, r in rows if item == query.target.item]),
            "overall_mean": mean([r for _, _, r in rows]),
        }
    )


def test_many_users_have_errors_with_intervals_and_paired_tests(engine: Engine) -> None:
    found = rate_users(engine, "toy", "tiny", ASKED.options, 8, lambda _: None)
    assert found["users"] == 8
    rows = {row["predicted_by"]: row for row in found["rows"]}
    assert list(rows) == ["model", "zero shot", "user mean", "item mean", "overall mean"]
    for row in rows.values():
        assert row["mae_low"] <= row["mae"] <= row["mae_high"]
        assert row["mae"] <= row["rmse"]
    gain = rows["zero shot"]["mae"] - rows["model"]["mae"]
    assert rows["zero shot"]["mae_minus_models"] == pytest.approx(gain)
    assert rows["model"]["p_holm"] is None


def test_what_cannot_be_rated_is_refused(engine: Engine, store: Store) -> None:
    with pytest.raises(BadInput, match="no ratings to predict"):
        rate(engine, replace(ASKED, dataset="unrated"))
    percent = replace(COLUMNS, rating=np.arange(96, dtype=np.float32))
    datasets.insert(store, "percent", percent, kind="generic", source="", fingerprint="p", report={})
    with pytest.raises(BadInput, match="96 different ratings; at most 21"):
        rate(engine, replace(ASKED, dataset="percent"))
    near = replace(COLUMNS, rating=100 + np.arange(96, dtype=np.float64) / 1e6)
    datasets.insert(store, "near", near, kind="generic", source="", fingerprint="n", report={})
    with pytest.raises(BadInput, match="every rating is 100"):  # as all of them are written
        rate(engine, replace(ASKED, dataset="near"))
    with pytest.raises(BadInput, match=r"no section \[rating\]"):
        rate(engine, replace(ASKED, template="films"))
    with pytest.raises(BadInput, match="leave out prompts"):
        rate(engine, replace(ASKED, prompts=2))

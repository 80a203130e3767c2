"""Free generation: lines matched to titles, counted without overlap, the weights acting; nothing made up."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from db import datasets
from db.datasets import Catalogue
from db.errors import BadInput
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.llm.generation.free_writing import write
from engine.llm.scoring.log_probs import prefill
from engine.tasks import free_text as module
from engine.tasks.free_text import free
from engine.tasks.templates import save
from engine.tasks.title_lines import STATUSES, compliance, normal, read
from tests.engine.conftest import make_loaded
from tests.support.own_template import with_section
from tests.toys import toy_columns

torch.set_num_threads(1)
TITLES = ["Halo 3", "Café International", "Portal 2", "Portal 2", "7. Wonders", "Tetris"]
CATALOGUE = Catalogue([f"i{n}" for n in range(6)], TITLES, torch.ones(6, dtype=torch.int64).numpy())


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama", "chat")))
    return made


def test_every_line_has_one_status() -> None:
    text = (
        ' HALO   3\n- "Cafe\u0301 International".\n2) Portal 2\n\n* portal-2\n7. Wonders\n'
        "Tetris\nHalf-Life 3\n- !!!\n"
    )
    lines = read(text, CATALOGUE, candidates=[0, 3, 1], own=[5])
    assert [line.status for line in lines] == [
        *("candidate", "candidate", "candidate", "duplicate", "catalogue", "history", "unknown"),
        "unparseable",
    ]
    assert [line.item for line in lines] == [0, 1, 3, 3, 4, 5, None, None]  # of two Portals the candidate
    counts = compliance(lines, asked=10)
    assert (counts["asked"], counts["written"], counts["candidate"], counts["share"]) == (10, 8, 3, 0.3)


@given(st.text(max_size=200))
def test_any_text_is_counted_whole(text: str) -> None:
    lines = read(text, CATALOGUE, [0, 1], [5])
    counts = compliance(lines, 10)
    assert sum(counts[status] for status in STATUSES) == counts["written"] == len(lines)
    assert all(line.item is None or normal(TITLES[line.item]) in normal(line.text) for line in lines)


def test_the_answer_of_a_model_that_obeys_is_its_list(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:2", candidates=6)
    asked: list[str] = []

    def obey(loaded, prompt, lines, most, gate):
        asked.append(loaded.tokenizer.decode(list(prompt.ids)))
        listed = asked[0].split("On offer:\n")[1].split("The ones they would")[0]
        return listed.removeprefix("-").replace("\n-", "\n -")

    monkeypatch.setattr(module, "write", obey)
    found = free(engine, request, top=6)
    assert found["compliance"]["candidate"] == 6
    assert found["compliance"]["share"] == 1
    assert [row["rank"] for row in found["items"]] == [1, 2, 3, 4, 5, 6]
    assert [row["item"] for row in found["items"] if row["is_target"]] == [found["target"]["item"]]
    assert asked[0].endswith("assistant\n-")  # the header of the chat template, then the first line begun
    assert found["prompt"]["tokens"] > 0


def test_a_random_model_obeys_nothing_and_is_told_so(engine: Engine) -> None:
    request = RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:2", candidates=6)
    found = free(engine, request, top=3)
    assert free(engine, request, top=3)["text"] == found["text"]
    assert found["compliance"]["written"] == len(found["lines"]) <= 3
    assert found["compliance"]["candidate"] == len(found["items"]) == 0
    muted = free(engine, replace(request, weights=(0.0, 0.0)), top=3)
    assert muted["text"] != found["text"]  # the sample weights act while it writes


def test_an_answer_with_faults_is_shown_them_and_asked_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:2", candidates=6)
    request = replace(request, turns="one")  # turns leave no room for the faults
    asked: list[str] = []

    def learn(loaded, prompt, lines, most, gate):
        asked.append(loaded.tokenizer.decode(list(prompt.ids)))
        listed = asked[-1].split("On offer:\n")[1].split("An earlier")[0].split("The ones they would")[0]
        right = listed.removeprefix("-").replace("\n-", "\n -").splitlines()
        return "\n".join([right[0], right[0], "No such thing"] if len(asked) < 3 else right)

    monkeypatch.setattr(module, "write", learn)
    found = free(engine, request, top=6, retries=4)
    assert len(asked) == len(found["attempts"]) == 3  # the third has no fault
    assert [each["compliance"]["candidate"] for each in found["attempts"]] == [1, 1, 6]
    assert "(named twice)" in asked[1]
    assert "No such thing (there is no such title)" in asked[1]
    assert "An earlier answer" not in asked[0]
    assert found["compliance"]["share"] == 1
    assert found["text"] == found["attempts"][2]["text"]
    assert found["attempts"][1]["tokens"]["read"] > found["attempts"][0]["tokens"]["read"]


def test_faults_know_nothing_of_the_target(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two users' views of one answer differ only by what is on offer and what they have."""
    lines = read("Halo 3\nTetris\nPortal 2\nHalf-Life", CATALOGUE, [0, 3], [5])
    attempt = module.Attempt("", lines, 0, 0)
    assert attempt.faults(4) == [("Tetris", "already bought"), ("Half-Life", "there is no such title")]
    short = module.Attempt("", read("Halo 3", CATALOGUE, [0, 3], [5]), 0, 0)
    assert short.faults(2) == [("the list", "1 of 2 titles")]


def test_of_answers_equally_good_the_first_is_taken(engine: Engine) -> None:
    request = RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:2", candidates=6)
    request = replace(request, demos="none", candidates=2)
    plain, again = free(engine, request, top=1), free(engine, request, top=1, retries=2)
    assert again["text"] == plain["text"] == again["attempts"][0]["text"]
    assert len(again["attempts"]) == 3
    assert "attempts" not in plain
    crowded = free(engine, replace(request, candidates=20, demos="neighbours:2"), top=3, retries=2)
    assert "no room" in " ".join(crowded["notes"])
    with pytest.raises(BadInput, match="from 0 to 10"):
        free(engine, request, retries=11)


def test_writing_is_greedy_and_ends_where_it_is_told() -> None:
    loaded = make_loaded("llama")
    ids = loaded.encoder.joined(("Bought:\n", "-"))
    prompt = prefill(loaded, ids, [-1] * len(ids))
    whole = write(loaded, prompt, lines=99, most=12)
    fed = list(ids)
    with torch.no_grad():
        for _ in range(12):
            logits = loaded.model(input_ids=torch.tensor([fed]), use_cache=False).logits[0, -1]
            fed.append(int(logits.argmax()))
    assert whole == loaded.tokenizer.decode(fed[len(ids) :], skip_special_tokens=True)
    assert write(loaded, prompt, lines=99, most=4) == loaded.tokenizer.decode(fed[len(ids) : len(ids) + 4])


def test_a_list_of_nothing_is_refused(engine: Engine) -> None:
    with pytest.raises(BadInput, match="from 1 up"):
        free(engine, RunRequest(dataset="toy", user="u8", model="tiny"), top=0)


def test_a_template_needs_no_other_section_and_demonstrations_are_shown_as_in_the_prompt(
    engine: Engine, store: Store
) -> None:
    save(store, "lists", with_section("free", "{count} of:\n- {candidates}\n"))
    found = free(engine, RunRequest("toy", "u8", model="tiny", demos="recent:1", template="lists"), top=2)
    assert found["demonstrations"][0]["text"].startswith("Read:\n- ")

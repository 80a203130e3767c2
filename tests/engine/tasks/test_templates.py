"""Templates in runs: what is shown is what is sent, people's own are kept, another text is another run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from db import datasets, templates, texts
from db.errors import BadInput, NotFound
from db.requests import RunRequest, request_digest
from db.runs import Run
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.jobs.handlers import HANDLERS
from engine.prompts.parse import LARGEST
from engine.tasks.rank import rank
from engine.tasks.templates import preview, save, saved_file, text_of
from tests.engine.jobs.test_folders import silent
from tests.support.own_template import WITH_YEARS, with_section
from tests.toys import toy_columns

ASKED = RunRequest(dataset="toy", user="u1", model="tiny", demos="recent:2", candidates=5)
OWN = WITH_YEARS.replace("Books read", "Books read, with their years")


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Callable[..., Path]) -> Engine:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="test", fingerprint="toy", report={})
    made = Engine(store, settings)
    made.register("tiny", str(model_folder("llama", "chat")))
    return made


def prompt(engine: Engine, run: Run) -> str:
    """The prompt that was stored with a run."""
    return texts.get(engine.store, run.result["prompt"]["hash"])


def asking(**changed: object) -> RunRequest:
    return RunRequest.from_json({**ASKED.to_json(), **changed})


@pytest.mark.parametrize("name", ["plain", "films", "tallrec", "llmrank-icl", "instructrec-task", "proximal"])
def test_a_run_is_made_with_the_prompt_that_the_preview_shows(engine: Engine, name: str) -> None:
    asked = asking(template=name)
    shown = preview(engine, asked)
    run = rank(engine, asked)
    assert run.request.template == name
    assert run.request.scoring == shown["scoring"]
    whole = [part for part in shown["segments"] if part["kind"] not in ("ask", "answer")]
    assert prompt(engine, run) == "".join(part["text"] for part in whole)
    assert run.result["prompt"]["tokens"] == sum(part["tokens"] for part in whole)
    cut = [each["index"] for each in run.result["prompt"]["dropped"] if each["kind"] == "demo"]
    assert [part["index"] for part in whole if part["kind"] == "demo"] == [n for n in (0, 1) if n not in cut]
    assert len(run.result["items"]) == 5


def test_templates_lead_to_different_runs_and_lists(engine: Engine) -> None:
    found = {name: rank(engine, asking(template=name)) for name in ("plain", "films", "llmrank-recency")}
    assert len({run.key for run in found.values()}) == 3
    assert len({tuple(item["score"] for item in run.result["items"]) for run in found.values()}) == 3


def test_auto_scoring_is_one_that_the_template_has(engine: Engine) -> None:
    assert rank(engine, asking(template="tallrec")).request.scoring == "yes_no"
    with pytest.raises(BadInput, match=r"tallrec has no section \[title\], which sum needs"):
        rank(engine, asking(template="tallrec", scoring="sum"))


def test_a_changed_text_under_one_name_is_another_run_and_the_old_one_stays(engine: Engine) -> None:
    store = engine.store
    first = save(store, "books", OWN)
    before = rank(engine, asking(template="books"))
    assert before.request.template == first.reference
    assert "(2001)" in prompt(engine, before)
    second = save(store, "books", OWN.replace("[ ({year})]", ""))
    after = rank(engine, asking(template="books"))
    assert after.request.template == second.reference
    assert after.key != before.key
    assert "(2001)" not in prompt(engine, after)
    again = rank(engine, asking(template=first.reference))
    assert again.key == before.key
    assert request_digest(store, asking(template="books")) == after.request_digest


def test_a_draft_is_shown_and_not_kept(engine: Engine) -> None:
    shown = preview(engine, ASKED, OWN)
    assert shown["segments"][0]["text"].endswith("Books read, with their years.\n")
    assert [part["kind"] for part in shown["segments"]] == ["prefix", "demo", "demo", "query", "answer"]
    assert shown["scorings"] == ["sum", "mean", "calibrated"]
    assert "draft" not in [each.name for each in templates.listing(engine.store)]
    with pytest.raises(BadInput, match="no placeholder"):
        preview(engine, ASKED, OWN.replace("{history}", "{user}"))


def test_what_is_cut_is_said(engine: Engine) -> None:
    long = OWN.replace("Books read", "Books read " + "again " * 20)
    shown = preview(engine, asking(demos="recent:12", history=40), long)
    assert shown["dropped"]
    assert shown["tokens"] <= shown["context_length"]


def test_a_file_is_kept_under_its_name(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "songs.toml"
    file.write_text(OWN)
    kept = saved_file(engine.store, str(file))
    assert (kept.name, text_of(engine.store, "songs")) == ("songs", OWN)
    file.write_text("x" * (LARGEST + 1))
    with pytest.raises(BadInput, match="at most"):
        saved_file(engine.store, str(file))
    file.write_text(OWN, encoding="utf-8-sig")  # as editors on Windows write it
    assert saved_file(engine.store, str(file)).reference == kept.reference
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="UTF-8"):
        saved_file(engine.store, str(file))
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        saved_file(engine.store, str(tmp_path / "none.toml"))
    assert text_of(engine.store, kept.reference) == OWN


def test_the_text_of_one_that_comes_with_the_program_can_be_started_from(engine: Engine) -> None:
    text = text_of(engine.store, "tallrec")
    assert save(engine.store, "tallrec-mine", text).scorings == ("yes_no",)
    with pytest.raises(NotFound):
        text_of(engine.store, "nothing")


def test_the_job_of_the_pages_gives_a_text_a_prompt_and_a_reference(engine: Engine) -> None:
    def asked(**payload: object) -> dict:
        return HANDLERS["template"](engine, payload, silent)

    assert asked(template="tallrec") == {"text": text_of(engine.store, "tallrec")}
    shown = asked(request=ASKED.to_json(), text=OWN)
    assert "Books read" in shown["segments"][0]["text"]
    assert not templates.listing(engine.store)
    kept = asked(text=OWN, save_as="books")["reference"]
    assert text_of(engine.store, kept) == OWN
    with pytest.raises(BadInput, match="taken by one that comes with the program"):
        asked(text=OWN, save_as="plain")


def test_a_template_is_kept_without_a_model_and_with_any_section(engine: Engine) -> None:
    """Neither needs a ranking prompt: a text for free answers alone is kept too."""
    free = with_section("free", "Of:\n- {candidates}\n")
    assert HANDLERS["template"](engine, {"text": free, "save_as": "words"}, silent)["reference"]
    assert templates.get(engine.store, "words").scorings == ("free",)

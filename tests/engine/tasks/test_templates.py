"""Templates in runs: what is shown is what is sent, people's own are kept, another text is another run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db import datasets, templates, texts
from db.choices import TEMPLATES
from db.errors import BadInput, NotFound
from db.requests import RunRequest, request_digest
from db.runs import Run
from db.settings import Settings
from db.store import Store
from engine.context import Engine, resolve
from engine.jobs.handlers import HANDLERS
from engine.llm.loading import loaded_models
from engine.prompts import built_in, render
from engine.prompts.parse import BUILT_IN
from engine.tasks import free_text
from engine.tasks.inputs import gather
from engine.tasks.rank import rank
from engine.tasks.template_preview import preview
from engine.tasks.templates import save, saved_file, text_of
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
    assert run.result["prompt"]["tokens"] == sum(part["length"] for part in whole)
    cut = [each["index"] for each in run.result["prompt"]["dropped"] if each["kind"] == "demo"]
    assert [part["index"] for part in whole if part["kind"] == "demo"] == [n for n in (0, 1) if n not in cut]
    assert len(run.result["items"]) == 5


def test_a_preview_reads_no_weights_and_shows_what_a_loaded_model_would(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(engine, "load", lambda info: pytest.fail("the weights were loaded"))
        first = preview(engine, asking())
        read = loaded_models.wording
        patched.setattr(loaded_models, "wording", lambda source: pytest.fail("read once more"))
        assert preview(engine, asking()) == first
        patched.setattr(loaded_models, "wording", read)
    rank(engine, asking())
    monkeypatch.setattr(loaded_models, "wording", lambda source: pytest.fail("the model is here"))
    assert preview(engine, asking()) == first


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
    assert shown["length"] <= shown["room"]


def test_a_file_is_kept_under_its_name(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "songs.toml"
    file.write_text(OWN)
    kept = saved_file(engine.store, str(file))
    assert (kept.name, text_of(engine.store, "songs")) == ("songs", OWN)
    file.write_text("x" * (templates.LARGEST + 1))
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


SECTIONS = (BUILT_IN / "plain.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("wanted", "kinds", "asked", "answer"),
    [
        ("free", ["prefix", "demo", "demo", "query", "ask"], "one title per line:\n", None),
        ("explanation", ["prefix", "demo", "demo", "query", "ask"], "in one or two sentences:\n", None),
        ("rating", ["prefix", "demo", "demo", "query", "ask", "answer"], "\nRating:", " 1\n"),
        ("summary", ["prefix", "query", "ask"], "The review in a few words:\n", None),
    ],
)
def test_sections_that_rank_nothing_are_shown_too(
    engine: Engine, wanted: str, kinds: list[str], asked: str, answer: str | None
) -> None:
    shown = preview(engine, asking(scoring="yes_no"), SECTIONS, wanted)
    assert [part["kind"] for part in shown["segments"]] == kinds
    assert (shown["scoring"], shown["unit"]) == (wanted, "token")
    said = {part["kind"]: part["text"] for part in shown["segments"]}
    assert asked in said["ask"]
    assert said.get("answer") == answer
    assert shown["length"] == sum(part["length"] for part in shown["segments"]) <= shown["room"]


def test_the_preview_of_a_rating_is_about_a_candidate_and_not_the_target(engine: Engine) -> None:
    told = []
    for user in ("u1", "u3", "u5"):
        asked = asking(user=user)
        about = [
            "".join(part["text"] for part in preview(engine, asked, SECTIONS, wanted)["segments"][kind])
            for wanted, kind in (("rating", slice(-2, -1)), (None, slice(-1, None)))
        ]
        assert about[0].startswith(about[1].rstrip()), "the first candidate, as of a ranking"
        told.append(gather(resolve(engine, asked)).target.title in about[0])
    assert not all(told), "only by chance the target"


def test_the_prompt_for_free_text_is_the_one_that_is_written_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, sent = preview(engine, asking(), SECTIONS, "free"), []

    def noted(loaded: Any, prompt: Any, *_: object) -> str:
        sent.append(loaded.tokenizer.decode(list(prompt.ids)))
        return ""

    monkeypatch.setattr(free_text, "write", noted)
    free_text.free(engine, ASKED, top=5)
    assert "".join(part["text"] for part in shown["segments"]) == sent[0]


def test_a_template_that_can_only_write_shows_that(engine: Engine) -> None:
    head, _, tail = OWN.replace("[title]", "[free]").rpartition("Then:")
    only = f"{head}Of:\n- {{candidates}}\nThen:{tail}"
    assert preview(engine, ASKED, only)["scoring"] == "free"
    assert preview(engine, ASKED, only.replace("[free]", "[explanation]").replace("candidates", "title"))[
        "scoring"
    ] == ("explanation")
    with pytest.raises(BadInput, match=r"has no section \[rating\], which rating needs"):
        preview(engine, ASKED, only, "rating")


@pytest.mark.parametrize("turns", ["one", "chat"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_no_section_shows_what_is_to_be_predicted(engine: Engine, name: str, turns: str) -> None:
    """Neither its title nor the rating that it gets; nobody else has bought it before."""
    columns = toy_columns(users=12, items=30, length=8)
    last = int(np.flatnonzero(columns.user == 1)[-1])
    columns.titles[columns.item[last]] = "Secret"
    columns.rating[last] = 4.75  # type: ignore[index]
    datasets.insert(engine.store, "secret", columns, kind="", source="", fingerprint="s", report={})
    asked = asking(dataset="secret", template=name, turns=turns, demos="neighbours:8")
    for section in built_in(name).scorings:
        context = resolve(engine, asked).writing(section)
        inputs, encoder = gather(context), context.loaded.encoder
        task = inputs.task()
        prompt = encoder.text(render(context.template, section, task.demos, task.history))
        assert inputs.chosen
        assert "Secret" not in prompt
        assert "4.75" not in prompt

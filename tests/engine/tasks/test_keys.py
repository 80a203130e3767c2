"""Keys cover all that numbers depend on: every field is changed in turn, and a new field fails the walk."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from db import datasets, runs
from db.demonstrations import hand_written, save_many
from db.requests import OptimizeRequest, RunRequest, StudyRequest, TuneRequest, request_digest
from db.sets import NamedSet
from db.settings import Settings
from db.store import Store
from engine import libraries
from engine.baselines import fitting
from engine.context import Engine, resolve
from engine.demos.named import OfSet
from engine.llm.embedding import sentence_encoder
from engine.llm.loading.identity import Identity
from engine.llm.loading.load import LoadedModel
from engine.optimize import calibration, two_stage
from engine.studies import plan
from engine.tasks import rank as ranking
from engine.tasks.hints import Hint
from engine.tasks.inputs import Control, Inputs, gather
from engine.tasks.rank import asked_here, rank, run_key
from engine.tuning import tune
from tests.toys import toy_columns

ASKED = RunRequest(dataset="toy", user="u8", model="tiny", demos="neighbours:3", candidates=6, history=3)
# Another value of every field.
CHANGED: dict[str, Any] = {
    "dataset": "twin",
    "user": "u7",
    "model": "other",
    "demos": "random:3",
    "demonstrations": (),
    "weights": (1.0, 0.5, 1.0),
    "candidates": 7,
    "candidate_kind": "popular",
    "seed": 1,
    "draw": 1,
    "scoring": "sum",
    "template": "films",
    "history": 4,
    "target": "probe",
    "hint": "popularity",
    "history_by": "semantic",
    "embedding": "/an/encoder",
    "prompts": 2,
    "perturb": "ridge:0.2",
    "prescore": "other",
    "forward": 2,
    "exclude_target_item": True,
    "control_of": "bm25",
    "turns": "chat",
    "keep": "0123456789abcdef*0.5@2",
}
# They act through which demonstrations and history they choose, and these are in the run's key.
CHOOSERS = {"draw", "embedding", "prescore", "exclude_target_item", "control_of"}
# Of what is gathered: read from the data set (whose fingerprint counts) by what else is in the key.
READ_BY_KEY = {"target_tie", "item_ids", "titles", "disliked", "optimization"}


@pytest.fixture(scope="module")
def engine(
    tmp_path_factory: pytest.TempPathFactory,
    lay_store: Callable[[Settings], None],
    saved_model: Callable[[str, str], Path],
) -> Iterator[Engine]:
    """Two data sets of equal content and two models; nothing of them is changed."""
    home = tmp_path_factory.mktemp("keys") / "home"
    settings = Settings(home=home, database_url=f"sqlite:///{home}/dualens.db", device="cpu", dtype="float32")
    lay_store(settings)
    with Store.open(settings) as store:
        for name in ("toy", "twin"):
            columns = toy_columns(users=12, items=30, length=8)
            datasets.insert(store, name, columns, kind="generic", source="", fingerprint=name, report={})
        made = Engine(store, settings)
        made.register("tiny", str(saved_model("llama", "bpe")))
        made.register("other", str(saved_model("gpt2", "bpe")))
        yield made


def another(field: str, engine: Engine | None = None) -> RunRequest:
    if field == "keep" and engine is not None:
        first = gather(resolve(engine, ASKED)).chosen[0].demonstration
        save_many(engine.store, [first])
        return replace(ASKED, keep=f"{first.id}*0.5@2")
    return replace(ASKED, **{field: CHANGED[field]})


def test_every_field_of_a_request_has_another_value_here() -> None:
    assert {field.name for field in fields(RunRequest)} == CHANGED.keys()


@pytest.mark.parametrize("field", CHANGED)
def test_another_value_of_a_field_is_another_question_and_another_run(
    engine: Engine, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentence_encoder, "encoder_revision", lambda folder, digests: folder)
    asked, changed = resolve(engine, ASKED), resolve(engine, another(field, engine))
    digests = [asked_here(context) for context in (asked, changed)]
    assert digests[0] != digests[1]
    if field not in CHOOSERS:
        assert run_key(gather(asked), asked.loaded) != run_key(gather(changed), changed.loaded)


def test_all_that_is_gathered_counts(engine: Engine) -> None:
    """Whatever way it came to be other than it was."""
    context = resolve(engine, ASKED)
    inputs, loaded = gather(context), context.loaded
    own = replace(inputs.chosen[0], demonstration=hand_written(inputs.dataset, ["A"], "B"))
    hint = Hint("popularity", ("i1",), ("A thing",))
    changed: dict[str, list[Inputs]] = {
        "context": [
            replace(inputs, context=replace(context, dataset=replace(context.dataset, fingerprint="x")))
        ],
        "query": [
            replace(inputs, query=replace(inputs.query, **change))
            for change in ({"user_id": "u9"}, {"target_position": 2}, {"history": inputs.query.history[1:]})
        ],
        "chosen": [
            replace(inputs, chosen=inputs.chosen[::-1]),
            replace(inputs, chosen=(own, *inputs.chosen[1:])),
        ],
        "weights": [replace(inputs, weights=(1.0, 1.0, 0.0))],
        "prompts": [replace(inputs, prompts=(1, 2))],
        "candidates": [replace(inputs, candidates=replace(inputs.candidates, fingerprint="x"))],
        "control": [replace(inputs, control=Control("placebo", "neighbours", {}))],
        "excluded": [replace(inputs, excluded=1)],
        "of_set": [
            replace(inputs, of_set=OfSet(NamedSet(1, 1, name, None, "", digest, (), 0.0, 0.0), [], (), ()))
            for name, digest in (("mine", "0" * 16), ("mine", "1" * 16), ("other", "1" * 16))
        ],
        "hint": [replace(inputs, hint=hint), replace(inputs, hint=replace(hint, titles=("Another",)))],
    }
    assert {field.name for field in fields(Inputs)} == changed.keys() | READ_BY_KEY
    every = [inputs, *(one for some in changed.values() for one in some)]
    keys = [run_key(one, loaded) for one in every]
    assert len(set(keys)) == len(every), [place for place, key in enumerate(keys) if keys.count(key) > 1]


def others(identity: Identity) -> list[Identity]:
    """The identity with each of its fields changed in turn."""
    return [replace(identity, **{field.name: "another"}) for field in fields(Identity)]


def test_all_that_computes_counts_in_every_key(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    context = resolve(engine, ASKED)
    inputs, loaded = gather(context), context.loaded
    assert engine.identity(context.model) == loaded.identity
    identity = loaded.identity
    optimizing = OptimizeRequest(dataset="toy", user="u8", model="tiny")
    study, tuning = StudyRequest(study="strategies", dataset="toy", model="tiny"), TuneRequest(dataset="toy")
    planned = plan.last_purchases(engine, study)

    def keys(now: Identity) -> dict[str, str]:
        monkeypatch.setattr(LoadedModel, "identity", property(lambda self: now))
        monkeypatch.setattr(Engine, "identity", lambda self, info: now)
        again = resolve(engine, replace(ASKED, prescore="other"))
        return {
            "run": run_key(inputs, loaded),
            "request": asked_here(again),
            "optimization": two_stage.key_of(resolve(engine, optimizing)),
            "calibration": calibration.key_of(resolve(engine, optimizing)),
            "study": plan.identity(engine, study, planned, {"row": context.model}),
            "tuning": tune._key(engine, tuning, context.dataset, context.model),
        }

    before = keys(identity)
    for other in others(identity):
        for name, key in keys(other).items():
            assert key != before[name], (name, other)


def test_an_identity_is_what_would_be_loaded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """auto is the dtype it comes to, and a new version of a library is another identity."""
    info = engine.registered("tiny")
    seen = {engine.identity(info)}
    for dtype in ("float64", "bfloat16", "auto"):
        monkeypatch.setattr(engine.settings, "dtype", dtype)
        seen.add(engine.identity(info))
    assert {one.dtype for one in seen} == {"float32", "float64", "bfloat16"}
    dataset = resolve(engine, ASKED).dataset
    settings = engine.settings
    trained = fitting.place(settings, dataset, "sasrec")
    libraries.versions.cache_clear()
    monkeypatch.setattr(libraries, "version", lambda name: "99.1+cpu")
    assert engine.identity(info).libraries == "torch 99.1, transformers 99.1, tokenizers 99.1"
    assert fitting.place(settings, dataset, "sasrec") != trained
    libraries.versions.cache_clear()


def test_the_chat_templates_text_counts(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    context = resolve(engine, ASKED)
    inputs, loaded = gather(context), context.loaded
    before = run_key(inputs, loaded)
    for header in (["Today", ""], ["", "Today"]):
        monkeypatch.setattr(type(loaded.encoder), "header", property(lambda self, header=header: header))
        assert run_key(inputs, loaded) != before


def test_the_engines_version_counts(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    context = resolve(engine, ASKED)
    inputs = gather(context)
    before = run_key(inputs, context.loaded)
    monkeypatch.setattr(ranking, "ENGINE_VERSION", "another")
    assert run_key(inputs, context.loaded) != before


def test_the_moment_of_an_optimization_counts(engine: Engine) -> None:
    """What may be known decides what is chosen, though the request says nothing of it."""
    context = resolve(engine, OptimizeRequest(dataset="toy", user="u8", model="tiny"))
    moments = [
        context.query,
        replace(context.query, known_until=5),
        replace(context.query, known_until=6),
        replace(context.query, target_position=3),
    ]
    assert len({two_stage.key_of(context.at(moment)) for moment in moments}) == len(moments)


def test_auto_is_not_answered_by_a_run_of_another_dtype(
    store: Store, settings: Settings, model_folder: Callable[..., Path]
) -> None:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="", fingerprint="toy", report={})
    exact = Engine(store, settings.model_copy(update={"dtype": "float64"}))
    exact.register("tiny", str(model_folder("llama")))
    first = rank(exact, ASKED)
    usual = Engine(store, settings.model_copy(update={"dtype": "auto"}))
    second = rank(usual, ASKED)
    assert (first.result["model"]["dtype"], second.result["model"]["dtype"]) == ("float64", "float32")
    assert first.key != second.key
    assert rank(exact, ASKED).key == first.key
    model_folder("llama").rename(model_folder("llama").with_name("gone"))
    served = rank(usual, ASKED)
    assert (served.key, served.cached) == (second.key, True)


def test_todays_date_stands_in_no_prompt(
    store: Store, settings: Settings, model_folder: Callable[..., Path]
) -> None:
    """A template that asks for the date is given the same one every day, and the run says so."""
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="", fingerprint="toy", report={})
    folder = model_folder("llama", "chat")
    path = folder / "chat_template.jinja"
    engine = Engine(store, settings)
    plain = rank(engine, replace(ASKED, model=str(folder)))
    path.write_text("{{ strftime_now('%d %b %Y') }}\n" + path.read_text())
    dated = rank(engine, replace(ASKED, model=str(folder)))
    loaded = resolve(engine, dated.request).loaded
    assert loaded.encoder.header[0].startswith("26 Jul 2024\n")
    assert any("26 July 2024" in note for note in dated.result["notes"])
    assert not any("date" in note for note in plain.result["notes"])
    assert plain.key != dated.key


def test_an_encoders_every_byte_is_part_of_the_question(engine: Engine, tmp_path: Path) -> None:
    part = tmp_path / "encoder" / "0_Transformer"
    part.mkdir(parents=True)
    (tmp_path / "encoder" / "modules.json").write_text(json.dumps([]))
    seen = set()
    for content in ("a", "b"):
        (part / "model.safetensors").write_text(content)
        asked = resolve(engine, replace(ASKED, embedding=str(tmp_path / "encoder")))
        seen.add(asked_here(asked))
    assert len(seen) == 2
    assert dataclasses.asdict(asked.identity) == asked.computing["model"]


def test_each_way_of_computing_is_served_its_own_run_and_pages_find_the_last(
    engine: Engine, settings: Settings
) -> None:
    """A page does not know how the engine computes: it finds whatever answered the question last."""
    store = engine.store
    asked = request_digest(store, resolve(engine, ASKED).request)
    double = Engine(store, settings.model_copy(update={"dtype": "float64"}))
    double.register("tiny", engine.registered("tiny").source)
    single, other = rank(engine, ASKED), rank(double, ASKED)
    assert single.key != other.key
    for one, run in ((engine, single), (double, other), (engine, single)):
        again = rank(one, ASKED)
        assert again.cached
        assert again.key == run.key
        found = runs.by_request(store, asked)
        assert found is not None
        assert found.key == run.key

"""Policies: the very prompts of the engine, from the file alone; and files that are none."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import dualens
from db import datasets, policies, runs, sets, texts
from db.errors import BadInput, DualensError, ModelError, NotFound
from db.requests import Chosen, RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine, resolve
from engine.jobs.handlers import HANDLERS
from engine.llm.scoring.modes import candidate_rows
from engine.llm.scoring.ranking import prepare
from engine.policy.made import NEUTRAL, export, policy_of
from engine.tasks.inputs import gather
from engine.tasks.rank import rank
from tests.engine.conftest import TOKENIZERS
from tests.toys import toy_columns

ROOT = Path(dualens.__file__).parent


@pytest.fixture
def engine(store: Store, settings: Settings) -> Engine:
    columns = toy_columns(users=12, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="t", fingerprint="toy", report={})
    return Engine(store, settings)


@pytest.fixture
def tiny(engine: Engine, model_folder: Callable[..., Path]) -> Engine:
    engine.register("tiny", str(model_folder("llama")))
    return engine


def asked(**changes: Any) -> RunRequest:
    return replace(RunRequest(dataset="toy", user="u8", model="tiny", candidates=6), **changes)


def loaded(path: Path, engine: Engine | None = None) -> Any:
    """The policy of a file; with the workspace of this engine, where one is given."""
    if engine is None:
        return dualens.load_policy(path)
    from engine.policy.deployed import Policy

    return Policy(policies.load(path), lambda: engine)


def written(engine: Engine, request: RunRequest, path: Path, fixed: bool | None = None) -> Path:
    path.write_text(policy_of(engine, request, fixed).text(), encoding="utf-8")
    return path


def read_by_the_engine(engine: Engine, request: RunRequest) -> tuple[list[list[int]], list[str], list[str]]:
    """Ids of every prompt that the engine reads for a request, without answers; history and candidates."""
    context = resolve(engine, request)
    inputs = gather(context)
    model = engine.load(context.model)
    question, fitted, _, _ = prepare(model, inputs.task())
    rows = candidate_rows(model.encoder, question)
    whole = [[*fitted.encoded.ids, *row.ids[: len(row.ids) - row.scored]] for row in rows]
    whole = whole[:: {"yes_no": 2, "listwise": len(question.candidates)}.get(question.scoring, len(rows))]
    return whole, [row.title for row in inputs.query.history], list(inputs.titles)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("scoring", ["sum", "calibrated", "yes_no", "listwise"])
def test_a_prompt_is_the_engines_token_by_token(
    engine: Engine, model_folder: Callable[..., Path], tmp_path: Path, scoring: str, tokenizer: str
) -> None:
    engine.register("tiny", str(model_folder("llama", tokenizer)))
    request = asked(scoring=scoring, demos="neighbours:3")
    path = written(engine, request, tmp_path / "policy.json", fixed=True)
    read, history, titles = read_by_the_engine(engine, request)
    prompts = loaded(path).prompts(history, titles)
    ids = [prompt.tokens["ids"] for prompt in prompts]
    assert read == ids
    for prompt in prompts:
        spans = prompt.tokens["spans"]
        assert [span["start"] for span in spans] == [0, *(span["stop"] for span in spans[:-1])]
        assert spans[-1]["stop"] == len(prompt.tokens["ids"])
        assert [s["index"] for s in spans if s["part"] == "demonstration"] == [0, 1, 2]
        kinds = {span["part"] for span in spans}
        assert {"instruction", "demonstration", "history", "query"} <= kinds
        assert ("candidates" in kinds) == (scoring in ("yes_no", "listwise"))
    assert prompts[0].text.startswith(rank_text(engine, request))


def rank_text(engine: Engine, request: RunRequest) -> str:
    return texts.get(engine.store, rank(engine, request).result["prompt"]["hash"])


def test_turns_of_a_conversation_are_messages(
    engine: Engine, model_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = model_folder("llama", "chat")
    engine.register("tiny", str(folder))
    request = asked(turns="chat", demos="neighbours:2", scoring="sum")
    path = written(engine, request, tmp_path / "policy.json", fixed=True)
    read, history, titles = read_by_the_engine(engine, request)
    prompt = loaded(path).prompt(history, titles)
    assert prompt.tokens["ids"] == read[0]
    assert [message["role"] for message in prompt.messages] == ["user", "assistant"] * 2 + ["user"]
    tokenizer = engine.load(resolve(engine, request).model).tokenizer
    by_template = tokenizer.apply_chat_template(prompt.messages, tokenize=False, add_generation_prompt=True)
    assert by_template + prompt.answer_begins == prompt.text


def test_a_strategy_chooses_for_each_user_as_the_engine_does(tiny: Engine, tmp_path: Path) -> None:
    for demos in ("neighbours:3", "bm25:2", "random:2", "proximal:2", "placebo:2"):
        path = written(tiny, asked(demos=demos), tmp_path / "policy.json")
        policy = loaded(path, tiny)
        for user in ("u8", "u3"):
            read, history, titles = read_by_the_engine(tiny, asked(demos=demos, user=user))
            assert policy.prompt(user=user).tokens["ids"] == read[0]
            assert policy.prompt(history, titles, user=user).tokens["ids"] == read[0]


def test_a_stranger_gets_neighbours_by_ids_and_by_titles(tiny: Engine, tmp_path: Path) -> None:
    policy = loaded(written(tiny, asked(demos="neighbours:2"), tmp_path / "policy.json"), tiny)
    by_id, by_title = policy.prompt(["i3", "i4"]), policy.prompt(["Café International", "tetris"])
    assert by_id.text == by_title.text
    assert "Tetris" in by_id.text
    assert [span["part"] for span in by_id.tokens["spans"]].count("demonstration") == 2


def test_ids_stand_for_titles_where_titles_are_given(tiny: Engine, tmp_path: Path) -> None:
    path = written(tiny, asked(demos="neighbours:2"), tmp_path / "policy.json", fixed=True)
    names = {"i3": "Café International", "i4": "Tetris"}
    known = dualens.load_policy(path, titles=names).prompt(["i3", "i4", "A new one"])
    assert known.text == dualens.load_policy(path).prompt([*names.values(), "A new one"]).text


def test_what_does_not_fit_is_left_out_as_the_engine_leaves_it_out(tiny: Engine, tmp_path: Path) -> None:
    request = asked(demos="neighbours:8", history=8)
    path = written(tiny, request, tmp_path / "policy.json", fixed=True)
    made = json.loads(path.read_text())
    made["model"]["context_length"] = 200
    path.write_text(json.dumps(made))
    context = resolve(tiny, request)
    inputs = gather(context)
    model = replace(tiny.load(context.model), context_length=200)
    _, fitted, _, _ = prepare(model, inputs.task())
    prompt = loaded(path).prompt([row.title for row in inputs.query.history], inputs.titles)
    assert fitted.dropped
    assert prompt.tokens["ids"] == list(fitted.encoded.ids)
    assert prompt.dropped == tuple(lost.as_dict() for lost in fitted.dropped)


def test_weights_travel_and_those_of_zero_are_left_out(tiny: Engine, tmp_path: Path) -> None:
    shown = rank(tiny, asked(demos="neighbours:3")).result["demonstrations"]
    chosen = tuple(Chosen(row["id"], weight) for row, weight in zip(shown, (0.0, 2.0, 1.0), strict=True))
    policy = policies.load(written(tiny, asked(demonstrations=chosen), tmp_path / "policy.json"))
    assert [row.weight for row in policy.demonstrations or ()] == [2.0, 1.0]
    assert len(policy.notes) == 2
    assert loaded(tmp_path / "policy.json").prompt(["Tetris"]).weights == (2.0, 1.0)


@pytest.mark.parametrize("name", NEUTRAL)
def test_what_no_prompt_carries_is_refused_by_name(tiny: Engine, name: str) -> None:
    other = {"perturb": "order", "forward": 2, "prompts": 2, "hint": "popularity", "prescore": "tiny"}
    request = asked(**{name: other.get(name, "clusters")}, demos="neighbours:1")
    with pytest.raises(BadInput, match=f"^{name}: "):
        policy_of(tiny, request)
    shown = export(tiny, request)
    assert (shown["policy"], shown["prompts"]) == (None, [])
    assert shown["why"].startswith(name)


def test_export_shows_the_prompts_of_the_run_and_its_policy(tiny: Engine) -> None:
    request = asked(demos="neighbours:2", scoring="listwise")
    for fixed in (True, False):
        shown = HANDLERS["export"](tiny, {"request": request.to_json(), "fixed": fixed}, lambda *_: None)
        read, _, _ = read_by_the_engine(tiny, request)
        assert [prompt["tokens"]["ids"] for prompt in shown["prompts"]] == read
        assert policies.read(shown["policy"]).fixed is fixed


SEEN = """
import sys
import dualens
policy = dualens.load_policy(sys.argv[1])
prompt = policy.prompt(["Tetris", "Halo 3"])
assert prompt.text and prompt.messages
heavy = {"torch", "transformers", "tokenizers"} & set(sys.modules)
assert not heavy, heavy
print(policy.prompt(["Tetris"]).tokens["spans"][-1]["stop"] > 0)
"""


def test_a_fixed_set_needs_neither_store_nor_weights(tiny: Engine, tmp_path: Path) -> None:
    path = written(tiny, asked(demos="neighbours:2", scoring="sum"), tmp_path / "policy.json", fixed=True)
    source = Path(json.loads(path.read_text())["model"]["source"])
    for weights in source.glob("*.safetensors"):
        weights.unlink()
    nowhere = tmp_path / "nowhere"
    environment = {**os.environ, "DUALENS_HOME": str(nowhere), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", SEEN, str(path)], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    assert not nowhere.exists()


@pytest.mark.parametrize(
    ("scoring", "fixed"), [("sum", True), ("yes_no", True), ("listwise", True), ("sum", False)]
)
def test_the_snippet_beside_export_runs(
    tiny: Engine, tmp_path: Path, settings: Settings, scoring: str, fixed: bool
) -> None:
    shown = export(tiny, asked(demos="neighbours:2", scoring=scoring), fixed)
    (tmp_path / "policy.json").write_text(shown["policy"], encoding="utf-8")
    home = tmp_path / "none" if fixed else settings.home
    environment = {**os.environ, "DUALENS_HOME": str(home), "PYTHONPATH": str(ROOT)}
    code = [sys.executable, "-c", shown["snippet"]]
    done = subprocess.run(code, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Title bought last" in done.stdout
    assert "'role': 'user'" in done.stdout


def test_another_workspace_is_refused_in_one_sentence(
    tiny: Engine, tmp_path: Path, store: Store, settings: Settings
) -> None:
    path = written(tiny, asked(demos="neighbours:2"), tmp_path / "policy.json")
    datasets.delete(store, "toy")
    with pytest.raises(NotFound, match=r"reads the data set 'toy' .* has no data set 'toy'"):
        loaded(path, tiny).prompt(["Tetris"])
    other = toy_columns(users=9, items=30, length=8)
    datasets.insert(store, "toy", other, kind="generic", source="t", fingerprint="other", report={})
    with pytest.raises(NotFound, match="with other content"):
        loaded(path, tiny).prompt(user="u3")


def test_another_tokenizer_is_refused(tiny: Engine, tmp_path: Path, model_folder: Any) -> None:
    path = written(tiny, asked(demos="neighbours:2", scoring="sum"), tmp_path / "policy.json", fixed=True)
    other = model_folder("llama", "metaspace")
    with pytest.raises(ModelError, match="not the one that this policy"):
        _ = dualens.load_policy(path, model=other).prompt(["Tetris"]).tokens
    with pytest.raises(ModelError, match="load_policy"):
        _ = dualens.load_policy(path, model=tmp_path / "gone").prompt(["Tetris"]).tokens


def test_what_is_no_history_is_refused(tiny: Engine, tmp_path: Path) -> None:
    path = written(
        tiny, asked(demos="neighbours:1", scoring="listwise"), tmp_path / "policy.json", fixed=True
    )
    policy = dualens.load_policy(path)
    broken: list[Any] = [[], "Tetris", None, [3], [{"name": "Tetris"}], [{"title": 3}]]
    for history in (*broken, ["a" * 20_001], ["half a character \ud800"]):
        with pytest.raises(BadInput, match=r"^history: "):
            policy.prompt(history, ["A", "B"])  # type: ignore[arg-type]
    for candidates in (None, ["a" * 20_001]):
        with pytest.raises(BadInput, match=r"^candidates: "):
            policy.prompt(["Tetris"], candidates)
    titles: Any
    for titles in (["Tetris"], {"i1": 3}, {"i1": "a" * 20_001}):
        with pytest.raises(BadInput, match=r"^titles: "):
            dualens.load_policy(path, titles=titles).prompt(["i1"], ["A", "B"])


@pytest.fixture
def sound(tiny: Engine, tmp_path: Path) -> dict[str, Any]:
    path = written(tiny, asked(demos="neighbours:1", scoring="sum"), tmp_path / "policy.json", fixed=True)
    return json.loads(path.read_text())


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "format 2, and this version": lambda p: p.update(dualens_policy=2),
    "dualens_policy is 'one'": lambda p: p.update(dualens_policy="one"),
    "dualens_policy is True": lambda p: p.update(dualens_policy=True),
    "dualens_policy is None": lambda p: p.pop("dualens_policy"),
    "history: Input should be": lambda p: p.update(history=0),
    "run: Extra inputs": lambda p: p.update(run="import os"),
    "demonstrations.0.weight": lambda p: p["demonstrations"][0].update(weight=-1),
    "demonstrations.0.answer": lambda p: p["demonstrations"][0].pop("answer"),
    "strategy is fixed exactly": lambda p: p.update(strategy="neighbours:4"),
    "model.cut is 'other'": lambda p: p["model"].update(cut="other"),
    "template: the template: introduction": lambda p: p["template"].update(text=""),
    "no placeholder": lambda p: p["template"].update(
        text=p["template"]["text"].replace("{history}", "{history.__class__}")
    ),
    "no scoring mode 'other'": lambda p: p.update(scoring="other"),
    "data.scale.high: Field required": lambda p: p["data"].update(scale={"low": 1}),
    "data.scale.x: Extra inputs": lambda p: p["data"]["scale"].update(x=1.0),
    "k is 5, and fixed has 1": lambda p: p.update(k=5),
    "control_of is 'other', not one of random": lambda p: p.update(control_of="other"),
    "unknown strategy 'other'": lambda p: p.update(strategy="other:3", demonstrations=None),
    "k is 9, and bm25:3 has 3": lambda p: p.update(strategy="bm25:3", demonstrations=None, k=9),
    "candidates.seed: Input should be less": lambda p: p["candidates"].update(seed=10**400),
}


@pytest.mark.parametrize("said", BROKEN)
def test_a_damaged_file_is_refused_in_one_sentence(sound: dict[str, Any], tmp_path: Path, said: str) -> None:
    BROKEN[said](sound)
    (tmp_path / "policy.json").write_text(json.dumps(sound))
    with pytest.raises(BadInput) as error:
        dualens.load_policy(tmp_path / "policy.json")
    assert said in str(error.value)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"dualens_policy": NaN}',
        b"x" * 5_000_000,
        b"1" * 9_999,
    ],
)
def test_what_is_no_policy_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "policy.json").write_bytes(content)
    with pytest.raises(BadInput, match="policy"):
        dualens.load_policy(tmp_path / "policy.json")
    for path in (tmp_path, tmp_path / "none.json", "a\x00b"):
        with pytest.raises(BadInput, match="cannot be read"):
            dualens.load_policy(path)


def test_a_demonstration_that_is_turned_off_by_hand_is_not_in_the_prompt(
    sound: dict[str, Any], tmp_path: Path
) -> None:
    shown = dualens.load_policy(tmp_path / "policy.json").prompt(["Tetris"])
    sound["demonstrations"][0]["weight"] = 0
    (tmp_path / "policy.json").write_text(json.dumps(sound))
    prompt = dualens.load_policy(tmp_path / "policy.json").prompt(["Tetris"])
    answer = sound["demonstrations"][0]["answer"]["title"]
    assert (answer in shown.text, answer in prompt.text, prompt.weights) == (True, False, ())


def test_a_policy_that_cannot_be_written_is_said(tiny: Engine, tmp_path: Path) -> None:
    workspace = dualens.open(tiny.settings.home, database_url=tiny.settings.database_url)
    for path in (tmp_path / "no" / "policy.json", tmp_path, "a\0b"):
        with pytest.raises(BadInput, match="cannot be written"):
            workspace.policy("toy", "u8", path, model="tiny", demos="neighbours:1", candidates=6)
    assert policies.written(tiny.store, "toy") == []


def test_hostile_titles_stay_text(tiny: Engine, tmp_path: Path) -> None:
    path = written(tiny, asked(demos="neighbours:1", scoring="sum"), tmp_path / "policy.json", fixed=True)
    title = "{title} {history.__class__} \x00tail <|end|>\n- Next:"
    prompt = dualens.load_policy(path).prompt([title])
    assert "- {title} {history.__class__} tail <|end|> - Next:\n" in prompt.text


def test_python_writes_a_file_that_python_reads(
    settings: Settings, tmp_path: Path, model_folder: Any
) -> None:
    columns = toy_columns(users=12, items=30, length=8)
    with dualens.open(settings.home, device="cpu", dtype="float32") as workspace:
        store = workspace._store
        datasets.insert(store, "toy", columns, kind="generic", source="t", fingerprint="toy", report={})
        workspace._engine.register("tiny", str(model_folder("llama")))
        path = workspace.policy("toy", "u8", tmp_path / "p.json", model="tiny", demos="neighbours:2")
        policy = dualens.load_policy(path, workspace=workspace)
        ranking = workspace.rank("toy", "u8", model="tiny", demos="neighbours:2")
        run = runs.get(store, ranking.run)
        assert policy.prompt(user="u8").text == texts.get(store, run.result["prompt"]["hash"])
        with pytest.raises(DualensError):
            workspace.policy("toy", "nobody", tmp_path / "q.json", fixed=True)
    assert not (tmp_path / "q.json").exists()


def test_a_shared_set_is_in_the_policy_whole_with_its_weights(tiny: Engine, tmp_path: Path) -> None:
    shown = rank(tiny, asked(demos="neighbours:4", user="u11")).result["demonstrations"]
    info = datasets.get(tiny.store, "toy")
    members = sets.members(
        [{**row, "weight": weight} for row, weight in zip(shown, (1, 2, 1, 1), strict=True)]
    )
    sets.save(tiny.store, info, "best", members)
    request = asked(demos="set:best", user="u1")  # who bought before most of these windows
    assert rank(tiny, request).result["set"]["unknown"], "what this user does not know yet is left out"
    policy = policies.load(written(tiny, request, tmp_path / "policy.json"))
    assert policy.fixed
    assert [row.id for row in policy.demonstrations or ()] == [row["id"] for row in shown]
    assert [row.weight for row in policy.demonstrations or ()] == [1.0, 2.0, 1.0, 1.0]
    assert dualens.load_policy(tmp_path / "policy.json").prompt(["Tetris"]).text.count("Next:") == 5


def test_what_a_strategy_cannot_choose_anew_becomes_a_fixed_set(tiny: Engine, tmp_path: Path) -> None:
    kept = rank(tiny, asked(demos="neighbours:3")).result["demonstrations"][0]["id"]
    for request in (
        asked(demos="neighbours:3", weights=(1.0, 0.0, 1.0)),
        asked(demos="neighbours:3", keep=f"{kept}*1@1"),
    ):
        assert policies.load(written(tiny, request, tmp_path / "policy.json")).fixed
        with pytest.raises(BadInput, match="so the policy is a fixed set"):
            policy_of(tiny, request, fixed=False)

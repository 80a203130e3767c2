"""A tuning from request to a model that ranks: as a job, killed in the middle, with LoRA, without an LLM."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from db import datasets, jobs, models
from db.errors import BadInput, Conflict, DualensError, ModelError
from db.requests import RunRequest, TuneRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.jobs import worker
from engine.progress import quiet
from engine.tasks.rank import rank
from engine.tasks.templates import save
from engine.tuning.trainer import Trainer
from engine.tuning.tune import tune
from tests.support.own_template import SMALLEST
from tests.toys import toy_columns

ROOT = Path(__file__).resolve().parents[3]
torch.set_num_threads(1)

Folder = Callable[..., Path]


def say(text: str) -> None:
    """Said to nobody."""


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder: Folder) -> Engine:
    """A workspace with a toy data set and a tiny model."""
    columns = toy_columns(users=40, items=30, length=8)
    datasets.insert(store, "toy", columns, kind="generic", source="t", fingerprint="toy", report={})
    engine = Engine(store, settings)
    engine.register("tiny", str(model_folder("llama")))
    return engine


def request(**fields: Any) -> TuneRequest:
    options = {
        "base": "tiny",
        "minutes": None,
        "steps": 8,
        "batch_tokens": 1024,
        "demos": 2,
        "method": "full",
    }
    return TuneRequest("toy", **{**options, **fields})


def test_a_tuned_model_is_registered_and_ranks(engine: Engine) -> None:
    done = worker.run_here(engine, "tune", request(learning_rate=3e-3).to_json(), say)
    assert {"model", "folder", "steps", "tokens", "seconds", "tokens_per_second", "flop_floor_ratio"} <= set(
        done
    )
    assert {"curve", "best", "stopped_because", "samples", "data_fingerprint", "recipe"} <= set(done)
    assert done["steps"] == 8
    assert done["curve"][-1]["validation"] < done["curve"][0]["validation"]
    folder = Path(done["folder"])
    assert {"config.json", "model.safetensors", "tokenizer.json", "RECIPE.json"} <= {
        path.name for path in folder.iterdir()
    }
    assert not [path for path in folder.iterdir() if path.suffix in (".pt", ".bin")]
    recipe = json.loads((folder / "RECIPE.json").read_text())
    assert recipe["data_fingerprint"] == datasets.get(engine.store, "toy").fingerprint
    assert recipe["recipe"]["request"]["layout"] == "recicl"
    info = models.get(engine.store, done["model"])
    assert info.scoring == recipe["scoring"]
    ranked = RunRequest("toy", "u3", model=done["model"], demos="proximal:2", candidates=6)
    base = RunRequest("toy", "u3", model="tiny", demos="proximal:2", candidates=6)
    losses = [rank(engine, wanted).result["loss"] for wanted in (ranked, base)]
    assert losses[0] < losses[1]


def test_the_same_tuning_again_trains_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tune(engine, request(), quiet)
    monkeypatch.delattr(Trainer, "run")
    assert tune(engine, request(), quiet) == first


def test_a_taken_name_is_refused_before_anything_is_trained(engine: Engine) -> None:
    first = tune(engine, request(), quiet)
    messages: list[str] = []
    with pytest.raises(Conflict, match="--name"):
        tune(engine, request(steps=4), lambda _share, message="", *_: messages.append(message))
    assert not [message for message in messages if message.startswith("step")]
    other = tune(engine, request(steps=4, name="toy-2"), quiet)
    assert (first["model"], other["model"]) == ("toy-recicl-from-tiny", "toy-2")


def test_the_base_stays_what_it_was(engine: Engine) -> None:
    loaded = engine.load(engine.registered("tiny"))
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    tune(engine, request(learning_rate=1e-2), quiet)
    after = engine.load(engine.registered("tiny")).model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_yes_and_no_answers_make_a_model_that_is_asked_so(engine: Engine) -> None:
    done = tune(engine, request(answers="yes_no", layout="single"), quiet)
    assert models.get(engine.store, done["model"]).scoring == "yes_no"
    run = rank(engine, RunRequest("toy", "u3", model=done["model"], demos="none", candidates=6))
    assert run.request.scoring == "yes_no"


def test_a_template_of_ones_own_is_trained_on_by_the_text_it_has_now(engine: Engine) -> None:
    save(engine.store, "mine", SMALLEST)
    first = tune(engine, request(template="mine", name="first"), quiet)
    named = first["recipe"]["request"]["template"]
    assert named.startswith("mine@")
    assert engine.template(named).reference == named
    save(engine.store, "mine", SMALLEST.replace("Then:", "Next:"))
    other = tune(engine, request(template="mine", name="other"), quiet)
    assert other["recipe"]["request"]["template"] != named
    assert other["folder"] != first["folder"]


def test_a_template_that_cannot_ask_so_is_refused_before_anything_is_loaded(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.llm.loading.load.load", lambda *_: pytest.fail("loaded"))
    with pytest.raises(BadInput, match=r"no section \[title\]"):
        tune(engine, request(template="recicl"), quiet)


def test_lora_changes_the_projections_and_leaves_a_plain_folder(engine: Engine) -> None:
    pytest.importorskip("peft", reason="the extra peft is not installed")
    done = tune(engine, request(method="lora", learning_rate=1e-2), quiet)
    folder = Path(done["folder"])
    assert not list(folder.glob("adapter*"))
    base = load_file(Path(models.get(engine.store, "tiny").source) / "model.safetensors")
    tuned = load_file(folder / "model.safetensors")
    assert set(tuned) == set(base)
    changed = {name.split(".")[-2] for name in base if not torch.equal(base[name], tuned[name])}
    assert changed == {"q_proj", "v_proj"}
    assert done["curve"][-1]["validation"] < done["curve"][0]["validation"]


def test_lora_learns_beside_a_base_in_half_precision(engine: Engine) -> None:
    pytest.importorskip("peft", reason="the extra peft is not installed")
    engine.settings = engine.settings.model_copy(update={"dtype": "bfloat16"})
    done = tune(engine, request(method="lora", learning_rate=1e-2, steps=20), quiet)
    assert done["curve"][-1]["validation"] < done["curve"][0]["validation"]
    weights = load_file(Path(done["folder"]) / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}


def test_lora_without_peft_says_what_to_install(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModelError, match=r"dualens\[peft\]"):
        tune(engine, request(method="lora"), quiet)


@pytest.mark.parametrize("kind", ["popularity", "itemknn", "sasrec"])
def test_conventional_recommenders_are_the_same_kind_of_job(engine: Engine, kind: str) -> None:
    job = request(kind=kind, minutes=0.05, steps=None).to_json()
    done = worker.run_here(engine, "tune", job, say)
    assert done["model"] is None
    assert Path(done["folder"]).exists()
    assert worker.run_here(engine, "tune", job, say)["loaded"]
    frozen = worker.run_here(engine, "tune", {**job, "until": 5}, say)
    assert frozen["folder"] != done["folder"]


def test_a_curve_is_there_while_it_trains(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.tuning.tune.REPORT_EVERY_S", 0.0)
    reported: list[dict[str, Any]] = []
    tune(
        engine,
        request(steps=30),
        lambda _share, _message="", partial=None: reported.append(partial) if partial else None,
    )
    curves = [len(partial["curve"]) for partial in reported]
    assert curves == sorted(curves)
    assert curves[0] < curves[-1]
    json.dumps(reported, allow_nan=False)


def test_errors_a_person_can_mend(engine: Engine) -> None:
    with pytest.raises(DualensError, match="nowhere"):
        tune(engine, request(base="nowhere"), quiet)
    long = _long_titles()
    datasets.insert(engine.store, "long", long, kind="generic", source="t", fingerprint="long", report={})
    with pytest.raises(BadInput, match="too long"):
        tune(engine, TuneRequest.from_json({**request().to_json(), "dataset": "long"}), quiet)


def _long_titles() -> Any:
    columns = toy_columns(users=40, items=30, length=8)
    return type(columns)(**{**vars(columns), "titles": ["word " * 600 + str(i) for i in range(30)]})


_TUNE = """
import json, sys
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.tuning import trainer
from engine.jobs import worker
trainer.SAVE_EVERY_S = 0.0
worker.LEASE_S = 1e6
with Store.open(Settings()) as store:
    engine = Engine(store, Settings())
    print(json.dumps(worker.run_here(engine, "tune", json.loads(sys.argv[1]), lambda text: None)))
"""


def patience(most: float) -> Callable[[float], None]:
    """A sleep that fails the test when it has slept longer than this, all calls together."""
    slept, sleep = [0.0], time.sleep

    def wait(seconds: float) -> None:
        slept[0] += seconds
        assert slept[0] <= most, f"waited {slept[0]} s for a job that was free"
        sleep(seconds)

    return wait


def test_a_killed_tuning_goes_on_from_its_checkpoint(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 in the middle; the same command ends with the loss of one that was never killed."""
    job = request(steps=30, batch_tokens=512, learning_rate=1e-3).to_json()
    environment = {
        **os.environ,
        "DUALENS_HOME": str(settings.home),
        "DUALENS_DATABASE_URL": settings.database_url,
        "DUALENS_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", _TUNE, json.dumps(job)]
    child = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        [checkpoint] = _awaited(lambda: list((settings.home / "tunings").glob("*/checkpoint.pt")))
        _awaited(lambda: _step(checkpoint) >= 5)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    at = _step(checkpoint)
    assert 5 <= at < 30
    with monkeypatch.context() as patch:
        # The lease outlasts the test: only the owner's death frees the job, seen soon after its last beat.
        patch.setattr(worker.time, "sleep", patience(4.0))
        resumed = worker.run_here(engine, "tune", job, say)
    [row] = jobs.listing(engine.store, kinds=["tune"])
    assert row.attempts == 1, "the death came after progress, which costs no attempt"
    steps = [point["step"] for point in resumed["curve"]]
    assert steps == sorted(set(steps))
    whole = worker.run_here(engine, "tune", {**job, "name": "never-killed"}, say)
    assert (resumed["steps"], resumed["tokens"]) == (whole["steps"], whole["tokens"])
    assert resumed["curve"][-1]["validation"] == pytest.approx(whole["curve"][-1]["validation"], rel=0.02)


def _awaited(look: Callable[[], Any]) -> Any:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if value := look():
            return value
        time.sleep(0.05)
    raise AssertionError("nothing came")


def _step(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, weights_only=True)["state"]["step"])

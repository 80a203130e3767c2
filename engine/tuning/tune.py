"""A tuning from request to registered model: what the `tune` job does.

A model is tuned from any base on any data set (RecICL, arXiv 2410.23136) and ends as a plain Hugging Face
folder in the workspace, registered with its recipe. A conventional recommender is fitted and kept there.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db import datasets, models, templates
from db.canonical import digest
from db.datasets import DatasetColumns, DatasetInfo
from db.errors import Conflict, ModelError
from db.models import ModelInfo
from db.names import check_name
from db.requests import TuneRequest
from db.version import ENGINE_VERSION
from engine.baselines.fitting import fitted
from engine.baselines.scorer import training_report
from engine.context import Engine
from engine.data.splits import time_periods
from engine.progress import Report
from engine.tuning.phases import Phases

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from engine.llm.loading.load import LoadedModel
    from engine.tuning.samples import Sampler
    from engine.tuning.trainer import State, Trainer
    from engine.tuning.worlds import Sample

SMALL = 100_000_000  # parameters up to which `auto` tunes all of them
RATES = {"small": 3e-4, "full": 2e-5, "lora": 2e-4}  # peak learning rates
RANK, ALPHA = 8, 16  # of LoRA (arXiv 2410.23136), on the query and value projections
REPORT_EVERY_S = 1.0
JUDGED = 50  # validating answers that decide how the tuned model scores


def tune(engine: Engine, request: TuneRequest, report: Report) -> dict[str, Any]:
    """Tune, register and describe. After a stop or a kill, the same request resumes from its checkpoint.

    Raises NotFound, BadInput, ModelError or OutOfMemory; nothing is registered then.
    """
    phases = Phases(report, request.minutes and request.minutes * 60)
    phases.begin("loading the data")
    dataset = datasets.get(engine.store, request.dataset)
    columns = datasets.columns(engine.store, dataset.id)
    if request.kind != "llm":
        return _conventional(engine, request, dataset, columns, phases)
    # By the reference that always means the same text: the model is kept under it.
    request = replace(request, template=templates.named(engine.store, request.template)[0])
    base = engine.local(request.base)
    folder = engine.settings.home / "tunings" / _key(engine, request, dataset, base)
    done = folder / "result.json"
    if not done.exists():
        _check_name(engine, request, folder / "model")
        result = _tuned(engine, request, dataset, columns, base, folder, phases)
        done.write_text(json.dumps(result, indent=1) + "\n")
        for leftover in ("checkpoint.pt", "best.pt"):
            (folder / leftover).unlink(missing_ok=True)
    result = json.loads(done.read_text())
    engine.register(result["model"], str(folder / "model"))
    return result


def _key(engine: Engine, request: TuneRequest, dataset: DatasetInfo, base: ModelInfo) -> str:
    """The name of the folder of this tuning: a digest of all that the tuned model depends on."""
    asked = {"request": request.to_json(), "data": dataset.fingerprint, "engine": ENGINE_VERSION}
    return digest({**asked, "base": engine.identity(base).as_dict()})[:16]


def _check_name(engine: Engine, request: TuneRequest, folder: Path) -> None:
    """Refuse the name of another model before hours are spent. Raises Conflict or BadInput."""
    name = check_name("model", request.name or request.usual_name)
    taken = {info.name: info.source for info in models.listing(engine.store)}.get(name)
    if taken not in (None, str(folder)):
        raise Conflict(
            f"The name {name!r} is taken by the model {taken}. That one is kept and nothing was trained. "
            "Give another name (--name)."
        )


def _tuned(
    engine: Engine,
    request: TuneRequest,
    dataset: DatasetInfo,
    columns: DatasetColumns,
    base: ModelInfo,
    folder: Path,
    phases: Phases,
) -> dict[str, Any]:
    """Train, write the model and choose how it scores; the result without registration."""
    from engine.llm.loading.load import load
    from engine.llm.loading.precision import choose_dtype
    from engine.tuning.judge import judged
    from engine.tuning.samples import Sampler
    from engine.tuning.throughput import flop_floor_ratio

    template = engine.template(request.template)
    template.form(request.scoring)  # refused before anything is loaded
    phases.begin("loading the model")
    # A model of its own: the one in memory stays as it is for rankings meanwhile.
    method = _method(request, base.parameters)
    # Updates of all parameters are too small for half precision; the finished model may be stored in it.
    loaded = load(
        base.source, engine.settings.device, "float32" if method == "full" else engine.settings.dtype
    )
    stored = choose_dtype(engine.settings.dtype, loaded.device, loaded.parameters)[0]
    model = _trainable(loaded, method, request.seed)
    gaps = method == "full" and _rotary(loaded)
    sampler = Sampler(columns, loaded.encoder, request, loaded.context_length, gaps, dataset.scale, template)
    validation = sampler.validation()
    phases.begin("training")
    trainer = _trainer(request, base, method, model, (sampler, validation), folder, phases.for_training())
    facts = {
        "model": request.name or request.usual_name,
        "folder": str(folder / "model"),
        "samples": len(sampler.material.answers),
        "trained_parameters": sum(p.numel() for p in trainer.trained.values()),
        "data_fingerprint": dataset.fingerprint,
    }
    model.train()
    state = trainer.run(_reporter(trainer, facts, phases))
    phases.partial = {**facts, **_progress(state)}
    phases.begin("saving")
    scoring = request.scoring
    result = {
        **facts,
        **_progress(state),
        "flop_floor_ratio": flop_floor_ratio(model, state, loaded.device),
        "recipe": {
            "request": request.to_json(),
            "base": {"name": base.name, "source": base.source, "revision": base.revision},
            "method": method,
            "learning_rate": trainer.rate,
            "position_gaps": gaps,
            "cut": loaded.encoder.cut,
            "dataset": dataset.name,
        },
    }
    _export(model, loaded, stored, folder / "model", {**result, "scoring": scoring})
    if scoring == "sum":
        tuned = load(str(folder / "model"), engine.settings.device)
        phases.begin("choosing how it scores")
        result["judged"] = ndcg = judged(engine.store, dataset, tuned, sampler, JUDGED, phases)
        scoring = max(ndcg, key=lambda way: ndcg[way])
        _recipe(folder / "model", {**result, "scoring": scoring})
    return {**result, "scoring": scoring, "spent": round(phases.spent, 1)}


def _trainer(
    request: TuneRequest,
    base: ModelInfo,
    method: str,
    model: PreTrainedModel,
    samples: tuple[Sampler, list[Sample]],
    folder: Path,
    seconds: float | None,
) -> Trainer:
    """The training run that the request describes, with its checkpoints in the folder.

    `samples`: what draws those to train on, and those that validate. `seconds`: for training, None: no limit.
    """
    from engine.tuning.trainer import Budget, Trainer

    usual = RATES["small" if method == "full" and base.parameters <= SMALL else method]
    return Trainer(
        model,
        samples[0].endless,
        samples[1],
        Budget(seconds, request.steps, request.patience),
        folder=folder,
        seed=request.seed,
        batch_tokens=request.batch_tokens,
        learning_rate=request.learning_rate or usual,
    )


def _reporter(trainer: Trainer, facts: dict[str, Any], phases: Phases) -> Callable[[State], None]:
    """Reports where a run stands, at most once in `REPORT_EVERY_S`."""
    reported = 0.0

    def reporter(state: State) -> None:
        nonlocal reported
        if time.monotonic() - reported < REPORT_EVERY_S:
            return
        reported = time.monotonic()
        phases.partial = {**facts, **_progress(state)}
        step = f"step {state.step}, loss {state.loss:.3f}, {_speed(state):,.0f} tokens/s"
        phases.say(trainer.budget.share(state), trainer.validating or step)

    return reporter


def _method(request: TuneRequest, parameters: int) -> str:
    if request.method == "auto":
        return "full" if parameters <= SMALL else "lora"
    return request.method


def _trainable(loaded: LoadedModel, method: str, seed: int) -> PreTrainedModel:
    """The model ready to be trained: all parameters, or LoRA beside frozen ones."""
    model = loaded.model
    model.requires_grad_(False)
    # The lens is for looking; training runs through the model's own attention.
    model.set_attn_implementation("sdpa")
    if method == "full":
        model.requires_grad_(True)
        return model
    try:
        import peft  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ModelError(
            "LoRA needs the package peft: pip install 'dualens[peft]' (in a checkout: '.[peft]'). Or "
            "tune all parameters with method full."
        ) from error
    import torch

    names = _projections(model)
    torch.manual_seed(seed)
    wrapped = peft.get_peft_model(
        model, peft.LoraConfig(task_type="CAUSAL_LM", target_modules=names, r=RANK, lora_alpha=ALPHA)
    )
    for parameter in wrapped.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return wrapped  # type: ignore[return-value]


def _projections(model: torch.nn.Module) -> list[str]:
    """Names of the query and value projections, or of the fused one, as this architecture calls them."""
    last = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    for names in (["q_proj", "v_proj"], ["qkv_proj"], ["query_key_value"], ["c_attn"]):
        if set(names) <= last:
            return names
    raise ModelError(
        f"LoRA knows no query and value projections in a {type(model).__name__}. Use the method full."
    )


def _rotary(loaded: LoadedModel) -> bool:
    """Whether positions turn keys, so that gaps between them mean distance and nothing else."""
    text = loaded.model.config.get_text_config()
    return bool(getattr(text, "rope_parameters", None) or getattr(text, "rope_theta", None))


def _speed(state: State) -> float:
    return state.tokens / max(state.working, 1e-9)


def _progress(state: State) -> dict[str, Any]:
    return {
        "steps": state.step,
        "tokens": state.tokens,
        "seconds": round(state.elapsed, 1),
        "tokens_per_second": round(_speed(state), 1),
        "best": state.best if math.isfinite(state.best) else None,
        "curve": list(state.curve),
        "stopped_because": state.stopped_because or None,
    }


def _export(
    model: PreTrainedModel, loaded: LoadedModel, dtype: torch.dtype, folder: Path, recipe: dict[str, Any]
) -> None:
    """Write a plain Hugging Face folder, whole or not at all."""
    fresh = folder.with_name("model.new")
    for leftover in (fresh, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    from engine.llm.loading.agreement import quiet

    plain: Any = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model  # type: ignore[operator]
    with quiet():
        plain.to(dtype).save_pretrained(fresh)
    loaded.tokenizer.save_pretrained(fresh)
    _recipe(fresh, recipe)
    fresh.rename(folder)


def _recipe(folder: Path, recipe: dict[str, Any]) -> None:
    (folder / "RECIPE.json").write_text(json.dumps(recipe, indent=1) + "\n")


def _conventional(
    engine: Engine, request: TuneRequest, dataset: DatasetInfo, columns: DatasetColumns, phases: Phases
) -> dict[str, Any]:
    def training(share: float | None, message: str = "", partial: dict[str, Any] | None = None) -> None:
        phases.partial = partial or phases.partial
        phases.say(share or 0.0, message)

    phases.begin("training")
    before = None
    if request.until is not None and columns.timestamp is not None:
        before = int(time_periods(columns.timestamp, request.periods)[1][request.until - 1])
    began = time.perf_counter()
    fit = fitted(
        dataset,
        lambda: columns,
        request.kind,
        request.seed,
        settings=engine.settings,
        minutes=request.minutes,
        before=before,
        progress=training,
    )
    return {
        "model": None,
        "kind": request.kind,
        "fitted_on": fit.on,
        "folder": str(fit.path),
        "loaded": fit.loaded,
        "seconds": round(time.perf_counter() - began, 2),
        "report": training_report(fit.scorer),
        "data_fingerprint": dataset.fingerprint,
        "recipe": {"request": request.to_json()},
    }

"""Loading a causal language model with its tokenizer, on a device and in a dtype chosen and explained.

`planned` reads sizes and headers and builds the model without memory; `load` gives a frozen model in
evaluation mode whose attention goes through the lens, after comparing the lens with the model's own attention
(agreement.py). `inspect` tells what `planned` found.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from db.choices import SCORINGS
from db.errors import DualensError, ModelError, OutOfMemory
from engine.libraries import versions
from engine.llm.attention import lens, linear
from engine.llm.loading.agreement import check, quiet
from engine.llm.loading.configuration import PROVEN, context_length, read_config
from engine.llm.loading.digests import Digests
from engine.llm.loading.folder import line_of
from engine.llm.loading.forms import origin_of
from engine.llm.loading.identity import Identity
from engine.llm.loading.precision import available_bytes, choose_device, choose_dtype, name_of, size_of
from engine.llm.loading.sources import Source, locate, revision
from engine.llm.loading.tensors import check_complete, check_numbers
from engine.llm.loading.tokenizer import chats, read_encoder, read_tokenizer, recipe_of, writes_turns
from engine.llm.loading.weights import headers
from engine.prompts import PieceEncoder

_KV_TOKENS = 4096  # prompt tokens whose keys and values the memory estimate counts
_SAMPLE = "Purchases in order, then the next one.\n\nBought:\n- A first thing\n- A second thing\nNext:\n-"


@dataclass(frozen=True)
class ModelFacts:
    """What the configuration alone tells. `parameters` counts every tensor once (tied weights once)."""

    name: str
    source: str
    revision: str
    architecture: str
    parameters: int
    context_length: int
    layers: int
    details: dict


@dataclass(frozen=True)
class Plan:
    """A model as it would be loaded, before a weight is read. Sizes in bytes; `files`: of the weights."""

    place: Source
    config: PretrainedConfig
    facts: ModelFacts
    device: torch.device
    dtype: torch.dtype
    reason: str
    needed: int
    free: int
    files: int

    @property
    def memory(self) -> str:
        """What it needs and what there is, in one sentence without a full stop."""
        return (
            f"{self.facts.source} needs about {size_of(self.needed)} on {self.device} in "
            f"{name_of(self.dtype)} ({self.facts.parameters:,} parameters and the keys and values of "
            f"{min(self.facts.context_length, _KV_TOKENS):,} tokens), and {size_of(self.free)} are free"
        )

    def check_memory(self) -> None:
        """Raises OutOfMemory, naming what is needed and what is free."""
        advice = "Nothing was loaded: choose a smaller model, another device, or bfloat16."
        if self.needed > self.free:
            raise OutOfMemory(f"{self.memory}. {advice}")
        weights, free = self.facts.parameters * self.dtype.itemsize, available_bytes(torch.device("cpu"))
        if self.device.type != "cpu" and weights > free:  # they pass through the machine's own memory
            raise OutOfMemory(
                f"{self.facts.source} has {size_of(weights)} of weights in {name_of(self.dtype)}, which pass "
                f"through the machine's memory, where {size_of(free)} are free. {advice}"
            )


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for use. `reason` explains device and dtype in one sentence. One thread at a time."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    encoder: PieceEncoder
    name: str
    source: str
    revision: str
    architecture: str
    parameters: int
    context_length: int
    layers: int
    device: torch.device
    dtype: torch.dtype
    reason: str
    nbytes: int = field(default=0)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Identifies the numbers this model produces."""
        return (self.source, self.revision, str(self.device), str(self.dtype))

    @property
    def dtype_name(self) -> str:
        """Such as "float32"."""
        return name_of(self.dtype)

    @property
    def identity(self) -> Identity:
        """What its numbers depend on besides what it is asked; equal to that of `identify`."""
        return Identity(self.revision, self.dtype_name, self.device.type, versions())


@dataclass(frozen=True)
class Wording:
    """What prompts are written with: a model without its weights. `context_length`: tokens."""

    tokenizer: PreTrainedTokenizerBase
    encoder: PieceEncoder
    context_length: int


def wording(source: str) -> Wording:
    """Reads configuration and tokenizer of a folder or a hub id, and no weight. Raises ModelError."""
    place = locate(source, weights=False)
    config = read_config(place.folder, source)
    tokenizer = read_tokenizer(place.folder, config)
    encoder = read_encoder(place.folder, tokenizer, config)
    return Wording(tokenizer, encoder, context_length(config))


def inspect(
    source: str, digests: Digests | None = None, turns: Mapping[str, bool] | None = None
) -> ModelFacts:
    """Reads configuration, tokenizer and the headers of the weights; the weights are only digested, and not
    again while they stay as they are. Parameters are counted without allocating them.

    turns: by revision, what `writes_turns` said before; finding out takes as long as loading the tokenizer.
    """
    place = locate(source, weights=False)
    config = read_config(place.folder, source)
    facts, _ = _shape(place, config, weights=place.local)
    known, made = turns or {}, revision(place, digests)
    converses = known[made] if made in known else writes_turns(place.folder, config)
    return replace(facts, revision=made, details={**facts.details, "turns": converses})


def identify(revision: str, parameters: int, device: str = "auto", dtype: str = "auto") -> Identity:
    """The identity that a model of this revision and size would have if it were loaded. Raises BadInput."""
    where = choose_device(device)[0]
    return Identity(revision, name_of(choose_dtype(dtype, where, parameters)[0]), where.type, versions())


def planned(source: str, device: str = "auto", dtype: str = "auto") -> Plan:
    """What loading a folder or a hub id will take; a hub id's files are fetched. Reads no weight.

    The facts have no revision yet. Raises ModelError or BadInput (unknown device or dtype).
    """
    where, why_device = choose_device(device)
    place = locate(source, weights=True)
    config = read_config(place.folder, source)
    facts, beside = _shape(place, config, weights=True)
    precision, why_dtype = choose_dtype(dtype, where, facts.parameters)
    d = facts.details
    size = int(getattr(config.get_text_config(), "head_dim", None) or d["hidden_size"] // d["heads"])
    cache = 2 * d["layers"] * d["key_value_heads"] * size * min(facts.context_length, _KV_TOKENS)
    return Plan(
        place=place,
        config=config,
        facts=facts,
        device=where,
        dtype=precision,
        reason=f"{why_device}; {why_dtype}.",
        needed=(facts.parameters + cache) * precision.itemsize + beside,
        free=available_bytes(where),
        files=headers(place.folder).nbytes,
    )


def load(
    source: str, device: str = "auto", dtype: str = "auto", digests: Digests | None = None
) -> LoadedModel:
    """Loads a folder or a hub id.

    digests: what is known of files read before. Raises ModelError (what is wrong with the model and what to
    do), OutOfMemory (needed against available bytes, before loading) or BadInput (unknown device or dtype).
    """
    return loaded(planned(source, device, dtype), digests)


def loaded(
    plan: Plan, digests: Digests | None = None, say: Callable[[str], None] = lambda _: None
) -> LoadedModel:
    """Loads what was planned. `say`: is told which part of that begins. Raises ModelError and OutOfMemory."""
    plan.check_memory()
    place, facts = plan.place, plan.facts
    tokenizer = read_tokenizer(place.folder, plan.config)
    encoder = read_encoder(place.folder, tokenizer, plan.config)
    say("reading every byte of its files")
    known = revision(place, digests)
    say(f"loading the weights, {size_of(plan.needed)} of {size_of(plan.free)} free")
    model = _weights(place, plan.config, plan.device, plan.dtype)
    say("trying it: a prompt through its own attention and ours")
    check(model, encoder.joined((_SAMPLE,)), facts.layers, f"{facts.source} ({facts.architecture})")
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        encoder=encoder,
        name=facts.name,
        source=place.source,
        revision=known,
        architecture=facts.architecture,
        parameters=facts.parameters,
        context_length=facts.context_length,
        layers=facts.layers,
        device=plan.device,
        dtype=plan.dtype,
        reason=plan.reason,
        nbytes=facts.parameters * plan.dtype.itemsize,
    )


def _shape(place: Source, config: PretrainedConfig, weights: bool) -> tuple[ModelFacts, int]:
    """The facts without a revision, and the bytes of what is no parameter. `weights`: they are there, and
    must hold as many numbers as the configuration describes."""
    stored = headers(place.folder) if weights else None
    try:
        text = config.get_text_config()
        with torch.device("meta"), quiet():
            skeleton = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        facts = ModelFacts(
            name=place.name,
            source=place.source,
            revision="",
            architecture=type(skeleton).__name__,
            parameters=skeleton.num_parameters(),
            context_length=context_length(config),
            layers=int(text.num_hidden_layers),
            details={
                "model_type": config.model_type,
                "layers": int(text.num_hidden_layers),
                "heads": int(text.num_attention_heads),
                "key_value_heads": int(
                    getattr(text, "num_key_value_heads", None) or text.num_attention_heads
                ),
                "hidden_size": int(text.hidden_size),
                "vocabulary": int(text.vocab_size),
                "sliding_window": getattr(text, "sliding_window", None),
                "chat": chats(place.folder),
                **_made_for(place),
            },
        )
        beside = sum(buffer.numel() * buffer.element_size() for buffer in skeleton.buffers())
    except Exception as error:  # a configuration of any class may fail in any way
        raise ModelError(
            f"No language model can be built from the config.json of {place.source} ({line_of(error)}). "
            f"Supported are {PROVEN} models."
        ) from error

    if stored is not None and stored.numbers < facts.parameters:
        if (place.folder / "modules.json").is_file():  # as sentence-transformers writes its folders
            raise ModelError(
                f"{place.folder} holds a sentence encoder, which writes no text and so cannot rank. Nothing "
                "was loaded. To compare titles by it, name the folder with --embedding."
            )
        raise ModelError(
            f"The weights in {place.folder} do not fit its config.json: they hold {stored.numbers:,} "
            f"numbers, and the model it describes has {facts.parameters:,}. Nothing was loaded: fetch the "
            "model again."
        )
    return facts, beside


def _made_for(place: Source) -> dict:
    """The way of scoring that the recipe names, and what the folder was unpacked from, if there is such."""
    scoring, origin = recipe_of(place.folder).get("scoring"), origin_of(place.folder)
    told = {"scoring": scoring} if isinstance(scoring, str) and scoring in SCORINGS.keys() - {"free"} else {}
    return {**told, "origin": origin} if origin else told


def _weights(
    place: Source, config: PretrainedConfig, device: torch.device, dtype: torch.dtype
) -> PreTrainedModel:
    lens.register()
    try:
        with quiet():
            model, loading = AutoModelForCausalLM.from_pretrained(  # type: ignore[reportGeneralTypeIssues]
                place.folder,
                config=config,
                dtype=dtype,
                attn_implementation=lens.NAME,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
        model = model.to(device)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(f"The memory of {device} ran out while {place.source} was loaded.") from error
    except DualensError:
        raise
    except Exception as error:  # a model of any class may fail in any way
        text = str(error)
        if "attn_implementation" in text or "AttentionInterface" in text or text == repr(lens.NAME):
            raise ModelError(
                f"{place.source}'s architecture does not offer its attention through transformers' "
                f"interface, so the lens cannot see it. Supported are {PROVEN} models."
            ) from error
        raise ModelError(f"The weights of {place.source} cannot be loaded: {line_of(error)}.") from error
    check_complete(model, loading, place.folder)
    model.requires_grad_(False)
    check_numbers(model, place.source, place.folder, dtype)
    linear.adapt(model)
    return model.eval()

"""Loading a causal language model with its tokenizer, on a device and in a dtype chosen and explained.

`load` gives a frozen model in evaluation mode whose attention goes through the lens, after comparing the lens
with the model's own attention (agreement.py). `inspect` reads the configuration only.
"""

import json
from dataclasses import dataclass, field

import psutil
import torch
from tokenizers import Tokenizer
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from db.choices import SCORINGS
from db.errors import BadInput, DualensError, ModelError, OutOfMemory
from engine.libraries import versions
from engine.llm.attention import lens, linear
from engine.llm.loading.agreement import check, quiet
from engine.llm.loading.digests import Digests
from engine.llm.loading.identity import Identity
from engine.llm.loading.sources import (
    PROVEN,
    Source,
    context_length,
    line_of,
    locate,
    read_config,
)
from engine.prompts import PieceEncoder
from engine.prompts.encode import AS_TUNED, CUTS
from engine.prompts.segments import INTRO, TAIL

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}
_LARGE = 1_000_000_000  # parameters from which a CPU with bf16 instructions uses bf16
_KV_TOKENS = 4096  # prompt tokens whose keys and values the memory estimate counts
_SAMPLE = "Purchases in order, then the next one.\n\nBought:\n- A first thing\n- A second thing\nNext:\n-"
# Where tokenizers of one family but different rules part: digits, accents (also decomposed), marks, case.
_ODD_TITLES = "\n- L'Oréal Cafe\u0301 №5 (2,400 DPI) -- 3.5mm 12-Pack!\n- iPhone's USB3.0 HDMI™ ½ 日本語\n\n"


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
        return _name(self.dtype)

    @property
    def identity(self) -> Identity:
        """What its numbers depend on besides what it is asked; equal to that of `identify`."""
        return Identity(self.revision, self.dtype_name, self.device.type, versions())


def inspect(source: str, digests: Digests | None = None) -> ModelFacts:
    """Reads configuration and tokenizer; weights are only digested, and not again while they stay as they
    are. Parameters are counted without allocating them."""
    return _facts(*_read(source, digests, weights=False))


def identify(revision: str, parameters: int, device: str = "auto", dtype: str = "auto") -> Identity:
    """The identity that a model of this revision and size would have if it were loaded. Raises BadInput."""
    where = choose_device(device)[0]
    return Identity(revision, _name(choose_dtype(dtype, where, parameters)[0]), where.type, versions())


def load(
    source: str, device: str = "auto", dtype: str = "auto", digests: Digests | None = None
) -> LoadedModel:
    """Loads a folder or a hub id.

    digests: what is known of files read before. Raises ModelError (what is wrong with the model and what to
    do), OutOfMemory (needed against available bytes, before loading) or BadInput (unknown device or dtype).
    """
    place, config = _read(source, digests, weights=True)
    facts = _facts(place, config)
    where, why_device = choose_device(device)
    precision, why_dtype = choose_dtype(dtype, where, facts.parameters)
    _check_memory(config, facts, where, precision)
    tokenizer = _tokenizer(place)
    encoder = _encoder(place, tokenizer, config)
    model = _weights(place, where, precision)
    check(model, encoder.joined((_SAMPLE,)), facts.layers, f"{facts.source} ({facts.architecture})")
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        encoder=encoder,
        name=facts.name,
        source=source,
        revision=facts.revision,
        architecture=facts.architecture,
        parameters=facts.parameters,
        context_length=facts.context_length,
        layers=facts.layers,
        device=where,
        dtype=precision,
        reason=f"{why_device}; {why_dtype}.",
        nbytes=facts.parameters * precision.itemsize,
    )


def choose_device(device: str) -> tuple[torch.device, str]:
    """The device and half a sentence on why."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0), f"On the GPU {torch.cuda.get_device_name(0)}, the first one found"
        return torch.device("cpu"), "On the CPU because no CUDA device was found"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise BadInput(f"'{device}' is not a device. Use auto, cpu or cuda.") from error
    if chosen.type not in ("cpu", "cuda"):
        raise BadInput(f"'{device}' is not a device Dualens computes on. Use auto, cpu or cuda.")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise BadInput(f"'{device}' was asked for and no such CUDA device was found. Use auto or cpu.")
    return chosen, f"On {chosen} as asked"


def choose_dtype(dtype: str, device: torch.device, parameters: int) -> tuple[torch.dtype, str]:
    """The dtype and half a sentence on why."""
    if dtype != "auto":
        if dtype not in _DTYPES:
            raise BadInput(f"'{dtype}' is not a dtype. Use auto or one of: {', '.join(_DTYPES)}.")
        return _DTYPES[dtype], f"{dtype} as asked"
    if device.type == "cuda":
        return torch.bfloat16, "bfloat16, the native format of its matrix units"
    if parameters < _LARGE:
        return torch.float32, "float32 because the model is small enough for full precision"
    able = torch.cpu.get_capabilities()
    if able.get("avx512_bf16") or able.get("amx_bf16"):
        return torch.bfloat16, "bfloat16 because the processor computes it natively and it halves the memory"
    return torch.float32, "float32 because the processor has no bfloat16 instructions"


def available_bytes(device: torch.device) -> int:
    """Memory that could be allocated now."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _read(source: str, digests: Digests | None, weights: bool) -> tuple[Source, PretrainedConfig]:
    place = locate(source, weights=weights, digests=digests)
    return place, read_config(place)


def _facts(place: Source, config: PretrainedConfig) -> ModelFacts:
    try:
        text = config.get_text_config()
        with torch.device("meta"), quiet():
            skeleton = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        return ModelFacts(
            name=place.name,
            source=place.source,
            revision=place.revision,
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
                **_made_for(place),
            },
        )
    except Exception as error:  # a configuration of any class may fail in any way
        raise ModelError(
            f"No language model can be built from the config.json of {place.source} ({line_of(error)}). "
            f"Supported are {PROVEN} models."
        ) from error


def _recipe(place: Source) -> dict:
    """The recipe of a model tuned here; empty for every other one."""
    try:
        recipe = json.loads((place.folder / "RECIPE.json").read_text())
    except (ValueError, OSError):
        return {}
    return recipe if isinstance(recipe, dict) else {}  # a file of somebody else's under the same name


def _made_for(place: Source) -> dict:
    """The way of scoring that the recipe names, if there is one."""
    scoring = _recipe(place).get("scoring")
    return {"scoring": scoring} if isinstance(scoring, str) and scoring in SCORINGS else {}


def _cut(place: Source) -> str | None:
    """How the prompts were cut that the model was tuned on; None for one that was not tuned here."""
    recipe = _recipe(place)
    tuned = recipe.get("recipe")
    if isinstance(tuned, dict):
        return tuned["cut"] if tuned.get("cut") in CUTS else AS_TUNED
    return AS_TUNED if "command" in recipe else None  # the embedded model's names the command that made it


def _check_memory(
    config: PretrainedConfig, facts: ModelFacts, device: torch.device, dtype: torch.dtype
) -> None:
    d = facts.details
    size = int(getattr(config.get_text_config(), "head_dim", None) or d["hidden_size"] // d["heads"])
    tokens = min(facts.context_length, _KV_TOKENS)
    cache = 2 * d["layers"] * d["key_value_heads"] * size * tokens
    needed, free = (facts.parameters + cache) * dtype.itemsize, available_bytes(device)
    if needed > free:
        raise OutOfMemory(
            f"{facts.source} needs about {_gib(needed)} on {device} in {_name(dtype)} "
            f"({facts.parameters:,} parameters and the keys and values of {tokens:,} tokens), and "
            f"{_gib(free)} are free. Nothing was loaded: choose a smaller model, another device, or bfloat16."
        )


def _tokenizer(place: Source) -> PreTrainedTokenizerBase:
    """The tokenizer as its tokenizer.json says.

    For some model types AutoTokenizer builds the family's usual rules around the file's vocabulary; a model
    whose own tokenizer.json says otherwise would then be fed other tokens than it was trained on.
    """
    written = place.folder / "tokenizer.json"
    try:
        with quiet():
            found = AutoTokenizer.from_pretrained(
                place.folder, trust_remote_code=False, local_files_only=True
            )
            if not written.exists():
                return found
            truth = Tokenizer.from_file(str(written)).encode(_ODD_TITLES, add_special_tokens=False).ids
            if list(found.encode(_ODD_TITLES, add_special_tokens=False)) == truth:
                return found
            return PreTrainedTokenizerFast.from_pretrained(place.folder, local_files_only=True)
    except Exception as error:  # the tokenizers library raises bare Exception for a broken file
        raise ModelError(f"The tokenizer in {place.folder} cannot be read: {error}.") from error


def _encoder(place: Source, tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig) -> PieceEncoder:
    encoder = PieceEncoder(tokenizer, _cut(place))
    ids = encoder.joined((INTRO, "Bought:\n", "-", " A title\n", TAIL))
    if not ids:
        raise ModelError(f"The tokenizer in {place.folder} turns text into no tokens at all.")
    vocabulary = int(config.get_text_config().vocab_size)
    if max(ids) >= vocabulary:
        raise ModelError(
            f"The tokenizer in {place.folder} does not belong to this model: it gives token {max(ids)}, "
            f"and the model knows {vocabulary}."
        )
    return encoder


def _weights(place: Source, device: torch.device, dtype: torch.dtype) -> PreTrainedModel:
    lens.register()
    try:
        with quiet():
            model, loading = AutoModelForCausalLM.from_pretrained(  # type: ignore[reportGeneralTypeIssues]
                place.folder,
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
    lacking = sorted(loading["missing_keys"]) + sorted(str(k[0]) for k in loading["mismatched_keys"])
    if lacking:
        raise ModelError(
            f"The weights in {place.folder} do not fit its config.json: {len(lacking)} tensors are missing "
            f"or have another shape, the first is {lacking[0]}."
        )
    model.requires_grad_(False)
    linear.quicken(model)
    return model.eval()


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"

"""Where a model comes from: a folder or a hub id, checked before a single weight is read.

Everything ends as a local folder. Only safetensors weights are ever fetched or opened, and no code of a
model's own is run (trust_remote_code stays off). Raises ModelError with what is wrong and what to do.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub import errors as hub_errors
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from db.errors import ModelError
from engine.llm.loading.digests import Digests

PROVEN = "Llama, Qwen2, Qwen3, Mistral, Phi3, GPT-NeoX, GPT-2 and OPT"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
# Configuration, tokenizer, chat template and recipe: all that is read beside the weights.
_SMALL = ["*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.vocab", "*.spm", "*.bpe", "*.codes"]
_TOKENIZER = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_OF_THIS_PROCESS = Digests()


@dataclass(frozen=True)
class Source:
    """A model's files on this machine. `revision` changes whenever config, tokenizer or weights change."""

    name: str
    source: str
    folder: Path
    revision: str


def locate(source: str, *, weights: bool = True, digests: Digests | None = None) -> Source:
    """The folder of a model. A hub id is downloaded (weights only if asked for) or taken from the cache.

    digests: what is known of files read before.
    """
    folder = Path(source).expanduser()
    if folder.exists():
        _check_folder(folder)
        if weights:
            weight_files(folder)
        return Source(folder.resolve().name, source, folder, revision_of(folder, digests))
    if not _HUB_ID.fullmatch(source):
        raise ModelError(f"There is no folder {folder}. Give a model's folder, or a hub id such as org/name.")
    folder = _from_hub(source, weights)
    _check_folder(folder)
    if weights:
        weight_files(folder)
    return Source(source.split("/")[-1], source, folder, folder.name)


def read_config(place: Source) -> PretrainedConfig:
    """The model's configuration, refused where the engine cannot treat the architecture exactly."""
    raw = _json(place.folder / "config.json")
    kind = raw.get("model_type")
    if kind not in CONFIG_MAPPING:
        if raw.get("auto_map"):
            raise ModelError(
                f"{place.source} works only with Python code that comes with the model (auto_map in its "
                f"config.json), and Dualens never runs a model's own code. Supported are {PROVEN} models."
            )
        raise ModelError(
            f"{place.source} has the unknown architecture '{kind}' (model_type in config.json). "
            f"Supported are {PROVEN} models, and others built on transformers' attention interface."
        )
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ModelError(
            f"{place.source} is a '{kind}' model, which is not a causal language model. "
            f"Supported are {PROVEN} models."
        )
    try:
        config = AutoConfig.from_pretrained(place.folder, trust_remote_code=False, local_files_only=True)
    except (ValueError, OSError, TypeError, KeyError, hub_errors.StrictDataclassError) as error:
        raise ModelError(f"The config.json in {place.folder} cannot be used: {line_of(error)}.") from error
    text = config.get_text_config()
    odd = set(getattr(text, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if odd:
        raise ModelError(
            f"{place.source} has layers of type {', '.join(sorted(odd))}; the lens needs plain softmax "
            f"attention (full or sliding window). Supported are {PROVEN} models."
        )
    if getattr(text, "attn_logit_softcapping", None):
        raise ModelError(
            f"{place.source} caps its attention scores (attn_logit_softcapping), under which the dual-model "
            f"identities do not hold. Supported are {PROVEN} models."
        )
    return config


def context_length(config: PretrainedConfig) -> int:
    """Tokens a prompt may have. RoPE that changes with the length is used only up to where it is constant."""
    text = config.get_text_config()
    names = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")
    sizes = [int(getattr(text, n)) for n in names if isinstance(getattr(text, n, None), int)]
    length = sizes[0] if sizes else 2048
    rope = getattr(text, "rope_parameters", None) or {}
    if rope.get("rope_type") in ("dynamic", "longrope"):
        original = rope.get("original_max_position_embeddings") or getattr(
            text, "original_max_position_embeddings", None
        )
        length = min(length, int(original or length))
    return length


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files, each opened once so that a truncated or broken one is found before loading."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        shards = sorted({folder / name for name in _json(index).get("weight_map", {}).values()})
    else:
        shards = [folder / "model.safetensors"]
    if not index.exists() and not shards[0].exists():
        if any(found for pattern in _PICKLES for found in folder.glob(pattern)):
            raise ModelError(
                f"{folder} has its weights only as pickle files (.bin or .pt), which can run code when "
                "opened. Dualens opens safetensors only: convert them with model.save_pretrained(folder)."
            )
        raise ModelError(f"{folder} has no weights: model.safetensors is missing.")
    for shard in shards:
        if not shard.exists():
            raise ModelError(f"{folder} is incomplete: {shard.name} is missing. Fetch it again.")
        try:
            with safe_open(shard, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"The weights file {shard} is damaged ({line_of(error)}). Nothing was loaded; fetch it again."
            ) from error
    return shards


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ModelError(f"{folder} is a file. Give the folder that holds config.json and model.safetensors.")
    if not (folder / "config.json").exists():
        raise ModelError(f"{folder} is not a model's folder: it has no config.json.")
    if not any((folder / name).exists() for name in _TOKENIZER):
        raise ModelError(
            f"{folder} has no tokenizer (tokenizer.json or tokenizer.model). Save it beside the weights with "
            "tokenizer.save_pretrained(folder)."
        )


def _from_hub(name: str, weights: bool) -> Path:
    patterns = [*_SMALL, "*.safetensors"] if weights else _SMALL
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except (hub_errors.GatedRepoError, hub_errors.RepositoryNotFoundError) as error:
        raise ModelError(
            f"The hub has no model '{name}' that can be read from here, and there is no folder of that name. "
            "Check the spelling, or log in with `hf auth login` if it is private."
        ) from error
    except hub_errors.HFValidationError as error:
        raise ModelError(f"'{name}' is neither a folder nor a hub id ({line_of(error)}).") from error
    except (hub_errors.LocalEntryNotFoundError, hub_errors.HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"There is no folder '{name}', and the model hub cannot be reached from here ({line_of(error)}). "
            "Give a folder, or try again with a network."
        ) from error


def revision_of(folder: Path, digests: Digests | None = None, *, deep: bool = False) -> str:
    """Digest of every byte that is read of a model's folder; `deep`: of its subfolders too."""
    known = digests or _OF_THIS_PROCESS
    names = [f"**/{pattern}" if deep else pattern for pattern in [*_SMALL, "*.safetensors"]]
    files = sorted({file for name in names for file in folder.glob(name) if file.is_file()})
    whole = hashlib.sha256()
    for file in files:
        name = file.relative_to(folder).as_posix()
        whole.update(f"{name}\0{file.stat().st_size}\0{known.of(file)}\n".encode())
    return whole.hexdigest()[:12]


def _json(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ModelError(f"{path} cannot be read as JSON ({line_of(error)}).") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} must hold a JSON object.")
    return found


def line_of(error: BaseException) -> str:
    """An exception's first line, without a final full stop."""
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".")

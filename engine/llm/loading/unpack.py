"""Writing a model of another form as a folder of safetensors, in the process that tries it.

GGUF is read by transformers and its quantized weights are computed back to plain numbers, which the lens
needs; so are folders of quantized weights. An adapter is added to the weights of its base (W + scale * B A,
LoRA, arXiv 2106.09685). The folder appears whole or not at all. Raises ModelError or OutOfMemory.
"""

import functools
import importlib.util
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import gguf
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS
from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

from db.errors import DualensError, ModelError, OutOfMemory
from engine.llm.loading import quantized
from engine.llm.loading.agreement import quiet
from engine.llm.loading.configuration import PROVEN, read_config
from engine.llm.loading.folder import (
    ADAPTER,
    CONFIG,
    check_file,
    check_folder,
    files_read,
    line_of,
    read_json,
)
from engine.llm.loading.forms import ADAPTER_WEIGHTS, ORIGIN, Packed, base_of, unfinished
from engine.llm.loading.precision import available_bytes, choose_dtype, name_of, size_of
from engine.llm.loading.sources import locate
from engine.llm.loading.tensors import check_complete, check_used
from engine.llm.loading.tokenizer import read_tokenizer
from engine.llm.loading.weights import described
from engine.progress import tell

# How text is split before it becomes tokens: the rules that transformers knows, and those that come to the
# same as its usual one (smollm: no token joins digits, so splitting them or not is one).
_SPLITS = {"default", "gpt-2", "smollm", *GGUF_PRE_TOKENIZER_SPLITS}
_PLAIN = {"F64": torch.float32, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_CPU = torch.device("cpu")


def unpack(model: Packed, folder: Path) -> None:
    """Write it to `folder`, unless that is there already."""
    if folder.is_dir():
        return
    fresh = unfinished(folder, os.getppid())
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        origin = _FORMS[model.form](model.path, fresh)
        (fresh / ORIGIN).write_text(json.dumps(origin, indent=1, sort_keys=True), encoding="utf-8")
        if not folder.is_dir():  # another process was quicker
            fresh.rename(folder)
    except DualensError:
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(f"The memory ran out while {model.path} was unpacked.") from error
    except OSError as error:
        raise ModelError(f"{model.path} could not be unpacked to {folder}: {line_of(error)}.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _from_gguf(file: Path, folder: Path) -> dict[str, Any]:
    with _read_once():
        head = _head(file)
        numbers, kinds = _checked(file, head)
        # Vectors (norms, biases) are always float32 in GGUF; what counts is what the matrices are.
        usual = Counter(tensor.tensor_type.name for tensor in head.tensors if len(tensor.shape) > 1)
        plain = kinds <= _PLAIN.keys()
        dtype = _PLAIN[usual.most_common(1)[0][0]] if plain else choose_dtype("auto", _CPU, numbers)[0]
        told = {
            "form": "GGUF",
            "file": file.name,
            "architecture": _value(file, head, "general.architecture"),
            "quantization": usual.most_common(1)[0][0],
            "licence": _value(file, head, "general.license"),
            "stored_as": name_of(dtype),
        }
        _check_room(file, numbers, dtype, folder, f"{told['quantization']}, {size_of(file.stat().st_size)}")
        tell(None, f"reading {file.name}: {told['architecture']}, {told['quantization']}")
        try:
            with quiet():
                config = AutoConfig.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
                config.save_pretrained(folder)
                config = read_config(folder, str(file))
                _tokenizer(file, config).save_pretrained(folder)
                tell(None, f"computing the weights of {file.name} back from {told['quantization']}")
                model, loading = AutoModelForCausalLM.from_pretrained(  # type: ignore[reportGeneralTypeIssues]
                    file.parent,
                    gguf_file=file.name,
                    config=config,
                    dtype=dtype,
                    quantization_config=GgufConfig(dequantize=True),
                    trust_remote_code=False,
                    local_files_only=True,
                    output_loading_info=True,
                )
        except (DualensError, torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:  # a file of any content may fail in any way
            raise ModelError(f"{file} cannot be read as a model: {line_of(error)}.") from error
    check_complete(model, loading, folder)
    _save(model, folder)
    return told


@contextmanager
def _read_once() -> Iterator[None]:
    """transformers parses the whole head of a file anew for configuration, tokenizer and weights, seconds
    each; inside the block they share one."""
    real = gguf.GGUFReader
    shared = functools.lru_cache(maxsize=1)(lambda path: real(path))
    gguf.GGUFReader = lambda path, *_: shared(os.path.realpath(path))  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        gguf.GGUFReader = real  # type: ignore[misc]


def _head(file: Path) -> gguf.GGUFReader:
    try:
        return gguf.GGUFReader(file)
    except Exception as error:  # numpy's errors for whatever a damaged file says
        raise ModelError(f"{file} is damaged or cut off ({line_of(error)}). Fetch it again.") from error


def _value(file: Path, head: gguf.GGUFReader, key: str) -> Any:
    field = head.get_field(key)
    try:
        return None if field is None else field.contents()
    except Exception as error:  # such as a text that is none
        raise ModelError(f"{file} is damaged ({key}: {line_of(error)}). Fetch it again.") from error


def _checked(file: Path, head: gguf.GGUFReader) -> tuple[int, set[str]]:
    """How many numbers it holds, and in which types; what transformers would read wrongly is refused."""
    kind = _value(file, head, "general.architecture")
    if kind not in GGUF_SUPPORTED_ARCHITECTURES:
        raise ModelError(
            f"{file} has the architecture {str(kind)[:40]!r}, which cannot be read from GGUF. Supported are "
            f"{PROVEN} models, and of GGUF: {', '.join(sorted(GGUF_SUPPORTED_ARCHITECTURES))}."
        )
    if not head.tensors:
        raise ModelError(f"{file} holds no weights, only what describes them. Give the file of the model.")
    scaled = _value(file, head, f"{kind}.rope.scaling.type") not in (None, "none")
    if any(tensor.name == "rope_freqs.weight" for tensor in head.tensors) or scaled:
        raise ModelError(
            f"{file} scales its positions (rope_freqs or rope.scaling), which transformers leaves out when "
            "it reads GGUF: every number would be a little wrong. Take the model's safetensors version."
        )
    rule = _value(file, head, "tokenizer.ggml.pre")
    if rule is not None and rule not in _SPLITS:
        raise ModelError(
            f"{file} splits text by the rule {str(rule)[:40]!r}, which transformers does not know from GGUF: "
            "prompts would get other tokens than the model learned. Take the model's safetensors version."
        )
    kinds = {tensor.tensor_type.name for tensor in head.tensors}
    return sum(prod(int(size) for size in tensor.shape) for tensor in head.tensors), kinds


def _tokenizer(file: Path, config: Any) -> Any:
    try:
        return AutoTokenizer.from_pretrained(
            file.parent, gguf_file=file.name, config=config, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:
        raise ModelError(
            f"The tokenizer in {file} cannot be read: {line_of(error)}. Take the model's safetensors version."
        ) from error


def _from_adapter(adapter: Path, folder: Path) -> dict[str, Any]:
    told = read_json(adapter / ADAPTER)
    base = base_of(adapter)
    _check_adapter(adapter, told)
    if importlib.util.find_spec("peft") is None:
        raise ModelError(
            f"{adapter} is an adapter of {base}, and the package that merges adapters is not installed: pip "
            "install peft (in a checkout: pip install '.[peft]')."
        )
    from peft import PeftModel  # pyright: ignore[reportMissingImports]

    try:
        place = locate(base)
    except ModelError as error:
        raise ModelError(
            f"The base model of the adapter {adapter} is not there: {error} Its place stands in {ADAPTER}, "
            "as base_model_name_or_path."
        ) from error
    config = read_config(place.folder, base)
    tell(None, f"adding the adapter to {base}")
    with quiet():
        whole, loading = AutoModelForCausalLM.from_pretrained(  # type: ignore[reportGeneralTypeIssues]
            place.folder,
            config=config,
            dtype="auto",
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
        check_complete(whole, loading, place.folder)
        try:
            adapted = PeftModel.from_pretrained(whole, str(adapter))
            # Again, as only this says which tensors found no place and which were not there.
            loaded = adapted.load_adapter(str(adapter), "default")
            merged = adapted.merge_and_unload()
        except Exception as error:  # of any shape and class
            raise ModelError(
                f"The adapter {adapter} does not fit its base model {base}: {line_of(error)}."
            ) from error
    if left := sorted((*loaded.missing_keys, *loaded.unexpected_keys)):
        raise ModelError(
            f"The adapter {adapter} does not fit its base model {base}: {len(left)} tensors are missing in "
            f"the one or have no place in the other, the first is {left[0][:100]}. Name the base model that "
            f"it was trained with in {ADAPTER}, or fetch it again."
        )
    _save(merged, folder)
    own = adapter if (adapter / "tokenizer_config.json").is_file() else place.folder
    read_tokenizer(own, config).save_pretrained(folder)
    return {"form": "adapter", "file": adapter.name, "base": base, "rank": told.get("r")}


def _check_adapter(adapter: Path, told: dict) -> None:
    if told.get("peft_type") != "LORA":
        raise ModelError(
            f"{adapter} is an adapter of the kind {str(told.get('peft_type'))[:40]!r}. LoRA adapters can be "
            "merged; for others save the merged model with peft."
        )
    weights = adapter / ADAPTER_WEIGHTS
    if not weights.exists():
        pickled = (
            " Its adapter_model.bin can run code when opened." * (adapter / "adapter_model.bin").exists()
        )
        raise ModelError(f"{adapter} has no adapter_model.safetensors.{pickled} Save it as safetensors.")
    check_file(weights)


def _from_quantized(source: Path, folder: Path) -> dict[str, Any]:
    check_folder(source)
    told = quantized.check(source)
    config, (weights, stored) = read_config(source, str(source), packed=True), described(source)
    quantized.check_stored(source, told, stored)
    method, kind = quantized.METHODS[quantized.method_of(told)], quantized.label(told)
    try:
        with torch.device("meta"), quiet():
            skeleton = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        numbers = skeleton.num_parameters()
        dtype = choose_dtype("auto", _CPU, numbers)[0]
        _check_room(source, numbers, dtype, folder, f"{kind}, {size_of(weights.nbytes)}")
        tell(None, f"computing the weights of {source.name} back from {kind}")
        config.quantization_config = {**told, **(method.options or {})}
        with quiet():
            model, loading = AutoModelForCausalLM.from_pretrained(  # type: ignore[reportGeneralTypeIssues]
                source,
                config=config,
                dtype=dtype,
                device_map={"": "cpu"},
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
            if method.options is None:
                model = model.dequantize(dtype=dtype)
    except (DualensError, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # a configuration of any content may fail in any way
        raise ModelError(
            f"The weights of {source} ({kind}) cannot be computed back: {line_of(error)}. Take the model's "
            "bfloat16 or float16 version."
        ) from error
    check_complete(model, loading, source)
    check_used(model, loading, source, quantized.BESIDE)
    for file in files_read(source):
        if file.suffix != ".safetensors" and file.name != CONFIG and not file.name.endswith(".index.json"):
            shutil.copyfile(file, folder / file.name)
    _save(model, folder, as_read=False)  # which would quantize them again
    return {"form": "quantized", "file": source.name, "quantization": kind, "stored_as": name_of(dtype)}


def _save(model: PreTrainedModel, folder: Path, *, as_read: bool = True) -> None:
    """Without what transformers notes of the form that it came from, which would keep it from being saved.

    as_read: in the layout that it was read from.
    """
    model.is_quantized = False  # type: ignore[assignment]
    for holder, name in (
        (model, "hf_quantizer"),
        (model, "quantization_method"),
        (model.config, "quantization_config"),
    ):
        if getattr(holder, name, None) is not None:
            delattr(holder, name)
    tell(None, "writing the weights")
    with quiet():
        model.save_pretrained(folder, save_original_format=as_read)


def _check_room(file: Path, numbers: int, dtype: torch.dtype, folder: Path, what: str) -> None:
    """Memory and disk for the weights as plain numbers: each tensor passes through float32."""
    size = numbers * dtype.itemsize
    memory, disk = available_bytes(_CPU), shutil.disk_usage(folder).free
    needs = (
        f"{file.name} ({what}) has {numbers:,} weights, which are {size_of(size)} in {name_of(dtype)} when "
        "computed back to plain numbers"
    )
    tell(None, needs)
    if 2 * size > memory:
        raise OutOfMemory(
            f"{needs}. Unpacking takes {size_of(2 * size)} of memory, and {size_of(memory)} are free. "
            "Nothing was unpacked: take a smaller model."
        )
    if size > disk:
        raise ModelError(
            f"{needs}. The disk of the workspace has {size_of(disk)} free. Nothing was unpacked."
        )


_FORMS = {"gguf": _from_gguf, "adapter": _from_adapter, "quantized": _from_quantized}

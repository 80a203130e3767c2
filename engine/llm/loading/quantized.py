"""Folders of quantized weights: which of them are computed back to plain numbers, and by what.

Told by quantization_config in config.json and by the headers of the weights; reads no weight.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.errors import ModelError
from engine.llm.loading.folder import CONFIG, read_json

KEY = "quantization_config"  # in config.json
_BNB = "bitsandbytes"
_INSTALL = "pip install {} (in a checkout: pip install '.[quantized]')"
_INSTEAD = "Take the model's bfloat16 or float16 version, or a GGUF file of it."


@dataclass(frozen=True)
class Method:
    """How transformers computes weights back. `package`: what that needs, empty for nothing. `options`: of
    the configuration, that do it as the weights are read; without any it is done once they are."""

    package: str = ""
    options: Mapping[str, Any] | None = None


METHODS = {
    _BNB: Method("bitsandbytes"),
    "compressed-tensors": Method("compressed-tensors", {"dequantize": True}),
    "fp8": Method(options={"dequantize": True}),
}
# What else transformers reads, as people call it: it computes with the packed weights only, or is not tried.
_PACKED = {
    "aqlm": "AQLM",
    "auto-round": "AutoRound",
    "awq": "AWQ",
    "bitnet": "BitNet",
    "eetq": "EETQ",
    "fbgemm_fp8": "FBGEMM fp8",
    "fp_quant": "FP-Quant",
    "gptq": "GPTQ",
    "higgs": "HIGGS",
    "hqq": "HQQ",
    "metal": "Metal",
    "mxfp4": "MXFP4",
    "mxfp8": "MXFP8",
    "nvfp4": "NVFP4",
    "quanto": "Quanto",
    "quark": "Quark",
    "spqr": "SpQR",
    "torchao": "torchao",
    "vptq": "VPTQ",
}
_FP8, _SCALE = "F8_E4M3", "_scale_inv"
# What may be left over of a quantized layer: scales of activations, keys and values, which are no weights.
_OF_ACTIVATIONS = (
    "input_scale",
    "input_zero_point",
    "input_global_scale",
    "output_scale",
    "activation_scale",
)
BESIDE = (*_OF_ACTIVATIONS, "k_scale", "v_scale", "kv_scale", "inv_freq")


def is_quantized(folder: Path) -> bool:
    """Whether a model's config.json says so; False too where it cannot be read."""
    try:
        return (folder / CONFIG).is_file() and bool(read_json(folder / CONFIG).get(KEY))
    except ModelError:  # said by whoever reads the folder
        return False


def method_of(told: Any) -> str:
    """The name of the method that a quantization_config tells of; empty where it tells none."""
    if not isinstance(told, dict):
        return ""
    if told.get("load_in_8bit") or told.get("load_in_4bit"):  # the first ones had no name for it
        return _BNB
    name = told.get("quant_method")
    return name if isinstance(name, str) else ""


def label(told: dict) -> str:
    """The method and its kind, such as "bitsandbytes nf4"."""
    name = method_of(told)
    kind = told.get("bnb_4bit_quant_type", "fp4") if told.get("load_in_4bit") else "int8"
    kind = {_BNB: kind, "compressed-tensors": told.get("format")}.get(name)
    return f"{name} {str(kind)[:40]}" if kind else name


def refusal(source: str, told: Any) -> str:
    """Why weights quantized like that cannot be computed back here, in a sentence; empty where they can."""
    name = method_of(told)
    if name in METHODS:
        package = METHODS[name].package
        if not package or importlib.util.find_spec(package.replace("-", "_")) is not None:
            return ""
        return (
            f"{source} is quantized ({name}), and the package that computes its weights back to plain "
            f"numbers is not installed: {_INSTALL.format(package)}. Or take the model's bfloat16 or float16 "
            "version."
        )
    if name in _PACKED:
        return (
            f"{source} is quantized ({_PACKED[name]}), which is not computed back to the plain numbers that "
            f"the dual model needs. {_INSTEAD}"
        )
    said = repr(name or (told.get("quant_method") if isinstance(told, dict) else told))
    return (
        f"{source} is quantized in a way that is not known ({said[:40]}; {KEY} in {CONFIG}). Known are "
        f"{', '.join(sorted(METHODS))} and GGUF. {_INSTEAD}"
    )


def check(folder: Path) -> dict:
    """The quantization_config of a folder whose weights can be computed back here. Raises ModelError."""
    told = read_json(folder / CONFIG).get(KEY)
    if (why := refusal(str(folder), told)) or not isinstance(told, dict):
        raise ModelError(why)
    groups = told.get("config_groups")
    several = isinstance(groups, dict) and len(groups) > 1
    if several or told.get("transform_config"):
        how = "in several ways at once (config_groups)" if several else "after a rotation (transform_config)"
        raise ModelError(
            f"{folder} is quantized {how}, of which transformers would compute only a part back. {_INSTEAD}"
        )
    return told


def check_stored(folder: Path, told: dict, stored: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
    """Raises ModelError where fp8 weights have no scale, or blocks that transformers would lay elsewhere.

    stored: dtype and shape of every tensor. transformers divides a weight evenly by its number of scales,
    which is another place for every block after the first where the last one is smaller.
    """
    if method_of(told) != "fp8":
        return
    blocks = told.get("weight_block_size", (128, 128))
    blocks = blocks if isinstance(blocks, list | tuple) and len(blocks) == 2 else (0, 0)
    for name, (dtype, shape) in stored.items():
        if dtype != _FP8:
            continue
        if name + _SCALE not in stored:
            raise ModelError(
                f"The tensor {name} of {folder} is fp8 and has no scale ({name}{_SCALE}), without which its "
                f"numbers are not known. {_INSTEAD}"
            )
        scales = stored[name + _SCALE][1]
        grid = (1, 1) if len(scales) < 2 and sum(scales) < 2 else scales
        if len(grid) != len(shape) or any(
            count not in (1, side) and side != count * block
            for side, count, block in zip(shape[-2:], grid[-2:], blocks, strict=False)
        ):
            raise ModelError(
                f"The tensor {name} of {folder} is no whole number of blocks: it is {shape}, its scales are "
                f"{scales}, and {KEY} says blocks of {str(told.get('weight_block_size'))[:40]}. {_INSTEAD}"
            )

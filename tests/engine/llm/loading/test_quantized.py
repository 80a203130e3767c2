"""Folders of quantized weights are computed back once, exactly; what cannot be is one sentence."""

import importlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from db.errors import ModelError, OutOfMemory
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.llm.loading import quantized
from engine.llm.loading import unpack as unpacking
from engine.llm.loading.forms import Packed, origin_of, packed
from engine.llm.loading.load import load
from engine.llm.loading.unpack import unpack
from engine.llm.scoring.ranking import rank_candidates
from tests.engine.llm.loading.test_load import TASK
from tests.support import trying

BLOCK = 8
FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [BLOCK, BLOCK]}


def says(folder: Path, told: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), quantized.KEY: told}))
    return folder


def fp8(folder: Path, **told: object) -> dict[str, torch.Tensor]:
    """Quantize a folder's linear layers in blocks; the numbers that they then stand for."""
    held, meant = load_file(folder / "model.safetensors"), {}
    for name in [name for name in held if "_proj." in name]:
        rows, columns = held[name].shape
        blocks = held[name].reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
        scale = blocks.abs().amax((1, 3), keepdim=True) / 448
        small = (blocks / scale).to(torch.float8_e4m3fn)
        meant[name] = (small.float() * scale).reshape(rows, columns)
        held[name], held[f"{name}_scale_inv"] = small.reshape(rows, columns), scale[:, 0, :, 0].clone()
    save_file(held, folder / "model.safetensors", {"format": "pt"})
    says(folder, {**FP8, **told})
    return meant


@pytest.fixture
def engine(store: Store, settings: Settings) -> Engine:
    return Engine(store, settings)


def test_fp8_is_computed_back_exactly(model_folder, tmp_path: Path) -> None:
    folder = model_folder()
    whole, meant = load_file(folder / "model.safetensors"), fp8(folder)
    assert packed(str(folder)) == Packed("quantized", folder)
    unpack(Packed("quantized", folder), tmp_path / "plain")
    got = load_file(tmp_path / "plain" / "model.safetensors")
    assert got.keys() == whole.keys()
    for name, numbers in got.items():
        assert torch.equal(numbers, meant.get(name, whole[name])), name
    assert not torch.equal(got[(name := next(iter(meant)))], whole[name])
    origin = {"form": "quantized", "file": folder.name, "quantization": "fp8", "stored_as": "float32"}
    assert origin_of(tmp_path / "plain") == origin
    assert quantized.KEY not in json.loads((tmp_path / "plain" / "config.json").read_text())
    for small in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "plain" / small).read_bytes() == (folder / small).read_bytes()


def test_it_is_registered_like_any_model_and_its_folder_is_needed_no_more(engine, model_folder) -> None:
    folder = model_folder("qwen3")
    fp8(folder)
    with trying.here():
        info = engine.admit("small", str(folder))
    assert info.details["origin"]["quantization"] == "fp8"
    (folder / "model.safetensors").unlink()
    assert engine.registered("small").revision == info.revision
    assert len(rank_candidates(engine.load(info), TASK).scores) == 5


BNB: dict[str, dict[str, Any]] = {
    "int8": {"load_in_8bit": True},
    "nf4": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True},
    "fp4": {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4"},
}


@pytest.mark.parametrize("kind", BNB)
def test_bitsandbytes_is_computed_back_as_it_does_itself(kind: str, model_folder, tmp_path: Path) -> None:
    bnb = pytest.importorskip("bitsandbytes", reason="the extra quantized is not installed")
    from transformers import BitsAndBytesConfig

    plain, folder = model_folder(), tmp_path / "packed"
    how = BitsAndBytesConfig(**BNB[kind])
    packs = AutoModelForCausalLM.from_pretrained(
        plain, quantization_config=how, device_map={"": "cpu"}, dtype=torch.float32
    )
    packs.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((plain / name).read_bytes())
    unpack(Packed("quantized", folder), tmp_path / "plain")
    assert origin_of(tmp_path / "plain")["quantization"] == f"bitsandbytes {kind}"
    got, seen = load_file(tmp_path / "plain" / "model.safetensors"), 0
    layer: Any
    for name, layer in packs.named_modules():
        if isinstance(layer, bnb.nn.Linear4bit):
            want = bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
        elif isinstance(layer, bnb.nn.Linear8bitLt):
            want = layer.weight.data.float() * layer.weight.SCB[:, None] / 127
        else:
            continue
        seen += 1
        assert torch.allclose(got[f"{name}.weight"], want.float(), rtol=1e-6), name
    assert seen == 21
    assert len(rank_candidates(load(str(tmp_path / "plain")), TASK).scores) == 5


# format, bits, type, symmetric, how many of a row's numbers share a scale
COMPRESSED: dict[str, tuple[str, int, str, bool, int]] = {
    "int8": ("int-quantized", 8, "int", True, 0),
    "int4": ("pack-quantized", 4, "int", True, 16),
    "int4 with a zero": ("pack-quantized", 4, "int", False, 16),
    "fp8": ("float-quantized", 8, "float", True, 0),
}


@pytest.mark.parametrize("case", COMPRESSED)
def test_compressed_tensors_are_computed_back_as_it_does_itself(case, model_folder, tmp_path: Path) -> None:
    pytest.importorskip("compressed_tensors", reason="the extra quantized is not installed")
    schemes = importlib.import_module("compressed_tensors.quantization")
    registry = importlib.import_module("compressed_tensors.compressors").BaseCompressor

    form, bits, kind, symmetric, group = COMPRESSED[case]
    sharing = {"strategy": "group", "group_size": group} if group else {"strategy": "channel"}
    scheme = {
        "targets": ["Linear"],
        "weights": {"num_bits": bits, "type": kind, "symmetric": symmetric, **sharing},
    }
    made, compressor = (
        schemes.QuantizationScheme(**scheme, format=form),
        registry.get_value_from_registry(form),
    )
    folder = model_folder()
    held, meant = load_file(folder / "model.safetensors"), {}
    for name in [name for name in held if "_proj." in name]:
        whole = held.pop(name)
        shared = whole.reshape(len(whole), -1, group or whole.shape[1])
        scale, zero = schemes.utils.calculate_qparams(shared.amin(-1), shared.amax(-1), made.weights)
        zeros = {} if symmetric else {"weight_zero_point": zero}
        packs = compressor.compress({"weight": whole, "weight_scale": scale, **zeros}, made)
        meant[name] = compressor.decompress(dict(packs), made)["weight"].float()
        held |= {name.removesuffix("weight") + part: tensor for part, tensor in packs.items()}
    save_file(held, folder / "model.safetensors", {"format": "pt"})
    told = {"config_groups": {"group_0": scheme}, "format": form, "ignore": ["lm_head"]}
    says(folder, {"quant_method": "compressed-tensors", "quantization_status": "compressed", **told})
    unpack(Packed("quantized", folder), tmp_path / "plain")
    got = load_file(tmp_path / "plain" / "model.safetensors")
    assert len(meant) == 21
    assert all(torch.equal(got[name], numbers) for name, numbers in meant.items())


REFUSED: dict[str, tuple[object, str]] = {
    "GPTQ": ({"quant_method": "gptq", "bits": 4}, r"is quantized \(GPTQ\), which is not computed back"),
    "AWQ": ({"quant_method": "awq"}, r"is quantized \(AWQ\), .* or a GGUF file of it"),
    "unknown": ({"quant_method": "dream"}, r"in a way that is not known \('dream'; quantization_config in"),
    "a list": ([1, 2], r"in a way that is not known \(\[1, 2\]"),
    "text": ("int4", r"in a way that is not known \('int4'"),
    "a number": (10**400, "in a way that is not known"),
    "no method": ({"bits": 4}, r"in a way that is not known \(None"),
    "a list for a method": ({"quant_method": ["fp8"]}, r"not known \(\['fp8'\]"),
    "an empty method": ({"quant_method": ""}, r"not known \(''"),
    "nested": ({"quant_method": {"a": {"b": [{}] * 30}}}, "in a way that is not known"),
    "blocks of nothing": ({**FP8, "weight_block_size": [0, 0]}, "is no whole number of blocks|computed back"),
    "endless blocks": ({**FP8, "weight_block_size": [10**30, 10**30]}, "is no whole number of blocks"),
    "other blocks": ({**FP8, "weight_block_size": [16, 8]}, "is no whole number of blocks: it is"),
    "blocks are text": ({**FP8, "weight_block_size": "8"}, "is no whole number of blocks"),
    "a scheme of nothing": ({**FP8, "activation_scheme": 7}, "cannot be computed back: "),
    "skips numbers": ({**FP8, "modules_to_not_convert": 10**30}, "cannot be computed back: "),
    "a rotation": ({**FP8, "transform_config": {"a": 1}}, "after a rotation"),
    "several ways": ({**FP8, "config_groups": {"a": 1, "b": 2}}, "in several ways at once"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_computed_back_is_one_sentence_and_leaves_nothing(
    case, model_folder, tmp_path
) -> None:
    told, words = REFUSED[case]
    folder = model_folder()
    fp8(folder)
    says(folder, told)
    with pytest.raises(ModelError, match=words) as caught:
        unpack(Packed("quantized", folder), tmp_path / "plain")
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert ".." not in text.replace("...", "")
    assert not (tmp_path / "plain").exists()


@pytest.mark.parametrize("package", ["bitsandbytes", "compressed-tensors"])
def test_a_package_that_is_not_there_is_named(package: str, model_folder, engine, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    folder = says(model_folder(), {"quant_method": package})
    with pytest.raises(ModelError, match=rf"not installed: pip install {package} \(in a checkout"):
        engine.admit("small", str(folder))
    assert not engine.settings.models.exists() or not list(engine.settings.models.iterdir())


def test_scales_that_nobody_would_use_are_refused(model_folder, tmp_path: Path) -> None:
    folder = model_folder()
    fp8(folder)
    held = load_file(folder / "model.safetensors")
    renamed = {name.replace("_scale_inv", "_scale"): tensor for name, tensor in held.items()}
    save_file(renamed, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="is fp8 and has no scale"):
        unpack(Packed("quantized", folder), tmp_path / "plain")
    save_file({**held, "model.layers.0.mlp.up_proj.g_idx": torch.ones(3)}, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"than its config\.json says: 1 tensors were not used"):
        unpack(Packed("quantized", folder), tmp_path / "plain")
    assert not (tmp_path / "plain").exists()


def test_the_last_block_may_not_be_smaller(model_folder, tmp_path: Path) -> None:
    folder = model_folder()
    fp8(folder)
    held, name = load_file(folder / "model.safetensors"), "model.layers.0.mlp.up_proj.weight"
    rows, columns = held[name].shape
    held[f"{name}_scale_inv"] = torch.ones(2, columns // BLOCK)  # of 32 rows and of 16, say
    assert rows == 48
    save_file(held, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"is no whole number of blocks: it is \(48, 32\)"):
        unpack(Packed("quantized", folder), tmp_path / "plain")


def test_memory_is_asked_for_before_it_is_taken(model_folder, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(unpacking, "available_bytes", lambda _: 1000)
    folder = model_folder()
    fp8(folder)
    with pytest.raises(OutOfMemory, match=r"\(fp8, .*\) has .* weights, which are .* in float32 when comput"):
        unpack(Packed("quantized", folder), tmp_path / "plain")


def test_loading_it_without_registering_says_what_to_do(model_folder) -> None:
    folder = model_folder()
    fp8(folder)
    with pytest.raises(ModelError, match=r"is quantized \(fp8\)\. Register its folder"):
        load(str(folder))
    says(folder, {"quant_method": "awq"})
    with pytest.raises(ModelError, match=r"is quantized \(AWQ\), which is not computed back"):
        load(str(folder))

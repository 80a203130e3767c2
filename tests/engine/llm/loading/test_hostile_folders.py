"""Folders that are broken, hostile or something else: each is one clear ModelError, none hangs or is opened
where it should not be."""

import json
import os
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from db.errors import DualensError, ModelError, OutOfMemory
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.llm.loading import folder as folders
from engine.llm.loading import load as loading
from engine.llm.loading import tokenizer as tokenizers
from engine.llm.loading.load import inspect, load
from engine.llm.loading.precision import DTYPES

Break = Callable[[Path], Any]


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """What opens a pipe, or builds for ever, fails instead."""

    def give_up(*_: object) -> None:
        raise TimeoutError("it hangs")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(100)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


def config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def raw(name: str, text: str) -> Break:
    return lambda folder: (folder / name).write_text(text)


def saying(**changes: object) -> Break:
    return lambda folder: config(folder, **changes)


def replaced(name: str, make: Callable[[Path], Any]) -> Break:
    def replace(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return replace


def sparse(size: int) -> Break:
    def make(path: Path) -> None:
        path.touch()
        os.truncate(path, size)

    return make


def tensors(change: Callable[[dict[str, torch.Tensor]], Any]) -> Break:
    def rewrite(folder: Path) -> None:
        held = load_file(folder / "model.safetensors")
        change(held)
        save_file(held, folder / "model.safetensors", {"format": "pt"})

    return rewrite


def header(change: Callable[[dict], Any]) -> Break:
    """The header of the weights says something else of the same bytes."""

    def rewrite(folder: Path) -> None:
        path = folder / "model.safetensors"
        data = path.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        told = json.loads(data[8 : 8 + size])
        change(told)
        text = json.dumps(told).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])

    return rewrite


def tokens(**added: list[str]) -> Break:
    def extend(folder: Path) -> None:
        found = AutoTokenizer.from_pretrained(folder)
        found.add_tokens([f"<more {number}>" for number in range(200)])
        found.add_tokens(added.get("words", []))
        found.save_pretrained(folder)

    return extend


def as_encoder(folder: Path) -> None:
    """As sentence-transformers writes one: without the layer that predicts tokens."""
    saying(num_hidden_layers=40)(folder)
    (folder / "modules.json").write_text("[]")


def filled(name: str, value: float) -> Break:
    return tensors(lambda held: held[name].view(-1)[:1].fill_(value))


DOWN = "model.layers.1.mlp.down_proj.weight"
NESTED = '{"model_type": "llama", "x": ' + "[" * 300 + "]" * 300 + "}"
DEEP = '{"model_type": "llama", "x": ' + "[" * 200_000 + "]" * 200_000 + "}"
INDEX = "model.safetensors.index.json"

FAULTS: dict[str, tuple[Break, str]] = {
    "nested": (raw("config.json", NESTED), "nested more than 64 deep"),
    "nested deeper than Python": (raw("config.json", DEEP), "nested more than 64 deep"),
    "config is a list": (raw("config.json", "[]"), "must hold a JSON object"),
    "config is huge": (replaced("config.json", sparse(200 << 20)), "has 200 MiB.* at most 16 MiB"),
    "config is no text": (replaced("config.json", lambda p: p.write_bytes(b"\xff\xfe{}")), "as JSON"),
    "config is a pipe": (replaced("config.json", os.mkfifo), "a named pipe"),
    "config is a folder": (replaced("config.json", Path.mkdir), "a folder"),
    "config is a device": (replaced("config.json", lambda p: p.symlink_to("/dev/zero")), "a device"),
    "config is a loop": (replaced("config.json", lambda p: p.symlink_to(p.name)), "a link to a file that"),
    "a huge number": (raw("config.json", '{"model_type": ' + "9" * 5000 + "}"), "as JSON"),
    "type is a list": (saying(model_type=["llama"]), r"unknown architecture \['llama'\]"),
    "type is missing": (saying(model_type=None), "unknown architecture None"),
    "no context": (saying(max_position_embeddings=0), "max_position_embeddings = 0; .* from 32 to"),
    "no heads": (saying(num_attention_heads=0), "num_attention_heads = 0; .* from 1 to"),
    "heads do not share": (saying(num_attention_heads=5, head_dim=None), "cannot share|not a multiple"),
    "keys do not divide": (saying(num_key_value_heads=3), "no multiple of num_key_value_heads = 3"),
    "many layers": (saying(num_hidden_layers=100_000), "num_hidden_layers = 100000; .* 1 to 512"),
    "endless layers": (saying(num_hidden_layers=10**9), "num_hidden_layers = 1000000000; "),
    "text for a number": (saying(hidden_size="32"), "hidden_size = '32'; it must be a whole number"),
    "a fraction": (saying(num_hidden_layers=2.5), "num_hidden_layers = 2.5; it must be a whole number"),
    "truth for a number": (saying(vocab_size=True), "vocab_size = True; it must be a whole number"),
    "negative": (saying(intermediate_size=-1), "intermediate_size = -1; "),
    "bounds in a part": (saying(text_config={"num_hidden_layers": 10**9}), "num_hidden_layers = 1000000000"),
    "quantized": (saying(quantization_config={"quant_method": "gptq"}), r"is quantized \(GPTQ\)"),
    "more layers than weights": (saying(num_hidden_layers=40), "do not fit its config.json: they hold"),
    "a sentence encoder": (as_encoder, "holds a sentence encoder, which writes no text and so cannot rank"),
    "wider than weights": (saying(intermediate_size=4096), "do not fit its config.json: they hold"),
    "weights are a pipe": (replaced("model.safetensors", os.mkfifo), r"model\.safetensors .*a named pipe"),
    "weights are a dead link": (
        replaced("model.safetensors", lambda p: p.symlink_to("nowhere")),
        "a link to a file that is not there",
    ),
    "weights are a folder": (replaced("model.safetensors", Path.mkdir), "is no regular file|damaged"),
    "weights twice": (raw(INDEX, '{"weight_map": {"a": "model-1.safetensors"}}'), "its weights twice"),
    "index leads away": (raw(INDEX, '{"weight_map": {"a": "../x.safetensors"}}'), "does not say in its"),
    "index is a list": (raw(INDEX, "[]"), "must hold a JSON object"),
    "index without a map": (raw(INDEX, '{"weight_map": []}'), "does not say in its weight_map"),
    "header is longer than the file": (
        replaced("model.safetensors", lambda p: p.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")),
        "is damaged",
    ),
    "header lies about lengths": (
        header(lambda told: told[DOWN].update(data_offsets=[0, 1 << 50])),
        "is damaged",
    ),
    "header lies about shapes": (header(lambda told: told[DOWN].update(shape=[1 << 40, 1 << 40])), "damaged"),
    "header knows no such type": (header(lambda told: told[DOWN].update(dtype="X9")), "is damaged"),
    "a tensor is not a number": (filled(DOWN, float("nan")), f"The tensor {DOWN} .* holds NaN or infinity"),
    "a tensor is infinite": (filled(DOWN, float("-inf")), f"The tensor {DOWN} .* holds NaN or infinity"),
    "weights are zeros": (
        tensors(lambda held: [tensor.zero_() for tensor in held.values()]),
        "hold only zeros, the first is model.embed_tokens.weight",
    ),
    "a layer is missing": (
        tensors(lambda held: held.update(more=held.pop(DOWN))),
        f"1 tensors are missing or have another shape, the first is {DOWN}",
    ),
    "fewer layers than weights": (saying(num_hidden_layers=2), "tensors belong to layers or biases that it"),
    "a bias that is not described": (
        tensors(lambda held: held.update({DOWN.replace("weight", "bias"): held[DOWN][:, 0].clone()})),
        "1 tensors belong to layers or biases that it does not describe, the first is .*down_proj.bias",
    ),
    "whole numbers": (
        tensors(lambda held: held.update({DOWN: held[DOWN].to(torch.int8)})),
        r"are quantized \(of type I8\)",
    ),
    "a tensor has another shape": (
        tensors(lambda held: held.update({DOWN: held[DOWN].T.contiguous()})),
        "cannot be loaded|another shape",
    ),
    "tokenizer is broken": (raw("tokenizer.json", '{"model": 7}'), "tokenizer in .* cannot be read"),
    "tokenizer is nested": (raw("tokenizer_config.json", DEEP), "tokenizer in .* cannot be read"),
    "tokenizer is a pipe": (replaced("tokenizer.json", os.mkfifo), "a named pipe"),
    "settings are a pipe": (replaced("generation_config.json", os.mkfifo), "a named pipe"),
    "a word beyond the model": (tokens(words=["Kettle"]), r"gives token \d+ \(.*\), and the model knows"),
    "adapter beside": (
        raw("adapter_config.json", '{"peft_type": "LORA", "base_model_name_or_path": "base-7b"}'),
        "a whole model and a LoRA adapter of the base model base-7b",
    ),
    "adapter is a pipe": (replaced("adapter_config.json", os.mkfifo), "a named pipe"),
    "several templates": (
        raw("tokenizer_config.json", json.dumps({"chat_template": [
            {"name": name, "template": "{{ messages[0]['content'] }}"} for name in ("rag", "tool_use")
        ]})),
        r"2 chat templates \(rag, tool_use\) and none of them is called default",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_folder_that_is_broken_is_one_clear_error(case: str, model_folder) -> None:
    folder = model_folder("llama")
    spoil, words = FAULTS[case]
    spoil(folder)
    with pytest.raises(ModelError, match=words) as caught:
        load(str(folder))
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert ".." not in text.replace("...", "")


OTHERS: dict[str, tuple[list[str], str]] = {
    "adapter": (["adapter_model.safetensors"], "is not a whole model but an adapter"),
    "gguf": (["model.Q4_K_M.gguf"], "looks like a GGUF model"),
    "its maker's": (["consolidated.00.pth", "params.json"], "its maker's own layout"),
    "onnx": (["model.onnx"], "an ONNX model"),
    "pickles": (["pytorch_model.bin"], "pickled weights"),
    "cache of the hub": (["snapshots"], "Give the folder in its snapshots"),
    "subfolder": (
        ["checkpoint-500/config.json"],
        r"in its subfolder checkpoint-500: give .*checkpoint-500\.",
    ),
    "nothing": ([], r"has no config.json\.$"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_kind_of_folder_is_called_what_it_is(case: str, tmp_path: Path) -> None:
    names, words = OTHERS[case]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match=words):
        load(str(tmp_path))


def test_an_adapter_alone_names_its_base_and_how_to_register_it(tmp_path: Path) -> None:
    told = {"peft_type": "LORA", "base_model_name_or_path": "base-model-7b"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(told))
    with pytest.raises(ModelError, match=r"a LoRA adapter of the base model base-model-7b\. Register it"):
        load(str(tmp_path))


def test_a_folder_of_very_many_files_is_not_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(folders, "_ENTRIES", 10)
    for number in range(11):
        (tmp_path / f"{number}.json").touch()
    with pytest.raises(ModelError, match="more than 10 files"):
        load(str(tmp_path))


def test_a_file_without_permission_is_named(model_folder, monkeypatch) -> None:
    folder = model_folder("llama")
    monkeypatch.setattr(folders.os, "access", lambda path, mode: path.name != "tokenizer.json")
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot be read: its permissions"):
        load(str(folder))


@pytest.mark.parametrize("spelled", ["torch.float16", "fp16", "half", "FLOAT16", ["a"], 7, {"x": 1}, None])
@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_the_dtype_that_a_config_names_is_no_matter(spelled: object, name: str, model_folder) -> None:
    folder = model_folder("llama")
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**{k: told[k] for k in told if k != "dtype"}, name: spelled})
    )
    assert load(str(folder)).dtype == torch.float32


def test_what_is_too_large_for_half_precision_is_said_to_be(model_folder) -> None:
    folder = model_folder("llama")
    filled(DOWN, 1e6)(folder)
    with pytest.raises(ModelError, match=f"The tensor {DOWN} .* too large for float16.*bfloat16 or float32"):
        load(str(folder), dtype="float16")
    assert load(str(folder), dtype="bfloat16").dtype == DTYPES["bfloat16"]


def test_a_claim_of_70_billion_is_refused_before_a_byte_is_read(model_folder, monkeypatch) -> None:
    """A sparse file has the size that its header says, and takes no room."""
    folder = model_folder("llama")
    shape = {"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "head_dim": 128}
    config(folder, **shape, num_attention_heads=64, num_key_value_heads=8, vocab_size=128_256)
    size = 2 * 70_600_000_000
    text = json.dumps({"w": {"dtype": "BF16", "shape": [size // 2], "data_offsets": [0, size]}}).encode()
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + size)
    monkeypatch.setattr(loading, "available_bytes", lambda _: 20 << 30)
    monkeypatch.setattr(loading, "revision", lambda *_: pytest.fail("the weights were read"))
    with pytest.raises(OutOfMemory, match=r"needs about \d+\.\d GiB .*70,5\d\d.*and 20\.0 GiB are free"):
        load(str(folder))


def test_a_tokenizer_that_needs_a_package_names_it(model_folder, monkeypatch) -> None:
    folder = model_folder("llama")
    (folder / "tokenizer.json").unlink()
    monkeypatch.setattr(tokenizers.importlib.util, "find_spec", lambda name: None)
    for content, package in ((b"\x0a\x0e\x0a\x05<unk>", "sentencepiece"), (b"IQ== 0\n", "tiktoken")):
        (folder / "tokenizer.model").write_bytes(content)
        with pytest.raises(ModelError, match=rf"pip install .*{package}.*tokenizer\.json"):
            load(str(folder))


def test_special_tokens_that_no_prompt_holds_may_lie_beyond(model_folder) -> None:
    """Many fine-tuned models have a padding token more than rows."""
    folder = model_folder("llama")
    found = AutoTokenizer.from_pretrained(folder)
    found.add_tokens([f"<more {number}>" for number in range(500)], special_tokens=True)
    found.save_pretrained(folder)
    encoder = load(str(folder)).encoder
    assert max(encoder.ids("- A title <more 499>\n")) < inspect(str(folder)).details["vocabulary"]


def test_parts_that_a_language_model_does_not_have_may_be_left_over(model_folder) -> None:
    folder = model_folder("llama")
    tensors(
        lambda held: held.update({"v_head.weight": torch.ones(1, 4), "vision.tower.weight": torch.ones(2)})
    )(folder)
    assert load(str(folder)).layers == 3


def test_an_index_of_one_file_is_no_second_set_of_weights(model_folder) -> None:
    folder = model_folder("llama")
    names = dict.fromkeys(load_file(folder / "model.safetensors"), "model.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": names}))
    assert load(str(folder)).layers == 3


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "/" + "y/" * 3000])
def test_a_name_that_is_no_path_is_refused_in_one_sentence(
    name: str, store: Store, settings: Settings
) -> None:
    with pytest.raises(DualensError, match=r"\.$"):
        Engine(store, settings).registered(name)


def test_a_link_to_itself_is_no_folder(tmp_path: Path, store: Store, settings: Settings) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ModelError, match="is a link to a folder that is not there"):
        Engine(store, settings).registered(str(tmp_path / "loop"))


def test_a_folder_that_is_no_model_is_one_sentence_without_the_models_there_are(
    tmp_path: Path, store: Store, settings: Settings
) -> None:
    with pytest.raises(ModelError, match=rf"^{tmp_path} is not a model's folder"):
        Engine(store, settings).registered(str(tmp_path))

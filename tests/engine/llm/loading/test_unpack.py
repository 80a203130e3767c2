"""GGUF files and adapters become folders that score as the model they hold; what cannot is one sentence."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from gguf import quants
from safetensors.torch import load_file, save_file

from db import models
from db.errors import Conflict, ModelError, OutOfMemory
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.llm.loading import trial
from engine.llm.loading import unpack as unpacking
from engine.llm.loading.forms import Packed, origin_of, packed, unfinished
from engine.llm.loading.load import LoadedModel, load
from engine.llm.loading.unpack import unpack
from engine.llm.scoring.ranking import rank_candidates
from tests.engine.conftest import TITLES, make_loaded
from tests.engine.llm.loading.test_load import TASK
from tests.support import gguf_file, trying


def unpacked(made: LoadedModel, tmp_path: Path, kind: Kind = Kind.F32) -> Path:
    file = gguf_file.write(made, tmp_path / "tiny.gguf", kind)
    folder = tmp_path / "unpacked"
    unpack(Packed("gguf", file), folder)
    return folder


@pytest.mark.parametrize("tokenizer", ["bpe", "chat"])
def test_it_scores_as_the_model_it_was_written_from(tokenizer: str, tmp_path: Path) -> None:
    made = make_loaded("llama", tokenizer)
    loaded = load(str(unpacked(made, tmp_path)))
    for title in (*TITLES, "Cafe\u0301 12,400 DPI"):
        assert loaded.encoder.ids(f" {title}\n") == made.encoder.ids(f" {title}\n")
    assert rank_candidates(loaded, TASK).scores == pytest.approx(rank_candidates(made, TASK).scores, abs=1e-5)
    assert loaded.tokenizer.chat_template == made.tokenizer.chat_template


def test_quantized_weights_are_computed_back_exactly(tmp_path: Path) -> None:
    made = make_loaded("llama")
    loaded = load(str(unpacked(made, tmp_path, Kind.Q8_0)))
    name = "model.layers.1.mlp.up_proj.weight"
    true = made.model.state_dict()[name].numpy()
    block = quants.dequantize(quants.quantize(true, Kind.Q8_0), Kind.Q8_0)
    assert torch.equal(loaded.model.state_dict()[name], torch.from_numpy(block))
    assert not torch.equal(torch.from_numpy(block), torch.from_numpy(true))


def test_what_it_was_is_kept_with_it(tmp_path: Path) -> None:
    folder = unpacked(make_loaded("llama"), tmp_path, Kind.Q8_0)
    origin = {"form": "GGUF", "file": "tiny.gguf", "architecture": "llama", "quantization": "Q8_0"}
    assert origin_of(folder) == {**origin, "licence": None, "stored_as": "float32"}
    assert load(str(folder)).model.config.dtype == torch.float32


def test_half_precision_stays_what_it_is(tmp_path: Path) -> None:
    folder = unpacked(make_loaded("llama"), tmp_path, Kind.F16)
    assert origin_of(folder)["stored_as"] == "float16"


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 100)


def cut_in_the_head(file: Path) -> None:
    os.truncate(file, 1000)


def no_weights(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[8:16] = bytes(8)
    file.write_bytes(content)


def impossible(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[16:24] = b"\xff" * 7 + b"\x7f"
    file.write_bytes(content)


DAMAGED: dict[Callable[[Path], Any], str] = {
    cut: "damaged or cut off",
    cut_in_the_head: "damaged or cut off",
    impossible: "damaged or cut off",
    no_weights: "holds no weights",
}


@pytest.mark.parametrize("damage", DAMAGED, ids=lambda damage: damage.__name__)
def test_a_damaged_file_is_one_sentence_and_leaves_nothing(damage, tmp_path: Path) -> None:
    file = gguf_file.write(make_loaded("llama"), tmp_path / "tiny.gguf")
    damage(file)
    with pytest.raises(ModelError, match=DAMAGED[damage]):
        unpack(Packed("gguf", file), tmp_path / "unpacked")
    assert list(tmp_path.iterdir()) == [file]


SAYING: dict[str, tuple[dict[str, str], str]] = {
    "architecture": ({"architecture": "clip"}, "architecture 'clip', which cannot be read from GGUF"),
    "scaled positions": ({"llama__rope__scaling__type": "yarn"}, "scales its positions"),
    "splitting rule": ({"pre": "command-r"}, "splits text by the rule 'command-r'"),
}


@pytest.mark.parametrize("case", SAYING)
def test_what_would_be_read_wrongly_is_refused(case: str, tmp_path: Path) -> None:
    says, words = SAYING[case]
    file = gguf_file.write(make_loaded("llama"), tmp_path / "tiny.gguf", **says)
    with pytest.raises(ModelError, match=words):
        unpack(Packed("gguf", file), tmp_path / "unpacked")


def test_memory_is_asked_for_before_it_is_taken(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(unpacking, "available_bytes", lambda _: 1000)
    file = gguf_file.write(make_loaded("llama"), tmp_path / "tiny.gguf")
    with pytest.raises(OutOfMemory, match=r"weights, which are .* in float32 when computed back"):
        unpack(Packed("gguf", file), tmp_path / "unpacked")


def test_forms_are_told_by_their_files(tmp_path: Path, model_folder) -> None:
    file = gguf_file.write(make_loaded("llama"), tmp_path / "tiny.gguf")
    assert packed(str(file)) == Packed("gguf", file)
    assert packed(str(tmp_path)) == Packed("gguf", file)
    assert packed(str(model_folder())) is None
    assert packed("org/name") is None
    (tmp_path / "second.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match=r"holds 2 GGUF files \(second.gguf, tiny.gguf\)"):
        packed(str(tmp_path))
    (tmp_path / "no.gguf").write_bytes(b"no")
    with pytest.raises(ModelError, match="does not begin with GGUF"):
        packed(str(tmp_path / "no.gguf"))
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(ModelError, match="is no regular file"):
        packed(str(tmp_path / "pipe.gguf"))
    with pytest.raises(ModelError, match="one part of a model in several files"):
        packed(str(file.rename(tmp_path / "tiny-00001-of-00002.gguf")))


@pytest.fixture
def engine(store: Store, settings: Settings) -> Engine:
    return Engine(store, settings)


@pytest.fixture
def tried_here() -> Iterator[None]:
    """The process that unpacks is tested with an adapter."""
    with trying.here():
        yield


@pytest.mark.usefixtures("tried_here")
def test_it_is_registered_like_any_model_and_its_file_is_needed_no_more(engine, tmp_path: Path) -> None:
    file = gguf_file.write(make_loaded("llama"), tmp_path / "tiny.gguf", Kind.Q8_0)
    info = engine.admit("tiny", str(file))
    assert info.details["origin"]["quantization"] == "Q8_0"
    again = engine.admit("tiny", str(file))
    assert (again.source, again.revision) == (info.source, info.revision)
    file.unlink()
    assert engine.registered("tiny").revision == info.revision
    assert len(rank_candidates(engine.load(info), TASK).scores) == 5


@pytest.mark.usefixtures("tried_here")
def test_what_fails_leaves_no_folder_behind(engine, tmp_path: Path) -> None:
    first = gguf_file.write(make_loaded("llama"), tmp_path / "tiny.gguf")
    engine.admit("tiny", str(first))
    second = gguf_file.write(make_loaded("llama"), tmp_path / "other.gguf", Kind.Q8_0)
    with pytest.raises(Conflict):
        engine.admit("tiny", str(second))
    cut(second)
    with pytest.raises(ModelError):
        engine.admit("other", str(second))
    assert len(list(engine.settings.models.iterdir())) == 1
    assert [model.name for model in models.listing(engine.store)] == ["tiny"]


def test_a_stop_while_it_is_unpacked_leaves_nothing(engine, tmp_path: Path, monkeypatch) -> None:
    file = gguf_file.write(make_loaded("llama"), tmp_path / "tiny.gguf")

    def stopped(*_: object, into: Path, **__: object) -> None:
        unfinished(into, os.getpid()).mkdir(parents=True)  # the child was killed where it stood
        raise KeyboardInterrupt

    monkeypatch.setattr(trial, "try_out", stopped)
    with pytest.raises(KeyboardInterrupt):
        engine.admit("tiny", str(file))
    assert list(engine.settings.models.iterdir()) == []


def adapter(folder: Path, base: Path, **changes: Any) -> Path:
    folder.mkdir()
    told = {"peft_type": "LORA", "base_model_name_or_path": str(base), "r": 2, "lora_alpha": 4}
    (folder / "adapter_config.json").write_text(json.dumps({**told, **changes}))
    return folder


ADAPTERS: dict[str, tuple[dict[str, Any], str]] = {
    "no weights": ({}, "has no adapter_model.safetensors"),
    "no base": ({"base_model_name_or_path": None}, "does not name its base model"),
    "another kind": ({"peft_type": "PROMPT_TUNING"}, "of the kind 'PROMPT_TUNING'"),
}


@pytest.mark.parametrize("case", ADAPTERS)
def test_an_adapter_that_cannot_be_merged_is_one_sentence(case, model_folder, tmp_path: Path) -> None:
    changes, words = ADAPTERS[case]
    folder = adapter(tmp_path / "adapter", model_folder(), **changes)
    with pytest.raises(ModelError, match=words):
        unpack(Packed("adapter", folder), tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


def trained(base: Path, folder: Path) -> torch.nn.Module:
    """A model with an adapter of its own, saved as one."""
    peft = pytest.importorskip("peft", reason="the extra peft is not installed")
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    adapted = peft.get_peft_model(load(str(base)).model, config)
    torch.manual_seed(0)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter.data, std=0.5)
    adapted.save_pretrained(folder)
    told = json.loads((folder / "adapter_config.json").read_text())
    told["base_model_name_or_path"] = str(base)
    (folder / "adapter_config.json").write_text(json.dumps(told))
    return adapted


def test_an_adapter_is_merged_into_its_base(engine, model_folder, tmp_path: Path) -> None:
    base = model_folder()
    adapted = trained(base, tmp_path / "adapter")
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        want = adapted(input_ids=ids).logits
        plain = load(str(base)).model(input_ids=ids).logits
        got = engine.load(engine.admit("adapted", str(tmp_path / "adapter"))).model(input_ids=ids).logits
    assert torch.allclose(got, want, atol=1e-4)
    assert not torch.allclose(plain, want, atol=1e-2)


ODD_TENSORS: dict[str, Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]] = {
    "none": lambda held: {},
    "some": lambda held: dict(list(held.items())[:3]),
    "of another layer": lambda held: {name.replace("layers.0", "layers.9"): t for name, t in held.items()},
    "of another name": lambda held: {name.removeprefix("base_model."): t for name, t in held.items()},
    "one too many": lambda held: {**held, "base_model.model.other.lora_A.weight": torch.ones(2, 2)},
}


@pytest.mark.parametrize("case", ODD_TENSORS)
def test_an_adapter_is_merged_whole_or_not_at_all(case: str, model_folder, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    trained(model_folder(), folder)
    weights = folder / "adapter_model.safetensors"
    save_file(ODD_TENSORS[case](load_file(weights)), weights, {"format": "pt"})
    with pytest.raises(ModelError, match=r"does not fit its base model .* tensors are missing in the one"):
        unpack(Packed("adapter", folder), tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


def test_the_base_of_an_adapter_has_all_its_tensors(model_folder, tmp_path: Path) -> None:
    """transformers would draw the one that is missing at random."""
    base = model_folder()
    trained(base, tmp_path / "adapter")
    held = load_file(base / "model.safetensors")
    del held["model.layers.1.mlp.down_proj.weight"]
    save_file(held, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"1 tensors are missing.*down_proj"):
        unpack(Packed("adapter", tmp_path / "adapter"), tmp_path / "unpacked")


def test_a_text_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    file = gguf_file.write(make_loaded("llama"), tmp_path / "tiny.gguf")
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"llama", b"ll\xffma", 1))
    with pytest.raises(ModelError, match=r"tiny.gguf is damaged \(general.architecture: "):
        unpack(Packed("gguf", file), tmp_path / "unpacked")

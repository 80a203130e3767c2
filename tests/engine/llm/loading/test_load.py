"""Loading from a folder: what works for every family, and one clear error for everything that does not."""

import json
from pathlib import Path

import pytest
import torch
from huggingface_hub import errors as hub_errors
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, Gemma2Config, T5Config

from db.errors import BadInput, ModelError, OutOfMemory
from engine.llm.loading import load as loading
from engine.llm.loading import precision as formats
from engine.llm.loading import sources
from engine.llm.loading.load import inspect, load
from engine.llm.loading.loaded_models import Models
from engine.llm.loading.precision import choose_device, choose_dtype
from engine.llm.loading.tokenizer import chats
from engine.llm.scoring.ranking import Task, rank_candidates
from engine.prompts import Example
from engine.prompts.encode import AS_TUNED
from tests.engine.conftest import FAMILIES, TITLES, TOKENIZERS, make_loaded
from tests.engine.prompts.test_whole_text import encoder_of

_TINY = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
TASK = Task((Example(TITLES[:3], TITLES[3]),), TITLES[2:6], TITLES[5:10], 2)


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_scores_as_before(family: str, model_folder) -> None:
    folder = model_folder(family)
    loaded = load(str(folder))
    made = make_loaded(family)
    assert rank_candidates(loaded, TASK).scores == pytest.approx(rank_candidates(made, TASK).scores, abs=1e-5)
    assert (loaded.architecture, loaded.parameters) == (made.architecture, made.parameters)
    assert (loaded.device.type, loaded.dtype, loaded.context_length) == ("cpu", torch.float32, 512)
    assert loaded.reason.count(".") == 1
    assert not any(p.requires_grad for p in loaded.model.parameters())


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_the_tokenizer_file_decides_even_where_its_family_has_other_rules(
    family: str, name: str, model_folder
) -> None:
    """AutoTokenizer gives every Qwen2 model Qwen's own pre-tokenizer, whatever the file says."""
    folder = model_folder(family, name)
    loaded, made = load(str(folder)), make_loaded(family, name)
    for title in (*TITLES, "Cafe\u0301 12,400 DPI"):
        assert loaded.encoder.ids(f" {title}\n") == made.encoder.ids(f" {title}\n")
    assert rank_candidates(loaded, TASK).scores == pytest.approx(rank_candidates(made, TASK).scores, abs=1e-5)


def test_inspect_loads_no_weights(model_folder, monkeypatch) -> None:
    monkeypatch.setattr(loading, "_weights", lambda *_: pytest.fail("weights were loaded"))
    facts = inspect(str(model_folder("phi3")))
    assert facts.parameters == make_loaded("phi3").parameters
    assert (facts.layers, facts.context_length, facts.details["key_value_heads"]) == (3, 512, 2)


def test_what_is_known_of_a_model_says_whether_it_has_a_chat_template(model_folder) -> None:
    """Pages offer turns by it."""
    assert not inspect(str(model_folder("llama", "bpe"))).details["chat"]
    folder = model_folder("llama", "chat")
    assert inspect(str(folder)).details["chat"]
    template = folder / "chat_template.jinja"
    config = json.loads((folder / "tokenizer_config.json").read_text())
    if template.is_file():  # where this version of transformers writes it
        text = template.read_text()
        template.unlink()
        assert not inspect(str(folder)).details["chat"]
    else:
        text = config["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": text}))
    assert inspect(str(folder)).details["chat"]
    (folder / "tokenizer_config.json").write_text("{")
    assert not chats(folder)


def test_what_is_known_of_a_model_says_whether_it_writes_turns(model_folder) -> None:
    """Demonstrations are turns by default then."""
    assert not inspect(str(model_folder("llama", "bpe"))).details["turns"]
    folder = model_folder("llama", "chat")
    facts = inspect(str(folder))
    assert facts.details["turns"]
    assert not inspect(str(folder), turns={facts.revision: False}).details["turns"], "known: not found out"
    (folder / "RECIPE.json").write_text('{"recipe": {}}')
    assert not inspect(str(folder)).details["turns"], "tuned here, on prompts of one turn"
    (folder / "RECIPE.json").unlink()
    template = folder / "chat_template.jinja"
    template.write_text("{% for m in messages %}{{ loop.index }}{{ m.content }}{% endfor %}")
    assert not inspect(str(folder)).details["turns"], "no turn like the other"


def test_the_revision_follows_config_tokenizer_and_weights(model_folder) -> None:
    folder = model_folder("gpt2")
    first = inspect(str(folder)).revision
    assert inspect(str(folder)).revision == first
    edit(folder, note="new")
    second = inspect(str(folder)).revision
    with (folder / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x01")
    third = inspect(str(folder)).revision
    (folder / "README.md").write_text("not part of the model")
    assert len({first, second, third, inspect(str(folder)).revision}) == 3


@pytest.mark.parametrize(
    ("recipe", "cut"),
    [
        (None, "opened"),
        ({"recipe": {"method": "full"}}, AS_TUNED),  # tuned before there were other cuts
        ({"recipe": {"cut": "no blank lines"}}, "no blank lines"),
        ({"command": "python -m engine.tuning.train_embedded"}, AS_TUNED),
        ({"recipe": "somebody else's"}, "opened"),
    ],
)
def test_a_tuned_model_reads_prompts_as_it_was_tuned_on_them(
    recipe: object, cut: str, tmp_path: Path
) -> None:
    folder, tokenizer = tmp_path / "model", encoder_of("llama2").tokenizer
    config = AutoConfig.for_model("llama", **_TINY, vocab_size=len(tokenizer))
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if recipe is not None:
        (folder / "RECIPE.json").write_text(json.dumps(recipe))
    assert load(str(folder)).encoder.cut == cut


def broken(folder: Path, case: str) -> None:  # noqa: C901 - one fault a line
    weights = folder / "model.safetensors"
    if case == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    if case == "garbage":
        weights.write_bytes(b"not a safetensors file at all")
    if case == "gone":
        weights.unlink()
    if case == "pickle":
        weights.unlink()
        (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    if case == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    if case == "bad tokenizer":
        (folder / "tokenizer.json").write_text("{")
    if case == "no config":
        (folder / "config.json").unlink()
    if case == "bad config":
        (folder / "config.json").write_text("{")
    if case == "unknown":
        edit(folder, model_type="marvel")
    if case == "remote code":
        edit(folder, model_type="marvel", auto_map={"AutoModelForCausalLM": "modeling.Marvel"})
    if case == "shard":
        weights.unlink()
        index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    if case == "layers":
        edit(folder, num_hidden_layers=4)
    if case == "width":
        edit(folder, intermediate_size=64)
    if case == "header":  # a control token of the chat template that the weights do not have
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.add_tokens([f"<more {number}>" for number in range(200)])
        tokenizer.add_tokens(["<|last|>"], special_tokens=True)
        tokenizer.chat_template = "<|last|>{{ messages[0]['content'] }}"
        tokenizer.save_pretrained(folder)
    if case == "vocabulary":
        edit(folder, vocab_size=50)
        weights.write_bytes(weights.read_bytes())


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("cut", r"model\.safetensors is damaged"),
        ("garbage", "is damaged"),
        ("gone", "no weights"),
        ("pickle", "pickle files"),
        ("no tokenizer", "no tokenizer"),
        ("bad tokenizer", "tokenizer in .* cannot be read"),
        ("no config", "no config.json"),
        ("bad config", "cannot be read as JSON"),
        ("unknown", "unknown architecture 'marvel'.*Llama, Qwen2"),
        ("remote code", "never runs a model's own code"),
        ("shard", "model-00001-of-00002.safetensors is missing"),
        ("layers", "hold 64,224 numbers, and the model it describes has 71,968"),
        ("width", "do not fit|cannot be loaded"),
        ("vocabulary", "does not belong to this model"),
        ("header", "does not belong to this model: it gives token"),
    ],
)
def test_a_broken_folder_is_one_clear_error(case: str, words: str, model_folder) -> None:
    folder = model_folder("llama")
    broken(folder, case)
    with pytest.raises(ModelError, match=words):
        load(str(folder))


def test_a_pickle_is_never_opened(model_folder, monkeypatch) -> None:
    folder = model_folder("llama")
    broken(folder, "pickle")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("a pickle was opened"))
    with pytest.raises(ModelError, match="safetensors only"):
        load(str(folder))


def test_a_model_that_is_not_causal_is_refused(tmp_path: Path, model_folder) -> None:
    folder = model_folder("llama")
    T5Config().save_pretrained(folder)
    with pytest.raises(ModelError, match="not a causal language model"):
        inspect(str(folder))


def test_soft_capping_is_refused_before_any_weight_is_read(model_folder) -> None:
    folder = model_folder("llama")
    Gemma2Config(num_hidden_layers=2, hidden_size=16, vocab_size=64).save_pretrained(folder)
    with pytest.raises(ModelError, match="attn_logit_softcapping"):
        inspect(str(folder))


def test_attention_that_the_lens_does_not_reproduce_is_refused(model_folder, monkeypatch) -> None:
    honest = loading.lens._shared

    def off(*args):
        output, weights = honest(*args)
        return output * 1.05, weights

    monkeypatch.setattr(loading.lens, "_shared", off)
    with pytest.raises(ModelError, match="does not reproduce"):
        load(str(model_folder("llama")))


@pytest.mark.parametrize(
    ("source", "words"),
    [("/nowhere/at/all", "no folder /nowhere"), ("a/b/c", "no folder a/b/c"), ("x y", "no folder x y")],
)
def test_a_place_that_is_none(source: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        load(source)


def test_a_file_is_not_a_model(tmp_path: Path) -> None:
    path = tmp_path / "weights.gguf"
    path.write_text("x")
    with pytest.raises(ModelError, match=r"is a GGUF model\. Register it"):
        load(str(path))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (hub_errors.LocalEntryNotFoundError("offline"), "cannot be reached"),
        (OSError("no route to host"), "cannot be reached.*no route"),
        (hub_errors.HFValidationError("bad id"), "neither a folder nor a hub id"),
    ],
)
def test_an_unreachable_hub_is_a_clear_error(error: Exception, words: str, monkeypatch) -> None:
    def fetch(*_, **__):
        raise error

    monkeypatch.setattr(sources.huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(ModelError, match=words):
        load("someone/some-model")


def test_a_hub_model_is_named_by_its_commit(model_folder, monkeypatch) -> None:
    folder = model_folder("gpt2")
    commit = folder.rename(folder.parent / "0a1b2c3d")
    asked: list[list[str]] = []

    def fetch(name: str, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        return str(commit)

    monkeypatch.setattr(sources.huggingface_hub, "snapshot_download", fetch)
    loaded = load("someone/some-model")
    assert (loaded.name, loaded.revision) == ("some-model", "0a1b2c3d")
    assert not any(p.endswith((".bin", ".py")) for p in asked[0])


def test_too_little_memory_is_said_before_loading(model_folder, monkeypatch) -> None:
    monkeypatch.setattr(loading, "available_bytes", lambda device: 1000)
    monkeypatch.setattr(loading, "_weights", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(OutOfMemory, match=r"needs about .* are free"):
        load(str(model_folder("llama")))


@pytest.mark.parametrize(
    ("able", "half_s", "faster"), [(True, 1.0, True), (True, 3.0, False), (False, 1.0, False)]
)
def test_training_rounds_products_only_where_that_is_faster(
    able: bool, half_s: float, faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor with bfloat16 instructions may be slower with them."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    seconds = {torch.float32: 2.0, torch.bfloat16: half_s}
    monkeypatch.setattr(formats, "_product_seconds", lambda x, _: seconds[x.dtype])
    formats.half_is_faster.cache_clear()
    try:
        assert formats.half_is_faster("cpu") is faster
    finally:
        formats.half_is_faster.cache_clear()


def test_the_choice_of_dtype_is_explained(monkeypatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda", 0)
    able: dict[str, bool] = {"avx512_bf16": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert choose_dtype("auto", cuda, 1)[0] == torch.bfloat16
    assert choose_dtype("auto", cpu, 10**8)[0] == torch.float32
    assert choose_dtype("auto", cpu, 10**10)[0] == torch.bfloat16
    able.clear()
    found, why = choose_dtype("auto", cpu, 10**10)
    assert (found, "no bfloat16 instructions" in why) == (torch.float32, True)
    assert choose_dtype("float64", cpu, 1) == (torch.float64, "float64 as asked")
    for spelled in ("torch.float16", "FP16", "half", " float16 "):
        assert choose_dtype(spelled, cpu, 1) == (torch.float16, "float16 as asked")


@pytest.mark.parametrize("device", ["tpu", "meta", "cuda:99", "xla:0"])
def test_an_unknown_device_is_named(device: str) -> None:
    with pytest.raises(BadInput, match=device):
        choose_device(device)


def test_an_unknown_dtype_is_named() -> None:
    with pytest.raises(BadInput, match="int3"):
        choose_dtype("int3", torch.device("cpu"), 1)


def test_rope_that_changes_with_length_is_used_where_it_is_constant(model_folder) -> None:
    folder = model_folder("llama")
    edit(
        folder,
        max_position_embeddings=4096,
        rope_parameters={"rope_type": "dynamic", "factor": 8.0, "rope_theta": 1e4,
                         "original_max_position_embeddings": 512},
    )  # fmt: skip
    assert inspect(str(folder)).context_length == 512


def test_models_are_kept_by_bytes_and_reloaded_when_their_files_change(model_folder) -> None:
    first, second = str(model_folder("gpt2")), str(model_folder("llama"))
    kept = Models("cpu", "float32", limit_bytes=10)
    a = kept.get(first)
    assert kept.get(first) is a
    kept.get(second)
    assert kept.names() == [second]
    roomy = Models("cpu", "float32")
    a, b = roomy.get(first), roomy.get(second)
    assert roomy.get(first) is a
    assert roomy.names() == [second, first]
    edit(Path(first), note="changed")
    assert roomy.get(first) is not a
    assert roomy.get(second) is b
    assert sorted(roomy.names()) == sorted([first, second])


def test_loading_says_nothing_on_the_terminal(model_folder, capfd) -> None:
    folder = str(model_folder("llama"))
    capfd.readouterr()
    load(folder)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_the_tests_own_qwen2_tokenizer_really_has_other_rules(model_folder) -> None:
    """Teeth for the test above: AutoTokenizer alone would feed other tokens."""
    from transformers import AutoTokenizer

    folder = model_folder("qwen2", "wordpiece")
    auto = AutoTokenizer.from_pretrained(folder)
    truth = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = [auto.encode(t, add_special_tokens=False) for t in TITLES]
    assert ids != [truth.encode(t, add_special_tokens=False).ids for t in TITLES]

"""A sentence encoder from a local folder: tiny random ones, and the same by the package where it is there."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from db.errors import ModelError
from engine.llm.embedding.mean_pooled import is_mean_pooled
from engine.llm.embedding.sentence_encoder import sentence_vectors
from engine.llm.scoring.memory import PrefillCache
from tests.engine.conftest import make_tokenizer

INSTALLED = importlib.util.find_spec("sentence_transformers") is not None


def bert(folder: Path, *kinds: str, length: int | None = None) -> BertModel:
    """Save a tiny encoder as sentence-transformers does, with so many modules."""
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=640,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=64,
    )
    model = BertModel(config).eval()
    model.save_pretrained(folder)
    make_tokenizer("wordpiece").save_pretrained(folder)
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, path) in enumerate(zip(kinds, paths, strict=False))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    for path in paths[1 : len(kinds)]:
        (folder / path).mkdir(exist_ok=True)
    pooling = {
        "word_embedding_dimension": 32,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_cls_token": False,
    }
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    settings = {"max_seq_length": length, "do_lower_case": False}
    (folder / "sentence_bert_config.json").write_text(json.dumps(settings))
    return model


@pytest.mark.parametrize("normal", [False, True])
def test_a_title_is_the_mean_of_its_tokens_states(
    tmp_path: Path, titles: tuple[str, ...], normal: bool
) -> None:
    model = bert(tmp_path, "Transformer", "Pooling", *["Normalize"] * normal)
    cache = PrefillCache()
    found = sentence_vectors(str(tmp_path), titles, "cpu", cache)
    tokenizer = make_tokenizer("wordpiece")
    for title, vector in zip(titles, found, strict=True):
        with torch.no_grad():
            states = model(torch.tensor([tokenizer.encode(title)])).last_hidden_state[0]
        mean = states.mean(0)
        expected = mean / mean.norm() if normal else mean
        np.testing.assert_allclose(vector, expected.numpy(), rtol=1e-4, atol=1e-5)
    again = sentence_vectors(str(tmp_path), titles[:2], "cpu", cache)
    assert np.array_equal(again, found[:2])
    assert cache.misses == len(titles)


def test_a_long_title_is_cut_at_the_encoders_length(tmp_path: Path) -> None:
    bert(tmp_path, "Transformer", "Pooling", length=8)
    long = "Moonlit Kart Racing " * 20
    vectors = sentence_vectors(str(tmp_path), [long, long + "and more"], "cpu", PrefillCache())
    assert np.array_equal(vectors[0], vectors[1])


@pytest.mark.parametrize(
    "change",
    [
        {"pooling_mode_cls_token": True},
        {"pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True},
        {"pooling_mode": "lasttoken"},
        {"include_prompt": False},
    ],
)
def test_another_way_of_pooling_is_left_to_the_package(tmp_path: Path, change: dict[str, object]) -> None:
    bert(tmp_path, "Transformer", "Pooling")
    assert is_mean_pooled(tmp_path)
    place = tmp_path / "1_Pooling" / "config.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), **change}))
    assert not is_mean_pooled(tmp_path)


def test_an_encoder_whose_weights_are_gone_is_an_error_a_person_understands(tmp_path: Path) -> None:
    bert(tmp_path, "Transformer", "Pooling")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        sentence_vectors(str(tmp_path), ["a"], "cpu", PrefillCache())


@pytest.mark.skipif(not INSTALLED, reason="sentence-transformers is not installed")
def test_it_is_what_the_package_gives(tmp_path: Path, titles: tuple[str, ...]) -> None:
    from sentence_transformers import SentenceTransformer

    bert(tmp_path, "Transformer", "Pooling", "Normalize")
    found = sentence_vectors(str(tmp_path), titles, "cpu", PrefillCache())
    made = SentenceTransformer(str(tmp_path), device="cpu")
    np.testing.assert_allclose(found, made.encode(list(titles)), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(INSTALLED, reason="sentence-transformers is installed")
def test_without_the_package_the_error_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(ModelError, match=r"dualens\[embedding\]"):
        sentence_vectors(str(tmp_path), ["a"], "cpu", PrefillCache())


@pytest.mark.skipif(not INSTALLED, reason="sentence-transformers is not installed")
def test_a_broken_folder_is_an_error_a_person_understands(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "nowhere.Module"}]')
    with pytest.raises(ModelError, match="cannot be loaded"):
        sentence_vectors(str(tmp_path), ["a"], "cpu", PrefillCache())

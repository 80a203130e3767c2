"""A sentence encoder from a local folder; a tiny random one is made where the package is there."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from transformers import BertConfig, BertModel

from db.errors import ModelError
from engine.llm.embedding.sentence_encoder import sentence_vectors
from engine.llm.scoring.memory import PrefillCache
from tests.engine.conftest import make_tokenizer

INSTALLED = importlib.util.find_spec("sentence_transformers") is not None


@pytest.mark.skipif(not INSTALLED, reason="sentence-transformers is not installed")
def test_titles_become_the_encoders_vectors(tmp_path: Path, titles: tuple[str, ...]) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    bert = BertConfig(
        vocab_size=640,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=64,
    )
    BertModel(bert).save_pretrained(tmp_path / "bert")
    make_tokenizer("wordpiece").save_pretrained(tmp_path / "bert")
    made = SentenceTransformer(modules=[Transformer(str(tmp_path / "bert")), Pooling(32)], device="cpu")
    made.save_pretrained(str(tmp_path / "whole"))
    cache = PrefillCache()
    found = sentence_vectors(str(tmp_path / "whole"), titles, "cpu", cache)
    np.testing.assert_allclose(found, made.encode(list(titles)), rtol=1e-4, atol=1e-5)
    again = sentence_vectors(str(tmp_path / "whole"), titles[:2], "cpu", cache)
    assert np.array_equal(again, found[:2])
    assert cache.misses == len(titles)


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

"""The commonest sentence encoders, without a package of their own: a transformer, the mean of its states.

Boundary: a local folder and texts in, vectors out. What `modules.json` names beyond that is not read here.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

_KINDS = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
_AT_ONCE = 64  # texts


def is_mean_pooled(folder: Path) -> bool:
    """Whether the folder holds a transformer whose states are averaged, and nothing else."""
    try:
        kinds, pooling = _kinds(folder), _read(folder / "1_Pooling" / "config.json")
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return False
    ways = [name for name, used in pooling.items() if name.startswith("pooling_mode_") and used is True]
    other = pooling.get("pooling_mode", "mean") != "mean" or pooling.get("include_prompt", True) is not True
    return kinds in _KINDS and ways in ([], ["pooling_mode_mean_tokens"]) and not other and bool(pooling)


class MeanPooled:
    """An encoder of texts. Raises OSError, ValueError, KeyError, RuntimeError or ImportError for a folder
    that transformers does not load."""

    def __init__(self, folder: Path, device: str) -> None:
        self._device, self._normal = device, "Normalize" in _kinds(folder)
        self._tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        model = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
        self._model = model.to(device).eval()
        settings = folder / "sentence_bert_config.json"
        longest = (_read(settings) if settings.is_file() else {}).get("max_seq_length")
        self._longest = int(longest or getattr(model.config, "max_position_embeddings", 512))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, width] of the texts, each cut at the encoder's own length."""
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        parts = [
            self._vectors([texts[n] for n in order[start : start + _AT_ONCE]])
            for start in range(0, len(order), _AT_ONCE)
        ]
        vectors = np.concatenate(parts)
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        return vectors[back]

    def _vectors(self, texts: list[str]) -> NDArray[np.float32]:
        read = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        ).to(self._device)
        with torch.no_grad():
            states = self._model(**read).last_hidden_state.float()
        mask = read["attention_mask"][..., None].float()
        means = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        if self._normal:
            means = torch.nn.functional.normalize(means, dim=1)
        return means.cpu().numpy().astype(np.float32)


def _kinds(folder: Path) -> list[str]:
    return [str(part["type"]).rsplit(".", 1)[-1] for part in _read(folder / "modules.json")]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))

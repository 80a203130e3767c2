"""The workspace the golden cases run in: the simulated store, a toy shop and tiny models.

Everything in it is made from arithmetic, without trained tokenizers and without torch's random numbers, so
that the digests of files are the same on every machine. Of the project only
the command line is called: what lies behind it may move without a change here. Its models are tried in this
process (`tests.support.trying`).
"""

import contextlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM
from typer.testing import CliRunner

from engine import __main__ as cli
from tests.golden.values import numbered, plain
from tests.support import trying

# float64, so that processors and thread counts differ by far less than the tolerance of the comparison.
ENVIRONMENT = {"DUALENS_DEVICE": "cpu", "DUALENS_DTYPE": "float64", "HF_HUB_OFFLINE": "1"}
UNSET = ("DUALENS_DATABASE_URL",)

_SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
_IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
_VOCABULARY = 1024
_SIZE = {"vocab_size": _VOCABULARY, "num_hidden_layers": 3, "max_position_embeddings": 512}
_GROUPED = {"num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 32, "intermediate_size": 48}
_WIDE = {"hidden_size": 32, "num_attention_heads": 4}
# family -> (tokenizer, configuration). gpt2's context is short, so that prompts have to leave something out.
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("bytes", {**_SIZE, **_GROUPED}),
    "qwen2": (
        "metaspace",
        {**_SIZE, **_GROUPED, "use_sliding_window": True, "sliding_window": 24, "max_window_layers": 1},
    ),
    "qwen3": ("bytes", {**_SIZE, **_GROUPED, "head_dim": 12}),
    "mistral": ("metaspace", {**_SIZE, **_GROUPED, "head_dim": 8, "sliding_window": 90}),
    "phi3": ("bytes", {**_SIZE, **_GROUPED, "sliding_window": None, "original_max_position_embeddings": 512}),
    "gpt_neox": ("metaspace", {**_SIZE, **_WIDE, "intermediate_size": 48, "rotary_pct": 0.5}),
    "gpt2": (
        "bytes",
        {"vocab_size": _VOCABULARY, "n_layer": 3, "n_head": 4, "n_embd": 32, "n_positions": 160},
    ),
    "opt": ("bytes", {**_SIZE, **_WIDE, "ffn_dim": 48, "word_embed_proj_dim": 16}),
}

_FIRST = ("Paper", "Night", "Star", "Robot", "Long", "Café")
_SECOND = ("Kingdoms", "Bus", "Harbor", "Orchard", "Tide")
_PROMPT = "Purchases in order then the next one Bought Next Would they enjoy this Answer Yes No Choose"
_USERS, _LENGTH = 12, 8


def toy_titles() -> list[str]:
    """Thirty titles of few words, some with an accent, a comma or a colon."""
    ends = ("", " 2", ", Deluxe", ": Gold")
    made = [f"{first} {second}" for first in _FIRST for second in _SECOND]
    return [title + ends[number % 4] for number, title in enumerate(made)]


def write_toy(path: Path) -> Path:
    """A shop as CSV: shoppers of three tastes that overlap, one purchase a day each, one to five stars."""
    titles = toy_titles()
    lines = ["user_id,item_id,timestamp,rating,title,category"]
    for user in range(_USERS):
        for place in range(_LENGTH + user % 3):
            item = (user % 3 * 7 + place * (2 + user % 2) + user // 6) % len(titles)
            rating = 1 + (user + place * place + item) % 5
            when = 1_600_000_000 + 86_400 * (2 * place + user) + 60 * user
            kind = ("Games", "Books")[item % 2]
            lines.append(f'u{user:02d},i{item:02d},{when},{rating},"{titles[item]}",{kind}')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _by_prefix(words: list[str], alphabet: list[str]) -> models.BPE:
    """A BPE model that can spell every word by growing its beginning; no corpus, so nothing to train."""
    vocabulary = {token: number for number, token in enumerate([*_SPECIAL, *alphabet])}
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        for end in range(2, len(word) + 1):
            vocabulary.setdefault(word[:end], len(vocabulary))
            merges[word[: end - 1], word[end - 1]] = None
    assert len(vocabulary) <= _VOCABULARY
    return models.BPE(vocab=vocabulary, merges=list(merges), unk_token="<unk>")


def _tokenizer(name: str) -> Tokenizer:
    """`bytes`: GPT-2's manner. `metaspace`: Llama's, with a blank before each text and <s> to open it."""
    words = sorted({word for text in (*toy_titles(), _PROMPT) for word in text.replace(",", "").split()})
    if name == "bytes":
        split = pre_tokenizers.ByteLevel(add_prefix_space=False)
        spelt = [split.pre_tokenize_str(blank + word)[0][0] for word in words for blank in (" ", "")]
        made = Tokenizer(_by_prefix(spelt, sorted(pre_tokenizers.ByteLevel.alphabet())))
        made.pre_tokenizer, made.decoder = split, decoders.ByteLevel()
    else:
        alphabet = sorted({*map(chr, range(33, 127)), *"\n▁", *"".join(words)})
        made = Tokenizer(_by_prefix(["▁" + word for word in words], alphabet))
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        made.decoder = decoders.Metaspace(prepend_scheme="first")
        made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made.add_special_tokens(list(_SPECIAL))
    return made


def write_tiny(folder: Path, family: str) -> Path:
    """A model of 3 layers and width 32 as a Hugging Face folder.

    Weights are uniform numbers of numpy's PCG64, whose bits are the same everywhere, and larger than a
    fresh model's, so that attention is uneven and mistakes show.
    """
    tokenizer, sizes = TINY[family]
    config = AutoConfig.for_model(family, **sizes, **_IDS)
    model = AutoModelForCausalLM.from_config(config).float()
    draw = np.random.Generator(np.random.PCG64(7))
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            drawn = torch.from_numpy(draw.random(tuple(parameter.shape)) - 0.5).float()
            norm = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(1 + 0.2 * drawn if norm else (0.6 if parameter.ndim > 1 else 0.1) * drawn)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    # Written by hand: what transformers writes names its own version, and a model's revision digests it.
    _write(folder / "config.json", {"model_type": family, **sizes, **_IDS})
    _tokenizer(tokenizer).save(str(folder / "tokenizer.json"))
    special = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), _SPECIAL, strict=True))
    _write(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **special})
    return folder


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


class Workspace:
    """A prepared home that no case changes: each works on a copy, so that no case depends on another."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._home = folder / "home"
        with self._environment(self._home), trying.here():
            self.setup = _call("setup")
            toy = write_toy(folder / "toy.csv")
            self.imported = _call("import", str(toy), "--name", "toy")
            for family in TINY:
                made = write_tiny(folder / "models" / family, family)
                _call("models", "--add", str(made), "--name", family)

    def run(self, lines: tuple[str, ...]) -> dict[str, Any]:
        """What each command line says (see `values.plain`), in a fresh copy of the home.

        `{folder}` in a line stands for the workspace's folder.
        """
        home = self.folder / "case"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self._home, home)
        with self._environment(home):
            words = [shlex.split(line.replace("{folder}", str(self.folder))) for line in lines]
            return numbered({line: plain(_call(*each)) for line, each in zip(lines, words, strict=True)})

    @contextlib.contextmanager
    def _environment(self, home: Path) -> Iterator[None]:
        before, threads = dict(os.environ), torch.get_num_threads()
        os.environ.update(ENVIRONMENT, DUALENS_HOME=str(home))
        for name in UNSET:
            os.environ.pop(name, None)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            os.environ.clear()
            os.environ.update(before)


def _call(*words: str) -> Any:
    """A command of the command line in this process; its JSON."""
    result = CliRunner().invoke(cli.app, [*words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, f"{shlex.join(words)}: {result.output}"
    return json.loads(result.stdout)

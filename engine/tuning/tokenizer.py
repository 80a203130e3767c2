"""The embedded model's own tokenizer: byte-level BPE, so that no title of any catalogue is ever unknown.

Trained on titles of simulated worlds and common English words only, never on a real data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from engine.data.catalogue_words import COMMON
from engine.data.draws import generator
from engine.data.world import make_world

VOCABULARY = 4096
WORLDS = 200
END = "<|end|>"
FRAME = "Purchases in order, then the next one.\n\nBought:\n- Next:\n-\n"


def training_text(seed: int) -> Iterator[str]:
    """Titles of ``WORLDS`` worlds as they stand in a prompt, and each common word in the forms titles use."""
    for number in range(WORLDS):
        for title in make_world(generator(seed, number), 400).titles:
            yield f"- {title}\n"
        yield from [FRAME] * 20
    for word in COMMON:
        for form in (word, word.capitalize(), word.capitalize()):
            yield from [f" {form}"] * 12
            yield from [form] * 2


def train_tokenizer(seed: int, folder: Path) -> PreTrainedTokenizerFast:
    """Train, write to ``folder`` and return the tokenizer (no BOS; ``<|end|>`` is both end and padding)."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_text(seed), trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)
    folder.mkdir(parents=True, exist_ok=True)
    fast.save_pretrained(folder)
    return fast

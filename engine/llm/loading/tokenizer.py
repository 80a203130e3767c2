"""A model's tokenizer as its files say, and the encoder of prompts made from it.

Raises ModelError with what is wrong and what to do.
"""

import importlib.util
import json
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from db.errors import ModelError
from engine.llm.loading.agreement import quiet
from engine.llm.loading.folder import line_of
from engine.prompts import PLAIN, PieceEncoder
from engine.prompts.encode import AS_TUNED, CUTS
from engine.prompts.segments import INTRO, TAIL

# Where tokenizers of one family but different rules part: digits, accents (also decomposed), marks, case.
_ODD_TITLES = "\n- L'Oréal Cafe\u0301 №5 (2,400 DPI) -- 3.5mm 12-Pack!\n- iPhone's USB3.0 HDMI™ ½ 日本語\n\n"
_PROTOBUF = b"\x0a"  # how a SentencePiece file begins; a tiktoken file is text
_INSTALL = {
    "sentencepiece": "pip install sentencepiece (in a checkout: pip install '.[sentencepiece]')",
    "tiktoken": "pip install tiktoken",
}
_ONLY_ITSELF = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")


def read_tokenizer(folder: Path, config: PretrainedConfig) -> PreTrainedTokenizerBase:
    """The tokenizer as its tokenizer.json says.

    For some model types AutoTokenizer builds the family's usual rules around the file's vocabulary; a model
    whose own tokenizer.json says otherwise would then be fed other tokens than it was trained on.
    """
    written = folder / "tokenizer.json"
    if not written.exists():
        _check_readable(folder)
    try:
        with quiet():
            found = AutoTokenizer.from_pretrained(
                folder, config=config, trust_remote_code=False, local_files_only=True
            )
            if not written.exists():
                return found
            truth = Tokenizer.from_file(str(written)).encode(_ODD_TITLES, add_special_tokens=False).ids
            if list(found.encode(_ODD_TITLES, add_special_tokens=False)) == truth:
                return found
            return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the tokenizers library raises bare Exception for a broken file
        raise ModelError(f"The tokenizer in {folder} cannot be read: {line_of(error)}.") from error


def read_encoder(folder: Path, tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig) -> PieceEncoder:
    """The encoder of prompts; no token that it can give lies beyond what the model knows."""
    vocabulary = int(config.get_text_config().vocab_size)
    encoder = PieceEncoder(tokenizer, _cut(folder))
    ids = encoder.joined((INTRO + PLAIN.introduction, "Bought:\n", "-", " A title\n", TAIL))
    if not ids:
        raise ModelError(f"The tokenizer in {folder} turns text into no tokens at all.")
    # Special tokens come from the template alone: what spells one in a title stays text.
    special = set(tokenizer.all_special_ids)
    special |= {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    words = {token: i for token, i in tokenizer.get_vocab().items() if i not in special}
    beyond = {i for i in (*ids, *words.values()) if i >= vocabulary}
    if beyond:
        token = tokenizer.convert_ids_to_tokens(max(beyond))
        raise ModelError(
            f"The tokenizer in {folder} does not belong to this model: it gives token {max(beyond)} "
            f"({token}), and the model knows {vocabulary:,} tokens, 0 to {vocabulary - 1:,}. Fetch both "
            "again from one place, or enlarge the model with resize_token_embeddings and save it."
        )
    return encoder


def recipe_of(folder: Path) -> dict:
    """The recipe of a model tuned here; empty for every other one."""
    try:
        recipe = json.loads((folder / "RECIPE.json").read_text())
    except (ValueError, OSError, RecursionError):
        return {}
    return recipe if isinstance(recipe, dict) else {}  # a file of somebody else's under the same name


def chats(folder: Path) -> bool:
    """Whether the files of a model hold a chat template."""
    if any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    try:
        written = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError):
        return False
    return isinstance(written, dict) and bool(written.get("chat_template"))


def writes_turns(folder: Path, config: PretrainedConfig) -> bool:
    """Whether demonstrations can be turns of a conversation in the model's chat template, and are to be: a
    model that was tuned here learnt prompts of one turn."""
    if recipe_of(folder) or not chats(folder):
        return False
    return PieceEncoder(read_tokenizer(folder, config)).converses


def _cut(folder: Path) -> str | None:
    """How the prompts were cut that the model was tuned on; None for one that was not tuned here."""
    recipe = recipe_of(folder)
    tuned = recipe.get("recipe")
    if isinstance(tuned, dict):
        return tuned["cut"] if tuned.get("cut") in CUTS else AS_TUNED
    return AS_TUNED if "command" in recipe else None  # the embedded model's names the command that made it


def _check_readable(folder: Path) -> None:
    """Whether the package is there that reads a tokenizer which is not a tokenizer.json."""
    for file in (folder / name for name in _ONLY_ITSELF):
        if not file.is_file():
            continue
        with file.open("rb") as opened:
            package = "sentencepiece" if opened.read(1) == _PROTOBUF else "tiktoken"
        if importlib.util.find_spec(package) is None:
            raise ModelError(
                f"{folder} has its tokenizer only as {file.name}, which needs a package that is not "
                f"installed: {_INSTALL[package]}. Or save a tokenizer.json beside it where that is "
                "installed: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
            )

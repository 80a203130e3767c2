"""The model that is measured: the embedded one, one by name, or a random one of half a billion weights."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from db.errors import OutOfMemory
from db.settings import Settings
from db.store import Store
from engine.context import EMBEDDED, Engine
from engine.llm.attention import lens, linear
from engine.llm.loading.load import LoadedModel, load
from engine.llm.loading.precision import available_bytes, choose_device

RANDOM = "random-0.5b"
_SHAPE = {
    "vocab_size": 32000,
    "hidden_size": 1280,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 20,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}


def measured(name: str, settings: Settings) -> LoadedModel:
    """`embedded`, `random-0.5b`, a registered name, a folder or a hub id. Raises ModelError, OutOfMemory."""
    if name == RANDOM:
        return random_llama(settings.device, **_SHAPE)
    if name == "embedded":
        return load(str(EMBEDDED), settings.device, settings.dtype)
    with Store.open(settings) as store:
        source = Engine(store, settings).registered(name).source
    return load(source, settings.device, settings.dtype)


def random_llama(device: str, seed: int = 0, **shape: int | bool) -> LoadedModel:
    """A Llama of this shape with random weights behind the embedded model's tokenizer.

    bfloat16 on a GPU, float32 elsewhere. Raises OutOfMemory before anything is made.
    """
    where, why = choose_device(device)
    dtype = torch.bfloat16 if where.type == "cuda" else torch.float32
    config = LlamaConfig(**shape)  # type: ignore[arg-type]
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    needed, free = model.num_parameters() * dtype.itemsize, available_bytes(where)
    if needed > free:
        raise OutOfMemory(
            f"A random model of {model.num_parameters():,} parameters needs {needed / 2**30:.1f} GiB on "
            f"{where}, and {free / 2**30:.1f} GiB are free. Nothing was created: measure the embedded model."
        )
    lens.register()
    config._attn_implementation = lens.NAME
    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with where:
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    model.requires_grad_(False).eval()
    linear.adapt(model)
    spoken = load(str(EMBEDDED), "cpu")
    return LoadedModel(
        model=model,
        tokenizer=spoken.tokenizer,
        encoder=spoken.encoder,
        name=f"random Llama of {model.num_parameters() / 1e6:.0f} million parameters, seed {seed}",
        source=RANDOM,
        revision=str(seed),
        architecture=type(model).__name__,
        parameters=model.num_parameters(),
        context_length=config.max_position_embeddings,
        layers=config.num_hidden_layers,
        device=where,
        dtype=dtype,
        reason=f"{why}; made on the spot.",
        nbytes=needed,
    )

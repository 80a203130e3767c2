"""The reader of a request: its own language model's view of titles, or a sentence encoder's, loaded when
first asked."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from db.requests import RunRequest
from engine.context import Engine
from engine.demos.query import PoolEntry
from engine.demos.reader import Reader


def reader_for(engine: Engine, request: RunRequest) -> Reader:
    """Vectors and token counts for strategies. Its functions raise BadInput, ModelError or OutOfMemory."""

    def embed(titles: Sequence[str]) -> NDArray[np.float32]:
        if request.embedding is not None:
            from engine.llm.embedding.sentence_encoder import sentence_vectors

            return sentence_vectors(request.embedding, titles, engine.device(), engine.prefills)
        from engine.llm.embedding.pooled_states import pooled_states

        return pooled_states(engine.load(engine.registered(request.model)), titles, engine.prefills)

    def tokens(entry: PoolEntry) -> int:
        from engine.prompts import layout

        encoder = engine.load(engine.registered(request.model)).encoder
        return len(encoder.joined(layout(request.template, request.scoring).demo(entry.example)))

    return Reader(embed, tokens)

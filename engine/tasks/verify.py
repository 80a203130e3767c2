"""Does a registered model's attention equal the dual model? The check, on a real prompt."""

from __future__ import annotations

from typing import Any

from engine.context import Engine
from engine.tasks import results


def verify(engine: Engine, name: str) -> dict[str, Any]:
    """How exactly attention equals the dual model on each layer, on a real prompt (arXiv 2504.04386)."""
    from engine.llm.explain.identity import check_model

    loaded = engine.load(engine.registered(name))
    return results.verification(loaded, check_model(loaded))

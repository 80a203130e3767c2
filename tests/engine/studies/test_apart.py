"""Questions of a study are computed apart: what one left behind never changes how another is computed.

A product of matrices gives other last digits where it has more rows, on some processors. So a resumed study
ends with the same numbers on all of them only if it computes the same products.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from db.requests import StudyRequest
from engine.context import Engine
from engine.studies import contamination, faithfulness, recicl, strategies

TOY = {"dataset": "toy", "model": "tiny", "candidates": 20}
TUNED = {"single": "tiny-single", "recicl": "tiny-recicl", "periods": 6, "cut": 3}
STUDIES: list[tuple[ModuleType, dict[str, Any]]] = [
    (faithfulness, {"users": 3, "demos": "neighbours:3"}),
    (strategies, {"users": 3, "k": 2, "only": ["none", "random", "bm25"]}),
    (contamination, {"users": 3, "demos": "neighbours:2", "history": 4}),
    (recicl, {"users": 3, "demos": "neighbours:2", **TUNED}),
]


@contextmanager
def products() -> Iterator[list[tuple[int, ...]]]:
    """The shapes of what linear layers are given."""
    shapes: list[tuple[int, ...]] = []

    def heard(module: nn.Module, given: tuple[Any, ...]) -> None:
        if isinstance(module, nn.Linear) and isinstance(given[0], torch.Tensor):
            shapes.append(tuple(given[0].shape))

    hook = register_module_forward_pre_hook(heard)
    try:
        yield shapes
    finally:
        hook.remove()


@pytest.mark.parametrize(
    ("study", "asked"), STUDIES, ids=[study.__name__.split(".")[-1] for study, _ in STUDIES]
)
def test_the_last_question_is_computed_the_same_after_a_break(
    engine: Engine, reports: Callable[..., Any], study: ModuleType, asked: dict[str, Any]
) -> None:
    request = StudyRequest.from_json({"study": study.__name__.split(".")[-1], **TOY, **asked})
    whole = reports()
    with products() as together:
        study.run(engine, request, whole)
    before = json.loads(json.dumps(whole.partial))
    with products() as alone:
        study.run(engine, request, reports(), before)
    assert 0 < len(alone) < len(together)
    assert alone == together[-len(alone) :]

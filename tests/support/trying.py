"""Tiny models tried out in this process: one of their own imports PyTorch and transformers anew, for seconds.

The process itself is tested in `tests/engine/llm/loading`; what cannot be tried here is tried there.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from engine.llm.loading import trial
from engine.llm.loading.digests import Digests
from engine.llm.loading.forms import Packed
from engine.llm.loading.load import loaded, planned


@contextmanager
def here() -> Iterator[None]:
    """Models that are registered within the block are tried in this process."""
    try_out = trial.try_out

    def tried(
        source: str, device: str, dtype: str, digests: Path, packed: Packed | None = None, **more: Any
    ) -> dict[str, Any]:
        if packed is None:
            with suppress(Exception):
                plan = planned(source, device, dtype)
                revision = loaded(plan, Digests(digests)).revision
                return {**asdict(plan.facts), "revision": revision}
        return try_out(source, device, dtype, digests, packed=packed, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "try_out", tried)
        yield

"""Tiny models tried out in this process: one of their own imports PyTorch and transformers anew, for seconds.

The process itself is tested in `tests/engine/llm/loading`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from db.errors import DualensError, ModelError
from engine.llm.loading import trial
from engine.llm.loading.digests import Digests
from engine.llm.loading.forms import Packed
from engine.llm.loading.load import loaded, planned
from engine.llm.loading.tokenizer import writes_turns
from engine.llm.loading.unpack import unpack


@contextmanager
def here() -> Iterator[None]:
    """Models that are registered within the block are tried in this process."""

    def tried(
        source: str,
        device: str,
        dtype: str,
        digests: Path,
        packed: Packed | None = None,
        into: Path | None = None,
    ) -> dict[str, Any]:
        try:
            if packed and into:
                unpack(packed, into)
            plan = planned(str(into or source), device, dtype)
            plan.check_memory()
            revision = loaded(plan, Digests(digests)).revision
        except DualensError:
            raise
        except Exception as error:  # as the process says it
            raise ModelError(f"{source} cannot be used: {type(error).__name__}: {error}") from error
        details = {**plan.facts.details, "turns": writes_turns(plan.place.folder, plan.config)}
        return {**asdict(plan.facts), "revision": revision, "details": details}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "try_out", tried)
        yield

"""What scoring keeps and what it may use: cached prefills, micro-batch sizes, and out-of-memory handling."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import torch

from db.errors import OutOfMemory

T = TypeVar("T")
Result = TypeVar("Result")

_ELEMENTS = {"cpu": 1 << 25, "cuda": 1 << 28}  # of the largest intermediate tensor of one micro-batch


class PrefillCache:
    """The newest results by key, at most `limit_bytes` of them. Not thread-safe: one per process.

    Holds prefills (keys and values of a prompt) and answer scores that only depend on token ids and model, so
    that a changed weight recomputes the query and the candidates and nothing before them.
    """

    def __init__(self, limit_bytes: int = 1 << 30) -> None:
        self.limit_bytes = limit_bytes
        self.hits = self.misses = 0
        self._kept: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value kept under `key`, else `make()`, kept from now on."""
        if key in self._kept:
            self.hits += 1
            self._kept.move_to_end(key)
            return self._kept[key][0]  # type: ignore[return-value]
        self.misses += 1
        made = make()
        self._kept[key] = (made, size(made))
        while len(self._kept) > 1 and self.nbytes > self.limit_bytes:
            self._kept.popitem(last=False)
        return made

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return sum(size for _, size in self._kept.values())

    def clear(self) -> None:
        """Forgets everything."""
        self._kept.clear()


def rows_at_once(device: torch.device, elements_per_row: int) -> int:
    """Rows of one micro-batch, given the elements of a row's largest intermediate tensor."""
    return max(1, _ELEMENTS.get(device.type, _ELEMENTS["cpu"]) // max(1, elements_per_row))


def in_batches(
    rows: Sequence[T], size: int, work: Callable[[Sequence[T]], Result], what: str
) -> list[Result]:
    """`work` over slices of at most `size` rows. Where memory runs out the slice is halved and tried again.

    `work` may take its slice in batches itself: where even those of one row do not fit (a graph keeps them
    all), this slice is halved. Raises OutOfMemory when a single row does not fit.
    """
    done: list[Result] = []
    start = 0
    while start < len(rows):
        try:
            done.append(work(rows[start : start + size]))
        except (OutOfMemory, torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            failed = min(size, len(rows) - start)
            if not out_of_memory(error) or (failed == 1 and isinstance(error, OutOfMemory)):
                raise
        else:
            start += size
            continue
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if failed == 1:
            raise OutOfMemory(
                f"Memory ran out while computing {what}, even for one row at a time. Use fewer "
                "demonstrations, a shorter history or a smaller model."
            )
        size = failed // 2
    return done


def out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (OutOfMemory, torch.OutOfMemoryError, MemoryError)):
        return True
    return "can't allocate memory" in str(error) or "out of memory" in str(error).lower()

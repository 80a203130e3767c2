"""What scoring keeps and what it may use: cached prefills, micro-batch sizes, and out-of-memory handling."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import torch

from db.errors import OutOfMemory
from engine.progress import give_way

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
        self.nbytes = 0  # held now; counted along, as there may be a hundred thousand small ones
        self._kept: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value kept under `key`, else `make()`, kept from now on."""
        return self.get_all([key], lambda _: [make()], size)[0]

    def get_all(
        self,
        keys: Sequence[Hashable],
        make: Callable[[list[Hashable]], Sequence[T]],
        size: Callable[[T], int],
    ) -> list[T]:
        """The values under these keys; `make` is given those that are not kept, each once."""
        found: dict[Hashable, T] = {}
        for key in keys:
            if key in self._kept:
                found[key] = self.known(key)
        if missing := [key for key in dict.fromkeys(keys) if key not in found]:
            self.misses += len(missing)
            # Collected before any is kept, as a full cache forgets some of them at once.
            found.update(zip(missing, make(missing), strict=True))
        for key in missing:
            self.keep(key, found[key], size(found[key]))
        return [found[key] for key in keys]

    def known(self, key: Hashable) -> Any:
        """The value kept under `key`, None where there is none."""
        if key not in self._kept:
            return None
        self.hits += 1
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def keep(self, key: Hashable, value: object, size: int) -> None:
        """Keeps a value of `size` bytes under `key`, and forgets the oldest where they are too many."""
        self._drop(key)  # making another may have kept it already
        self._kept[key] = (value, size)
        self.nbytes += size
        while len(self._kept) > 1 and self.nbytes > self.limit_bytes:
            self._drop(next(iter(self._kept)))

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def clear(self) -> None:
        """Forgets everything."""
        self._kept.clear()
        self.nbytes = 0

    def _drop(self, key: Hashable) -> None:
        if key in self._kept:
            self.nbytes -= self._kept.pop(key)[1]


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
        give_way()
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

"""Device and number format: chosen and explained, and the memory that is free there."""

import time
from functools import cache
from pathlib import Path

import psutil
import torch
from torch import Tensor

from db.dtypes import plain_dtype
from db.errors import BadInput

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}
_TRIED = (256, 1024, 1024)  # rows, columns and outputs of a product that is timed: milliseconds
_LARGE = 1_000_000_000  # parameters from which a CPU with bf16 instructions uses bf16


def choose_device(device: str) -> tuple[torch.device, str]:
    """The device and half a sentence on why."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0), f"On the GPU {torch.cuda.get_device_name(0)}, the first one found"
        return torch.device("cpu"), "On the CPU because no CUDA device was found"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise BadInput(f"'{device}' is not a device. Use auto, cpu or cuda.") from error
    if chosen.type not in ("cpu", "cuda"):
        raise BadInput(f"'{device}' is not a device Dualens computes on. Use auto, cpu or cuda.")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise BadInput(f"'{device}' was asked for and no such CUDA device was found. Use auto or cpu.")
    return chosen, f"On {chosen} as asked"


def choose_dtype(dtype: str, device: torch.device, parameters: int) -> tuple[torch.dtype, str]:
    """The dtype and half a sentence on why. Other spellings (torch.float16, fp16, half) mean the same."""
    if dtype != "auto":
        plain = plain_dtype(dtype)
        if plain not in DTYPES:
            raise BadInput(f"'{dtype}' is not a dtype. Use auto or one of: {', '.join(DTYPES)}.")
        return DTYPES[plain], f"{plain} as asked"
    if device.type == "cuda":
        return torch.bfloat16, "bfloat16, the native format of its matrix units"
    if parameters < _LARGE:
        return torch.float32, "float32 because the model is small enough for full precision"
    able = torch.cpu.get_capabilities()
    if able.get("avx512_bf16") or able.get("amx_bf16"):
        return torch.bfloat16, "bfloat16 because the processor computes it natively and it halves the memory"
    return torch.float32, "float32 because the processor has no bfloat16 instructions"


@cache
def half_is_faster(device: str) -> bool:
    """Whether a kind of device multiplies faster in bfloat16 than in float32; measured once.

    On a CPU the instructions say little: with them, one processor is half as fast again and another half as
    fast. There it is the processor's time that is measured, which other work hardly changes.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    able = torch.cpu.get_capabilities()
    if not (able.get("avx512_bf16") or able.get("amx_bf16")):
        return False
    x, weight = torch.ones(_TRIED[:2]), torch.ones(_TRIED[2], _TRIED[1])
    seconds = [_product_seconds(x.to(dtype), weight.to(dtype)) for dtype in (torch.float32, torch.bfloat16)]
    return seconds[1] < seconds[0]


def _product_seconds(x: Tensor, weight: Tensor) -> float:
    tries = []
    with torch.no_grad():
        for _ in range(5):
            started = time.process_time()
            torch.nn.functional.linear(x, weight)
            tries.append(time.process_time() - started)
    return min(tries)


def name_of(dtype: torch.dtype) -> str:
    """Such as "float32"."""
    return str(dtype).removeprefix("torch.")


def size_of(count: int) -> str:
    """Bytes in words, such as "1.2 GiB"."""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{max(1, count / 2**20):,.0f} MiB"


def available_bytes(device: torch.device) -> int:
    """Memory that could be allocated now: of the machine, or of the container that this process is in."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return min([psutil.virtual_memory().available, *_left_in_groups()])


def _left_in_groups() -> list[int]:
    """Bytes that each control group of this process (version 2) has left below its limit."""
    root, found = Path("/sys/fs/cgroup"), []
    try:
        line = next(
            line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")
        )
    except (OSError, StopIteration):
        return []
    own = root / line.removeprefix("0::").lstrip("/")
    for group in dict.fromkeys([own, *own.parents, root]):
        if not group.is_relative_to(root):
            break
        try:
            most = int((group / "memory.max").read_text())
            used = int((group / "memory.current").read_text())
            pages = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no limit says "max"
            continue
        found.append(max(0, most - used + int(pages.get("inactive_file", 0))))
    return found

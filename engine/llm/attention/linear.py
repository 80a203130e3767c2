"""Products with a frozen model's float32 weights on x86 processors, through oneDNN instead of MKL.

PyTorch sends them to MKL, which uses AVX-512 on Intel's processors only; oneDNN, which ships with PyTorch
too, uses it on all. Same precision, the same gradients of the input; everything else (training, autocast,
other dtypes and devices) goes the usual way.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_X86 = platform.machine().lower() in ("x86_64", "amd64")


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., n] times weight [m, n] transposed, plus bias [m]: [..., m], without a graph."""
    # Anything but densely stored weights falls back to a kernel that is a thousand times slower.
    if not (weight.is_contiguous() or weight.t().is_contiguous()):
        weight = weight.contiguous()
    if x.stride(-1) != 1:
        x = x.contiguous()
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def available(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether `product` computes here."""
    return _X86 and device.type == "cpu" and dtype == torch.float32 and torch.backends.mkldnn.is_available()


class _Product(torch.autograd.Function):
    """Differentiable in x alone."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(weight)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return product(slope, ctx.saved_tensors[0].t()), None, None


class Frozen(nn.Linear):
    """A linear layer whose weights do not learn."""

    def forward(self, input: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        usual = self.weight.requires_grad or torch.is_autocast_enabled("cpu") or not input.numel()
        if usual or not available(input.device, input.dtype):
            return super().forward(input)
        return _Product.apply(input, self.weight, self.bias)  # type: ignore[return-value]


def quicken(model: nn.Module) -> None:
    """Makes every plain linear layer of the model a `Frozen` one, where that computes; weights stay put."""
    for module in model.modules():
        if type(module) is nn.Linear and available(module.weight.device, module.weight.dtype):
            module.__class__ = Frozen  # type: ignore[assignment]


@contextmanager
def as_written(model: nn.Module) -> Iterator[None]:
    """The model with PyTorch's own linear layers inside the block."""
    changed = [module for module in model.modules() if type(module) is Frozen]
    for module in changed:
        module.__class__ = nn.Linear  # type: ignore[assignment]
    try:
        yield
    finally:
        for module in changed:
            module.__class__ = Frozen  # type: ignore[assignment]

"""A frozen model's layers: quicker products in float32, exact predictions in half precision.

PyTorch sends float32 products on x86 processors to MKL, which uses AVX-512 on Intel's only; oneDNN, which
ships with PyTorch too, uses it on all, and there it is the quicker one. Same precision, the same gradients of
the input.

A logit of 16 to 32 in bfloat16 is a multiple of 1/8: titles and answers tie that do not in float32. So the
output layer of a model in half precision predicts in float32, from the same weights and the same input.
Gated layers compute the same numbers in place: a twentieth of a small model's time went into new tensors.

Everything else (training, autocast, other dtypes and devices) goes the usual way.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import PreTrainedModel
from transformers.activations import SiLUActivation

GATED = ("LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP")  # of transformers, all written alike
SILU = (nn.SiLU, SiLUActivation)
HALF = (torch.bfloat16, torch.float16)
_PART = 8192  # tokens of the vocabulary that are predicted at once
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


@cache
def onednn_is_quicker() -> bool:
    """Whether this processor is one on which MKL does not use all it has."""
    return "intel" not in str(torch.cpu.get_capabilities().get("cpu_name", "")).lower()


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

    usual = nn.Linear

    def forward(self, input: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        usual = self.weight.requires_grad or torch.is_autocast_enabled("cpu") or not input.numel()
        if usual or not available(input.device, input.dtype):
            return super().forward(input)
        return _Product.apply(input, self.weight, self.bias)  # type: ignore[return-value]


class Predicting(nn.Linear):
    """The output layer of a frozen model in half precision."""

    usual = nn.Linear

    def forward(self, input: Tensor) -> Tensor:
        """[..., in] to [..., out] in float32."""
        if self.weight.requires_grad or torch.is_autocast_enabled(input.device.type):
            return super().forward(input)
        wide = input.float()
        # In parts: all weights in float32 at once take twice the memory of the layer.
        told = torch.cat([nn.functional.linear(wide, part.float()) for part in self.weight.split(_PART)], -1)
        return told if self.bias is None else told + self.bias


def _gated(self: Any, x: Tensor) -> Tensor:
    """The forward pass of `GATED`: silu(gate x) * (up x), projected down, without a tensor for each step."""
    gate, up = self.gate_proj(x), self.up_proj(x)
    if gate.requires_grad or up.requires_grad:
        return self.down_proj(self.act_fn(gate) * up)
    return self.down_proj(nn.functional.silu(gate, inplace=True).mul_(up))


@cache
def _in_place(usual: type[nn.Module]) -> type[nn.Module]:
    return type(usual.__name__, (usual,), {"forward": _gated, "__module__": usual.__module__, "usual": usual})


def adapt(model: nn.Module) -> None:
    """Makes the plain linear layers of a model `Frozen` ones, where that computes, its output layer in half
    precision a `Predicting` one, and lets its gated layers work in place; weights stay put."""
    quicker = onednn_is_quicker()
    for module in model.modules():
        if quicker and type(module) is nn.Linear and available(module.weight.device, module.weight.dtype):
            module.__class__ = Frozen  # type: ignore[assignment]
        elif type(module).__name__ in GATED and isinstance(module.act_fn, SILU):
            module.__class__ = _in_place(type(module))  # type: ignore[assignment]
    last = model.get_output_embeddings() if isinstance(model, PreTrainedModel) else None
    if type(last) is nn.Linear and last.weight.dtype in HALF:
        last.__class__ = Predicting  # type: ignore[assignment]


@contextmanager
def as_written(model: nn.Module) -> Iterator[None]:
    """The model with the layers of PyTorch and transformers inside the block."""
    changed = [(module, type(module)) for module in model.modules() if hasattr(type(module), "usual")]
    for module, kind in changed:
        module.__class__ = kind.usual  # type: ignore[assignment]
    try:
        yield
    finally:
        for module, kind in changed:
            module.__class__ = kind  # type: ignore[assignment]

"""Attention in parts, with gates as channels, and its gradients, against softmax written out."""

import pytest
import torch
from torch import Tensor

from engine.llm.attention import attend
from engine.llm.attention.lens import causal

ROWS, HEADS, KV, OWN, SHARED, SIZE = 5, 4, 2, 6, 9, 8
OWNERS = torch.tensor([-1, 0, 0, 0, 1, 1, 1, -1, 1])


def tensors(dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(3)
    shapes = {
        "query": (ROWS, HEADS, OWN, SIZE),
        "key": (ROWS, KV, OWN, SIZE),
        "value": (ROWS, KV, OWN, SIZE),
        "shared_key": (KV, SHARED, SIZE),
        "shared_value": (KV, SHARED, SIZE),
    }
    return {
        name: torch.randn(shape, generator=draw, dtype=torch.float64).to(dtype)
        for name, shape in shapes.items()
    }


def written_out(t: dict[str, Tensor], gate: Tensor | None, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and output of the same attention with every score in one tensor."""
    group = HEADS // KV

    def whole(shared: Tensor, own: Tensor) -> Tensor:
        return torch.cat([shared.expand(ROWS, -1, -1, -1), own], dim=2).repeat_interleave(group, dim=1)

    scores = t["query"] @ whole(t["shared_key"], t["key"]).transpose(-1, -2)
    scores = scores + mask
    if gate is not None:
        extra = torch.cat([gate, gate.new_zeros(len(gate), 1)], dim=1)[:, OWNERS]
        scores[..., :SHARED] += extra[:, None, None]
    found = torch.softmax(scores, dim=-1)
    return found, found @ whole(t["shared_value"], t["value"])


def in_parts(t: dict[str, Tensor], gate: Tensor | None, mask: Tensor) -> tuple[Tensor, Tensor]:
    none = torch.full((OWN,), -1)
    query = attend.gated(t["query"], gate, none)
    many = 0 if gate is None else gate.shape[1]
    key = attend.owned(t["key"], many, none)
    shared_key = attend.owned(t["shared_key"][None], many, OWNERS)[0]
    with torch.no_grad():
        seen = attend.weights(query, key, shared_key, mask)
    return seen, attend.attend(query, key, t["value"], shared_key, t["shared_value"], mask)


GATES = torch.tensor(
    [[0.0, 0.0], [0.7, -2.0], [float("-inf"), 0.3], [float("-inf")] * 2, [0.1, float("-inf")]]
)


@pytest.mark.parametrize("limit", [1, 100, 1 << 20])  # scores of one part: one row and head, some, all
@pytest.mark.parametrize("gate", [None, GATES.double()])
@pytest.mark.parametrize("window", [None, 7])
def test_parts_add_up(limit: int, gate: Tensor | None, window: int | None, monkeypatch) -> None:
    monkeypatch.setitem(attend._PART, "cpu", limit)
    t = tensors()
    mask = causal(SHARED, OWN, window, t["query"])
    found = in_parts(t, gate, mask if window else causal(0, OWN, None, t["query"]))
    for ours, truth in zip(found, written_out(t, gate, mask), strict=True):
        torch.testing.assert_close(ours, truth, atol=1e-13, rtol=1e-12)


@pytest.mark.parametrize("limit", [1, 1 << 20])
def test_slopes_are_autograds(limit: int, monkeypatch) -> None:
    monkeypatch.setitem(attend._PART, "cpu", limit)
    gate, t = GATES.double(), tensors()
    leaves = [t["query"], t["key"], t["value"], gate]
    mask = causal(0, OWN, None, t["query"])
    push = torch.randn(
        ROWS, HEADS, OWN, SIZE, generator=torch.Generator().manual_seed(4), dtype=torch.float64
    )
    slopes = []
    for way, covered in ((in_parts, mask), (written_out, causal(SHARED, OWN, None, mask))):
        for leaf in leaves:
            leaf.requires_grad_(True)
        output = way(t, gate, covered)[1]
        slopes.append(torch.autograd.grad((output * push).sum(), leaves))
    for ours, truth in zip(*slopes, strict=True):
        torch.testing.assert_close(ours, torch.nan_to_num(truth), atol=1e-12, rtol=1e-11)


def test_single_precision_through_quick_products_is_as_near(monkeypatch) -> None:
    """float32 in small parts takes another product where there is one, also of keys stored in strides."""
    monkeypatch.setitem(attend._PART, "cpu", 100)
    t = tensors(torch.float32)
    t["shared_value"] = t["shared_value"].transpose(0, 1).contiguous().transpose(0, 1)
    found = in_parts(t, GATES, causal(0, OWN, None, t["query"]))
    truth = written_out(tensors(), GATES.double(), causal(SHARED, OWN, None, tensors()["query"]))
    for ours, exact in zip(found, truth, strict=True):
        torch.testing.assert_close(ours, exact.float(), atol=1e-5, rtol=1e-5)
    removed = found[0][3][..., :SHARED][..., OWNERS >= 0]
    assert float(removed.abs().max()) == 0.0  # removed is removed, not nearly


def test_each_row_may_have_its_own_mask(monkeypatch) -> None:
    monkeypatch.setitem(attend._PART, "cpu", 100)
    t = tensors()
    mask = causal(SHARED, OWN, None, t["query"]).repeat(ROWS, 1, 1)
    mask[torch.arange(ROWS), :, torch.arange(ROWS)] = float("-inf")
    for ours, truth in zip(in_parts(t, None, mask), written_out(t, None, mask[:, None]), strict=True):
        torch.testing.assert_close(ours, truth, atol=1e-13, rtol=1e-12)


def test_a_query_token_of_a_demonstration_passes_its_own_gate() -> None:
    t = tensors()
    own = torch.tensor([0, 0, 1, 1, -1, -1])
    query = attend.gated(t["query"], torch.tensor([[-3.0, -5.0]]).double(), own)
    assert query[0, 0, :, SIZE:].tolist() == [[0, -5], [0, -5], [-3, 0], [-3, 0], [-3, -5], [-3, -5]]


def test_half_precision_keeps_its_scores_in_single() -> None:
    """As on a GPU: values in bfloat16, scores in float32, forward and back."""
    t = tensors(torch.float32)
    t["value"], t["shared_value"] = t["value"].bfloat16(), t["shared_value"].bfloat16()
    mask = causal(0, OWN, None, t["query"])
    t["query"].requires_grad_(True)
    found = in_parts(t, GATES, mask)[1]
    truth = written_out(tensors(), GATES.double(), causal(SHARED, OWN, None, tensors()["query"]))[1]
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), truth, atol=0.03, rtol=0.03)
    (slope,) = torch.autograd.grad(found.float().sum(), t["query"])
    assert slope.dtype == torch.float32

"""Gradient times input: how much each demonstration's tokens push the loss, by one backward pass.

An alternative to effects, kept for comparison: it says what would change if the tokens' embeddings shrank
a little, not what changes without them (its limits: arXiv 1703.01365).
"""

import torch
from torch import Tensor

from engine.llm.attention import lens
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.modes import Question, combine, loss_rows
from engine.prompts import Fitted


def gradient_times_input(loaded: LoadedModel, fitted: Fitted, question: Question) -> tuple[Tensor, Tensor]:
    """Sums over each demonstration's tokens of `- embedding . d loss / d embedding`, and of its size.

    [k] each, float64; the first is above 0 where longer embeddings would help the target.
    """
    prompt, owners = fitted.encoded.ids, torch.tensor(fitted.encoded.owners())
    rows = loss_rows(loaded.encoder, question)
    table = loaded.model.get_input_embeddings()
    leaves, logprobs = [], []
    with torch.enable_grad(), lens.looking(lens.Pass()):
        for row in rows:
            ids = torch.tensor([[*prompt, *row.ids[:-1]]], device=loaded.device)
            leaf = table(ids).detach().requires_grad_(True)
            places = torch.arange(ids.shape[1], device=loaded.device)[None]
            logits = loaded.model(
                inputs_embeds=leaf, position_ids=places, use_cache=False, logits_to_keep=row.scored
            ).logits[0]
            wanted = torch.tensor(row.ids[-row.scored :], device=loaded.device)[:, None]
            logprobs.append(torch.log_softmax(logits.double(), dim=-1).gather(1, wanted).sum())
            leaves.append(leaf)
        loss = combine(question, torch.stack(logprobs)[None])[0]
        slopes = torch.autograd.grad(loss, leaves)
    found = torch.zeros(2, len(fitted.kept), dtype=torch.float64)
    for leaf, slope in zip(leaves, slopes, strict=True):
        pushed = -(leaf.detach() * slope).sum(-1)[0, : len(prompt)].double().cpu()
        inside = owners >= 0
        found.index_add_(1, owners[inside], torch.stack([pushed, pushed.abs()])[:, inside])
    return found[0], found[1]

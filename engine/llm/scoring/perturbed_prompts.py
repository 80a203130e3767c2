"""Perturbed prompts: a task under the named edits of the dual model, draw by draw, and the ranking it gives.

What an edit does is its file in `engine.llm.scoring.edits`. Weights and titles are edited in the task; values
are edited where the demonstrations' keys and values stand, before the query looks at them, so demonstrations
themselves are read as they are and edge gates act as ever. A reconstruction of the robustness part of LRGD
(arXiv 2504.04386).
"""

from collections.abc import Sequence

from db.requests.edits import Edit, drawn
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.draw import Draw
from engine.llm.scoring.ensemble import averaged
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import RankResult, Task, rank_all
from engine.registry import implementation

DRAWS = 8  # of a random edit that a ranking averages; the first is the prompt as it stands


def draws_of(
    task: Task, edits: Sequence[Edit], seed: int, draws: Sequence[int], disliked: tuple[str, ...] = ()
) -> list[Draw]:
    """The task under the edits, one for each number in `draws`; number 0 is without what chance does.

    disliked: titles the user disliked; at least one where an edit takes them.
    """
    return [_edited(Draw(task, tuple(range(len(task.demos))), seed, n, disliked), edits) for n in draws]


def _edited(draw: Draw, edits: Sequence[Edit]) -> Draw:
    for edit in edits:
        draw = implementation("engine.llm.scoring.edits", edit.kind).apply(draw, edit.amount or 0.0)
    return draw


def rank_perturbed(
    loaded: LoadedModel,
    task: Task,
    edits: Sequence[Edit],
    seed: int,
    cache: PrefillCache | None = None,
    disliked: tuple[str, ...] = (),
) -> RankResult:
    """The ranking under the edits: mean scores of `DRAWS` draws where chance has a part, else of one.

    text, kept and dropped are those of the first draw, in which nothing is left to chance.
    """
    cache = cache or PrefillCache()
    draws = draws_of(task, edits, seed, range(DRAWS if drawn(edits) else 1), disliked)
    return averaged(rank_all(loaded, [draw.task for draw in draws], cache), task.target)

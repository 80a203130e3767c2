"""A ranking by what the model behind an endpoint writes, where its server gives no likelihoods at all."""

from collections.abc import Sequence

from db import datasets
from engine.endpoint.scoring import Remote, dropped, in_prompt
from engine.endpoint.writing import Question, write
from engine.llm.scoring.ranking import RankResult, Task
from engine.progress import Clock
from engine.prompts import fit
from engine.tasks.free_text import SPARE, compliance, read
from engine.tasks.inputs import Inputs

TOP = 10  # titles that are asked for, or as many as there are candidates


def rank_written(remote: Remote, task: Task, inputs: Inputs) -> RankResult:
    """A ranking by what the model writes when asked for its best candidates: those it names come first, in
    its order, and the others share what is left. It has no likelihoods, so neither loss nor margin."""
    clock = Clock()
    places, shown = in_prompt(task)
    encoder, top = remote.encoder, min(TOP, len(task.candidates))
    asked = encoder.joined(task.template.form("free").ask(task.candidates))
    longest = max(len(encoder.joined((f" {title}\n",))) for title in task.candidates)
    most = top * (remote.tokens(longest) + SPARE)
    room = remote.context_length - len(asked) - int(most * remote.endpoint.ways.bytes_per_token)
    prompts = [
        fit(encoder, task.template, "free", demos, task.history, room, task.hint)
        for demos in (shown.demos, ())
    ]
    with clock("write"):
        questions = [Question((*fitted.encoded.ids, *asked), most) for fitted in prompts]
        answers = write(remote, questions)
    store, dataset = inputs.context.store, inputs.dataset
    catalogue = datasets.catalogue(store, dataset.id)
    own = datasets.bought(store, dataset.id, inputs.query.user, inputs.query.target_position)
    lines = [read(answer.text, catalogue, inputs.candidates.items, own)[:top] for answer in answers]
    counts = [compliance(each, top) for each in lines]
    remote.more = {"compliance": {**counts[0], "zero_shot": counts[1]}}
    shares = [f"{count['candidate']:,} of {top}" for count in counts]
    remote.note(
        f"Ranked by what the model wrote: {shares[0]} titles asked for were candidates with the "
        f"demonstrations, {shares[1]} without. Candidates that it did not name share the last places; there "
        "are no likelihoods, so no loss and no margin."
    )
    named = [[line.item for line in each if line.status == "candidate"] for each in lines]
    scores = [places_of(each, inputs, top) for each in named]
    return RankResult(
        scores=scores[0],
        scores_zero_shot=scores[1],
        loss=None,
        loss_zero_shot=None,
        margin=None,
        margin_zero_shot=None,
        tokens=answers[0].read,
        text=encoder.text(prompts[0].segments),
        kept=tuple(places[b] for b in prompts[0].kept),
        dropped=dropped(remote, prompts[0], places),
        dropped_zero_shot=dropped(remote, prompts[1], places),
        timings_ms=clock.read(),
    )


def places_of(named: Sequence[int | None], inputs: Inputs, top: int) -> list[float]:
    """A score per candidate: `top` for the one named first, one less for each after it, 0 for the others."""
    rank = {item: top - place for place, item in enumerate(dict.fromkeys(named))}
    return [float(rank.get(item, 0)) for item in inputs.candidates.items]

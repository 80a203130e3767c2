"""What the model behind an endpoint writes when asked for titles: a ranking made of them, and free text."""

from collections.abc import Sequence

from db import datasets
from engine.endpoint.scoring import Remote, dropped, in_prompt
from engine.endpoint.writing import Question, write
from engine.llm.scoring.ranking import RankResult, Task
from engine.progress import Clock
from engine.prompts import Dropped, Example, Fitted, fit
from engine.tasks.inputs import Inputs
from engine.tasks.title_lines import SPARE, compliance, read

TOP = 10  # titles that are asked for, or as many as there are candidates


class Asked:
    """One task's candidates put to a server, of which it is to write `top` titles.

    `question`: the bytes that ask; `most`: tokens of an answer; `places`: of the demonstrations that are
    written, those of weight 1. Raises BadInput for other weights.
    """

    def __init__(self, remote: Remote, task: Task, top: int) -> None:
        self.places, self._task = in_prompt(task)
        self._remote, encoder = remote, remote.encoder
        self.question = encoder.joined(task.template.form("free").ask(task.candidates))
        longest = max(len(encoder.joined((f" {title}\n",))) for title in task.candidates)
        self.most = top * (remote.tokens(longest) + SPARE)
        self._room = remote.context_length - int(self.most * remote.endpoint.ways.bytes_per_token)

    def behind(self, demos: Sequence[Example] | None = None) -> Fitted:
        """The prompt that the question stands behind, with these demonstrations; with the task's own."""
        task, room = self._task, self._room - len(self.question)
        demos = task.demos if demos is None else demos
        return fit(self._remote.encoder, task.template, "free", demos, task.history, room, task.hint)

    def has_room(self, fitted: Fitted, question: Sequence[int]) -> bool:
        """Whether another question fits behind the prompt."""
        return len(fitted.encoded) + len(question) <= self._room

    def questions(self, prompts: Sequence[Fitted], question: Sequence[int] | None = None) -> list[Question]:
        """What is sent: each prompt with the question, by default the first one."""
        asked = self.question if question is None else question
        return [Question((*fitted.encoded.ids, *asked), self.most) for fitted in prompts]

    def dropped(self, fitted: Fitted) -> tuple[Dropped, ...]:
        """What did not fit."""
        return dropped(self._remote, fitted, self.places)


class RemoteWriter:
    """Free text by a server (`engine.tasks.free_text.Writer`)."""

    def __init__(self, remote: Remote, task: Task, top: int) -> None:
        self._remote, self._task = remote, task
        self._asked = Asked(remote, task, top)
        self._fitted = self._asked.behind()
        way = remote.endpoint.way("free", "chat" if task.template.turns else "one")
        self.model, self.chat = remote, way == "chat"

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What did not fit."""
        return self._asked.dropped(self._fitted)

    def ids(self, faults: Sequence[tuple[str, str]] = ()) -> tuple[int, ...]:
        """The question, with the faults of an answer."""
        return self._remote.encoder.joined(
            self._task.template.form("free").ask(self._task.candidates, faults)
        )

    def has_room(self, question: Sequence[int]) -> bool:
        """Whether the question fits behind the prompt."""
        return self._asked.has_room(self._fitted, question)

    def write(self, question: Sequence[int]) -> tuple[str, int, int]:
        """An answer, and the tokens that were read and written. Raises EndpointError."""
        [answer] = write(
            self._remote, self._asked.questions([self._fitted], question), self._task.template.turns
        )
        return answer.text, answer.read, answer.written


def rank_written(remote: Remote, task: Task, inputs: Inputs) -> RankResult:
    """A ranking by what the model writes when asked for its best candidates: those it names come first, in
    its order, and the others share what is left. It has no likelihoods, so neither loss nor margin."""
    clock = Clock()
    top = min(TOP, len(task.candidates))
    asked = Asked(remote, task, top)
    prompts = [asked.behind(), asked.behind(())]
    with clock("write"):
        answers = write(remote, asked.questions(prompts), task.template.turns)
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
        text=remote.encoder.text(prompts[0].segments),
        kept=tuple(asked.places[b] for b in prompts[0].kept),
        dropped=asked.dropped(prompts[0]),
        dropped_zero_shot=asked.dropped(prompts[1]),
        timings_ms=clock.read(),
    )


def places_of(named: Sequence[int | None], inputs: Inputs, top: int) -> list[float]:
    """A score per candidate: `top` for the one named first, one less for each after it, 0 for the others."""
    rank = {item: top - place for place, item in enumerate(dict.fromkeys(named))}
    return [float(rank.get(item, 0)) for item in inputs.candidates.items]

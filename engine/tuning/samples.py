"""Training samples of a data set, laid out token for token as the engine renders them when ranking.

One sample is a query of a user, its answer, and 0 to k demonstrations before it (RecICL, arXiv 2410.23136) or
none (`single`, arXiv 2305.00447). What a sample may know is what the engine would know at its query:
everything in a demonstration lies strictly before the query's answer in time, and the interactions that are
held out to validate and to test are in no sample at all.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.datasets import DatasetColumns, Interaction
from db.errors import BadInput
from db.ratings import FIVE_STARS, Scale
from db.requests import TuneRequest
from engine.data.splits import positions, time_periods
from engine.demos.windows import LENGTH
from engine.prompts import PLAIN, Example, PieceEncoder, Template, render
from engine.prompts.segments import title_answer
from engine.tuning.worlds import Sample

HISTORY = 10  # newest items of the query, as many as ranking shows
VALIDATED = 128  # users whose newest permitted interaction validates
_MISSES = 1000  # samples in a row that do not fit
_GAP, _SHIFT = 64, 256  # tokens a segment may be moved on, and a whole prompt


@dataclass(frozen=True)
class Material:
    """What may be trained on: flat indices into the columns.

    answers [n]: interactions that may be a sample's answer. allowed [interactions]: those that may appear at
    all. validation: one answer per validating user, in no sample.
    """

    answers: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    validation: NDArray[np.int64]


def material(columns: DatasetColumns, request: TuneRequest, scale: Scale = FIVE_STARS) -> Material:
    """What the request permits. Raises BadInput where nothing is left to learn from."""
    place = positions(columns.user)
    length = np.bincount(columns.user)[columns.user]
    if request.until is None:
        allowed = place < length - 2
    elif columns.timestamp is None:
        raise BadInput(f"until: {request.dataset!r} has no timestamps, so it has no periods of time.")
    else:
        # Nobody's newest purchase is trained on, however early it was: ranking is tested on it.
        earlier = time_periods(columns.timestamp, request.periods)[0] < request.until
        allowed = earlier & (place < length - 1)
    answers = np.flatnonzero(allowed & (place >= 1))
    rng = random.Random(request.seed)
    # The last permitted answer of each user, for a few users.
    last = (
        answers[np.append(columns.user[answers][1:] != columns.user[answers][:-1], True)]
        if len(answers)
        else answers
    )
    count = min(VALIDATED, len(last) // 5)
    validation = np.array(sorted(rng.sample(last.tolist(), count)), dtype=np.int64)
    allowed = allowed.copy()
    allowed[validation] = False
    answers = np.setdiff1d(answers, validation)
    if not len(answers) or not count:
        raise BadInput(
            f"{request.dataset!r} has too few interactions to tune on: {len(answers)} answers and {count} to "
            "validate with are left after what is held out."
        )
    if request.answers == "rated":
        _check_rated(columns, answers, request, scale)
    return Material(answers, allowed, validation)


def _check_rated(
    columns: DatasetColumns, answers: NDArray[np.int64], request: TuneRequest, scale: Scale
) -> None:
    """Raises BadInput where ratings do not say both Yes and No."""
    ratings = None if columns.rating is None else columns.rating[answers]
    said = {scale.likes(float(rating)) for rating in ([] if ratings is None else np.unique(ratings))}
    if len(said) < 2:
        rated = "has no ratings" if ratings is None else f"has ratings of one kind only. {scale.words}"
        raise BadInput(
            f"answers: {request.dataset!r} {rated.rstrip('.')}, so every question has the same answer. Use "
            "--answers yes_no."
        )


class Sampler:
    """Samples of one data set for one tokenizer; each a function of the generator it is given."""

    def __init__(
        self,
        columns: DatasetColumns,
        encoder: PieceEncoder,
        request: TuneRequest,
        room: int,
        gaps: bool,
        scale: Scale = FIVE_STARS,
        template: Template = PLAIN,
    ) -> None:
        self.columns, self.encoder, self.request = columns, encoder, request
        self.material = material(columns, request, scale)
        self.scale, self.template = scale, template
        self._room, self._gaps = room, gaps
        self.place = positions(columns.user)
        self._by_item = np.argsort(columns.item, kind="stable")
        self._starts = np.searchsorted(columns.item[self._by_item], np.arange(len(columns.item_ids) + 1))
        self.scoring = request.scoring
        self.form = template.form(self.scoring)
        yes_no = [self.form.yes_no_answer(yes) for yes in (True, False)]
        self._two = encoder.answers(yes_no) if self.scoring == "yes_no" else []

    def endless(self, seed: str) -> Iterator[Sample]:
        """Samples for training, drawn evenly from the permitted answers."""
        rng = random.Random(seed)
        answers = self.material.answers
        misses = 0
        while True:
            sample = self.sample(int(answers[rng.randrange(len(answers))]), rng)
            misses = 0 if sample else misses + 1
            if sample:
                yield sample
            elif misses == _MISSES:
                raise self._too_long()

    def validation(self) -> list[Sample]:
        """The held-out answers, with as many demonstrations as there are at most; always the same."""
        rng = random.Random(self.request.seed)
        samples = [self.sample(int(answer), rng, full=True) for answer in self.material.validation]
        fitting = [sample for sample in samples if sample]
        if not fitting:
            raise self._too_long()
        return fitting

    def _too_long(self) -> BadInput:
        return BadInput(
            f"The titles of {self.request.dataset!r} are too long: not even one item of a history and the "
            f"next one fit into the model's {self._room:,} tokens. Choose a base with a longer context."
        )

    def sample(self, answer: int, rng: random.Random, full: bool = False) -> Sample | None:
        """The prompt that ends in this interaction, shortened as `prompts.fit` does where room is lacking.

        full: exactly `demos` demonstrations where they can be found, and plain positions. None where not even
        one item of the history fits.
        """
        count = 0
        if self.request.layout == "recicl":
            count = self.request.demos if full else rng.randint(0, self.request.demos)
        shown = self._window(answer, HISTORY)
        demos = [self._example(place) for place in self._demonstrations(answer, shown, count, rng)]
        item, liked = self._answer(answer, rng)
        title = self.columns.titles[item]
        if self.scoring == "yes_no":
            question, answered = self.form.ask([title]), self.form.yes_no_answer(liked)
        else:
            question, answered = (), title_answer(title)
        history = self.form.history(self._purchases(shown), self.scale)
        while True:
            pieces = [segment.pieces for segment in render(self.template, self.scoring, demos, history)]
            every = self.request.loss_on == "all"
            answers = [self.form.answer_place(demo) if every else None for demo in demos]
            sample = self._laid_out(pieces, (None, *answers), question, answered, rng, full)
            if sample or not (len(history) > 1 or demos):
                return sample
            if len(history) > 1:
                history = history[1:]
            else:
                demos = demos[1:]

    def _laid_out(
        self,
        segments: Sequence[Sequence[str]],
        answers: Sequence[int | None],
        question: Sequence[str],
        answered: Sequence[str],
        rng: random.Random,
        plain: bool,
    ) -> Sample | None:
        """Token ids with the loss weight of each, and the position of each.

        answers: by segment but the query's, the piece in it whose loss counts.
        """
        ids: list[int] = []
        weights: list[float] = []
        places: list[int] = []
        rivals: dict[int, int] = {}
        moved = self._gaps and not plain
        at = rng.randrange(_SHIFT) if moved and rng.random() < 0.6 else 0
        for number, pieces in enumerate(segments):
            last = number == len(segments) - 1
            own = [list(self.encoder.ids(piece)) for piece in (*pieces, *(question if last else ()))]
            if last:
                own.append(list(self.encoder.joined(answered)))
            taught = len(own) - 1 if last else answers[number]
            for place, tokens in enumerate(own):
                counts = [float(place == taught)] * len(tokens)
                if place == taught and (fork := self._fork(tokens)):
                    at_fork, rival = fork
                    counts = [float(token == at_fork) for token in range(len(tokens))]
                    rivals[len(ids) + at_fork] = rival
                ids += tokens
                weights += counts
            size = sum(map(len, own))
            places += range(at, at + size)
            at += size + (rng.randrange(_GAP) if moved and rng.random() < 0.4 else 0)
        if len(ids) > self._room:
            return None
        if places[-1] >= self._room:
            places = list(range(len(ids)))
        return Sample(ids, weights, places, rivals)

    def _fork(self, answer: Sequence[int]) -> tuple[int, int] | None:
        """Where an answer first differs from the other one of Yes and No, and the other's token there."""
        for one, other in (self._two, self._two[::-1]) if self._two else ():
            fork = next(place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
            if fork < len(answer) and list(one[: len(answer)]) == list(answer):
                return fork, other[fork]
        return None

    def _answer(self, answer: int, rng: random.Random) -> tuple[int, bool]:
        """The item asked about and whether it is liked; for yes_no, half are none of the user's."""
        item = int(self.columns.item[answer])
        if self.request.answers == "yes_no" and rng.random() < 0.5:
            user = self.columns.user[answer]
            low, high = np.searchsorted(self.columns.user, [user, user + 1])
            own = set(self.columns.item[low:high].tolist())
            for _ in range(20):
                other = rng.randrange(len(self.columns.item_ids))
                if other not in own:
                    return other, False
        return item, self._liked(answer)

    def _demonstrations(
        self, answer: int, shown: NDArray[np.int64], count: int, rng: random.Random
    ) -> list[int]:
        """Answers of up to `count` different windows; the newest stands next to the query."""
        places: set[int] = set()
        for _ in range(3 * count):
            if len(places) == count:
                break
            place = self._demonstration(answer, shown, rng)
            if place is not None:
                places.add(place)
        return sorted(places, key=self._moment)

    def _demonstration(self, answer: int, shown: NDArray[np.int64], rng: random.Random) -> int | None:
        """The answer of one window known before this answer, from one of the sources."""
        source = self.request.sources[rng.randrange(len(self.request.sources))]
        return self._proximal(answer, rng) if source == "proximal" else self._neighbour(answer, shown, rng)

    def _proximal(self, answer: int, rng: random.Random) -> int | None:
        back = int(self.place[answer])
        if back < 2:
            return None
        place = answer - min(1 + int(rng.expovariate(0.4)), back - 1)
        return place if self._before(place, answer) else None

    def _neighbour(self, answer: int, shown: NDArray[np.int64], rng: random.Random) -> int | None:
        """What somebody else bought soon after an item of the query, mostly a recent one."""
        item = int(self.columns.item[shown[-1 - min(int(rng.expovariate(0.9)), len(shown) - 1)]])
        low, high = int(self._starts[item]), int(self._starts[item + 1])
        users = self.columns.user
        for _ in range(6):
            purchase = int(self._by_item[rng.randrange(low, high)])
            place = purchase + (1 if rng.random() < 0.85 else rng.randint(1, 3))
            inside = place < len(users) and users[place] == users[purchase] != users[answer]
            if inside and self._before(place, answer):
                return place
        return None

    def _before(self, place: int, answer: int) -> bool:
        """Whether a window that ends in `place` was known when `answer` was asked for."""
        if not self.material.allowed[place]:
            return False
        times = self.columns.timestamp
        return times is None or bool(times[place] < times[answer])

    def _window(self, answer: int, size: int) -> NDArray[np.int64]:
        return np.arange(answer - min(size, int(self.place[answer])), answer)

    def _purchases(self, rows: NDArray[np.int64]) -> list[Interaction]:
        return [self._purchase(int(row)) for row in rows]

    def _purchase(self, row: int) -> Interaction:
        """A row as the store reads it."""
        columns, item = self.columns, int(self.columns.item[row])
        rating = math.nan if columns.rating is None else float(columns.rating[row])
        return Interaction(
            position=int(self.place[row]),
            item=item,
            item_id=columns.item_ids[item],
            title=columns.titles[item],
            timestamp=None if columns.timestamp is None else int(columns.timestamp[row]),
            rating=None if math.isnan(rating) else rating,
            category=columns.categories[item],
            brand=columns.brands[item],
        )

    def _moment(self, row: int) -> tuple[int, int]:
        return (0 if self.columns.timestamp is None else int(self.columns.timestamp[row]), row)

    def _example(self, answer: int) -> Example:
        history = self._purchases(self._window(answer, LENGTH))
        return self.form.example(history, self._purchase(answer), self._liked(answer), self.scale)

    def _liked(self, row: int) -> bool:
        ratings = self.columns.rating
        return self.scale.likes(None if ratings is None else float(ratings[row]))

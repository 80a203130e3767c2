"""From a request to stored demonstrations with weights, by the two stages and the guard.

Boundary: an `OptimizeRequest` in, a stored result out (JSON, `Optimization.result`). The search, the learning
of weights and the verdict are pure and live beside this; here they get a store and a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from db import demonstrations, optimizations
from db.canonical import digest
from db.datasets import DatasetInfo
from db.optimizations import Optimization
from db.requests import OptimizeRequest
from db.requests.keep import Kept, read_kept
from db.store import Store
from db.version import ENGINE_VERSION
from engine.context import Context, Engine, resolve
from engine.demos import selection
from engine.demos.dislikes import disliked_for
from engine.demos.named import named
from engine.demos.query import PoolEntry, Query
from engine.optimize import calibration, validation_purchases
from engine.optimize.choose import Search, Set, Step, choose
from engine.optimize.guard import Verdict, better, expectation, judge
from engine.optimize.stay import Stay
from engine.optimize.validation_purchases import Target
from engine.progress import Clock, Report, counted, quiet

if TYPE_CHECKING:
    from engine.optimize.utility import ModelUtility

SAME = 0.02
"""How far from 1 a weight must be to count as another weight."""

LOCKED = "The locked demonstrations stay in any case, and gains are gains over them alone."

TRIES = 2
"""Demonstrations of the pool that are tried at each step of the search."""


def optimize(engine: Engine, request: OptimizeRequest, report: Report = quiet) -> Optimization:
    """The optimized demonstrations of a user, from the store where the same was asked before.

    report(progress, message, partial). Raises NotFound, BadInput, ModelError, OutOfMemory; the store is as
    before then.
    """
    return at_query(resolve(engine, request), report)


def at_query(context: Context[OptimizeRequest], report: Report = quiet) -> Optimization:
    """The same for any moment of a user's history."""
    store, dataset, query, model = context.store, context.dataset, context.query, context.model
    asked, key = context.request.to_json(), key_of(context)
    stored = optimizations.find(store, key)
    if stored is not None:
        return replace(stored, result={**stored.result, "cached": True})
    disliked_for(store, dataset, query, context.request.edits)  # refuses before minutes of work, not after
    clock = Clock()
    work = _Work(context, report)
    result = {"request": asked, "key": key, **work.result(), "cached": False}
    result["seconds"] = round(clock.seconds, 3)
    demonstrations.save_many(store, [entry.demonstration for entry in work.pool])
    return optimizations.save(store, Optimization(key, dataset.id, query.user_id, model.name, result))


def key_of(context: Context[OptimizeRequest]) -> str:
    """SHA-256 over everything that an optimization's result depends on."""
    query = context.query
    place = [query.user_id, query.target_position, query.known_until]
    computed_by = [context.identity.as_dict(), ENGINE_VERSION]
    return digest([context.request.to_json(), place, context.dataset.fingerprint, *computed_by])


@dataclass
class _Work:
    """One optimization: the pool, the probes, and the path as it grows."""

    context: Context[OptimizeRequest]
    report: Report
    path: list[dict[str, Any]] = field(default_factory=list)

    @property
    def request(self) -> OptimizeRequest:
        return self.context.request

    @property
    def _where(self) -> tuple[Store, DatasetInfo, Query]:
        """Where demonstrations are looked for, and for which moment."""
        return self.context.store, self.context.dataset, self.context.query

    def result(self) -> dict[str, Any]:
        """Both stages and the verdict."""
        self.report(None, "choosing validation purchases and demonstrations")
        alone = "The locked demonstrations alone" if self.kept else "No demonstrations"
        self._tell(0, "zero-shot", (), (), 0.0, 0, f"{alone}: the baseline of every gain.")
        base, refused = expectation(self.expected)
        if refused and self.request.guard:
            chosen, weights, verdict = (), (), refused
        elif self.choosing and self.pool and (self.judging or not self.request.guard):
            chosen, weights, verdict = self._both_stages(base)
        else:
            chosen, weights, verdict = (), (), judge(np.zeros(0), None, np.zeros(0))
        last = self.path[-1]["objective"] if chosen else 0.0
        if self.kept:
            verdict = replace(verdict, reason=f"{verdict.reason} {LOCKED}")
        self._tell(3, "guard", chosen, weights, last, 0, verdict.reason)
        return {
            "measure": self.request.measure,
            "probes": [_probe_json(target) for target in self.targets],
            "pool": [_entry_json(entry) for entry in self.pool],
            "path": self.path,
            "chosen": [
                {"id": self.pool[place].demonstration.id, "weight": weight}
                for place, weight in zip(*self.stay.around(chosen, weights), strict=True)
            ],
            "guard": verdict.to_json(),
        }

    def _both_stages(self, base: str | None) -> tuple[Set, tuple[float, ...], Verdict]:
        """What is applied after both stages, and why."""
        chosen = self._stage_one(base)
        if self.request.guard and base is not None:
            chosen = self._no_worse(chosen, base)
        learned = self._stage_two(chosen) if chosen and self.request.stages == 2 else None
        verdict = self._verdict(chosen, learned, base)
        if verdict.verdict == "zero-shot":
            return (), (), verdict
        if verdict.verdict == "two-stage" and learned is not None:
            return chosen, learned, verdict
        return chosen, (1.0,) * len(chosen), verdict

    @cached_property
    def targets(self) -> list[Target]:
        ask = self.request
        return validation_purchases.targets(*self._where, ask.probes, ask.history, ask.seed)

    @cached_property
    def choosing(self) -> list[Target]:
        """Without a guard every probe may choose."""
        return [target for target in self.targets if not (target.held_out and self.request.guard)]

    @cached_property
    def judging(self) -> list[Target]:
        return [target for target in self.targets if target.held_out]

    @cached_property
    def starts(self) -> dict[str, list[PoolEntry]]:
        """What the plain strategies choose beside what is kept, in prompt order."""
        if not self.request.start:
            return {}
        ask, kept = self.request, {one.id for one in self.kept}
        chosen = {
            name: selection.choose(*self._where, f"{name}:{ask.size}", ask.seed)
            for name in calibration.STARTS
        }
        others = {
            name: [entry for entry in entries if entry.demonstration.id not in kept]
            for name, entries in chosen.items()
        }
        return {name: entries[-self._free :] for name, entries in others.items()}

    @cached_property
    def kept(self) -> tuple[Kept, ...]:
        """What the request keeps."""
        return read_kept(self.request.keep)

    @property
    def _free(self) -> int:
        """How many demonstrations may be chosen."""
        return self.request.size - len(self.kept)

    @cached_property
    def stay(self) -> Stay:
        """What the request keeps, as places of the pool, whose last entries they are."""
        first = len(self.pool) - len(self.kept)
        return Stay(
            tuple(range(first, len(self.pool))),
            tuple(one.place for one in self.kept),
            tuple(one.weight for one in self.kept),
        )

    @cached_property
    def expected(self) -> dict[str, np.ndarray]:
        """What each start brought other users [n], in NDCG@10."""
        ask = self.request
        if not (ask.start and ask.calibrate):
            return {}
        return calibration.gains(self.context, self.report)

    @cached_property
    def pool(self) -> list[PoolEntry]:
        """Every demonstration looked at, each once: of the starts, source by source, then what is kept."""
        ask = self.request
        started = [entry for entries in self.starts.values() for entry in entries]
        offered = selection.pool(*self._where, ask.sources, ask.pool, ask.seed)
        stay = named(*self._where, [one.id for one in self.kept])
        ids = {one.id for one in self.kept}
        found = {entry.demonstration.id: entry for entry in [*started, *offered]}
        return [*(entry for name, entry in found.items() if name not in ids), *stay]

    @cached_property
    def tokens(self) -> list[int]:
        """Of each demonstration of the pool."""
        return [self.context.reader.tokens(entry) for entry in self.pool]

    @cached_property
    def utility(self) -> ModelUtility:
        """Of sets on the probes that choose."""
        return self._utility_on(self.choosing)

    @cached_property
    def held_out_utility(self) -> ModelUtility:
        """Of sets on the probes that judge."""
        return self._utility_on(self.judging)

    def _utility_on(self, among: Sequence[Target]) -> ModelUtility:
        from engine.optimize.utility import ModelUtility

        return ModelUtility(self.context, self.pool, among, self.stay)

    def _allowed(self, chosen: Set) -> bool:
        budget = self.request.tokens
        whole, _ = self.stay.around(chosen)
        if budget is not None and sum(self.tokens[place] for place in whole) > budget:
            return False
        return self.utility.fits(chosen)

    def _stage_one(self, base: str | None) -> Set:
        starts = {name: self._start(name) for name in self.starts}
        search = Search(
            self.utility,
            validation_purchases.share(self.choosing),
            self._free,
            self._allowed,
            self._took,
        )
        others = range(len(self.pool) - len(self.kept))
        order = sorted(others, key=lambda n: -self.pool[n].similarity)
        beam = self.request.beam if self.request.perturb is None else max(2, self.request.beam)
        return choose(search, starts, base, order, beam, TRIES)

    def _no_worse(self, chosen: Set, base: str) -> Set:
        """The set, or the plain strategy's where the held-out probes do not rank reliably better with it."""
        plain = self._start(base)
        if chosen == plain or not self._allowed(plain):
            return chosen
        if better(self._ranked(chosen), self._ranked(plain), validation_purchases.share(self.judging)):
            return chosen
        mean = float(validation_purchases.share(self.choosing) @ self.utility.gains(plain))
        note = f"Held-out purchases do not rank reliably better with this set, so the set of {base} is kept."
        self._tell(1, "back", plain, (1.0,) * len(plain), mean, 0, note)
        return plain

    def _ranked(self, chosen: Set) -> np.ndarray:
        """Gains in NDCG@10 [P] of the set on the probes that judge."""
        ones = (1.0,) * len(chosen)
        return self.held_out_utility.ranking_gains(chosen, ones) if chosen else np.zeros(len(self.judging))

    def _start(self, name: str) -> Set:
        """What a plain strategy chooses, as places of the pool."""
        place = {entry.demonstration.id: n for n, entry in enumerate(self.pool)}
        return tuple(place[entry.demonstration.id] for entry in self.starts.get(name, ()))

    def _took(self, step: Step) -> None:
        ones = (1.0,) * len(step.chosen)
        self._tell(1, step.action, step.chosen, ones, step.objective, step.tried, step.note)

    def _stage_two(self, chosen: Set) -> tuple[float, ...]:
        from engine.optimize.learn_weights import learn

        share = validation_purchases.share(self.choosing)
        ask = self.request
        learned = learn(
            self.utility.slope(chosen, share),
            len(chosen),
            steps=ask.steps,
            ridge=ask.ridge,
            noise=ask.noise,
            seed=ask.seed,
            report=lambda step, _: self.report(
                step / ask.steps, f"learning weights: step {step + 1} of {ask.steps}"
            ),
        )
        mean = float(share @ self.utility.weighted(chosen, learned.weights))
        note = f"Weights learned in {counted(len(learned.costs), 'step')} of gradient descent."
        self._tell(2, "weights", chosen, learned.weights, mean, len(learned.costs), note)
        return learned.weights

    def _verdict(self, chosen: Set, learned: tuple[float, ...] | None, base: str | None) -> Verdict:
        if not self.request.guard:
            stages = "two-stage" if learned is not None else "stage 1"
            return Verdict(stages if chosen else "zero-shot", "Applied without a guard.")
        if not chosen:
            return Verdict("zero-shot", "With no demonstration do the probes reliably do better.")
        plain = self._ranked(chosen)
        # Weights that are all but 1 change no list.
        same = learned is None or max(abs(weight - 1) for weight in learned) < SAME
        weighted = None if same or learned is None else self.held_out_utility.ranking_gains(chosen, learned)
        expected = None if base is None else self.expected[base]
        return judge(plain, weighted, validation_purchases.share(self.judging), expected)

    def _tell(
        self,
        stage: int,
        action: str,
        chosen: Set,
        weights: Sequence[float],
        objective: float,
        tried: int,
        note: str,
    ) -> None:
        """One more step of the path, with its gain on the probes that did not choose."""
        held_out = None
        if self.judging and self.request.guard:
            gains = self.held_out_utility.weighted(chosen, weights) if chosen else np.zeros(len(self.judging))
            held_out = float(validation_purchases.share(self.judging) @ gains)
        whole, given = self.stay.around(chosen, weights)
        self.path.append(
            {
                "stage": stage,
                "step": len(self.path),
                "action": action,
                "demonstrations": [self.pool[place].demonstration.id for place in whole],
                "weights": given,
                "objective": objective,
                "held_out": held_out,
                "tried": tried,
                "note": note,
            }
        )
        self.report(None, note, {"path": self.path})


def _probe_json(target: Target) -> dict[str, Any]:
    """A probe as JSON."""
    return {
        "kind": target.kind,
        "user": target.user_id,
        "target": target.purchase.title,
        "history": [row.title for row in target.history],
        "held_out": target.held_out,
        "weight": round(target.weight, 4),
    }


def _entry_json(entry: PoolEntry) -> dict[str, Any]:
    """A demonstration of the pool as JSON."""
    return {
        "id": entry.demonstration.id,
        "source": entry.demonstration.source,
        "similarity": entry.similarity,
        "history": [row.title for row in entry.history],
        "answer": entry.answer.title,
    }

"""An engine whose rankings are computed on a Ray cluster; it reads the store and writes to it, and loads no
model for that.

What is more than one plain prompt (edits, hints, several prompts, effects, strategies that compare by the
model's states), and whatever needs no model here (endpoints, baselines, copies, systems from elsewhere),
stays in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.errors import BadInput
from db.experiments import Place
from db.models import ModelInfo
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.llm.loading.identity import Identity
from engine.progress import Report, announce
from engine.studies.experiments.cells import MODEL, Cell
from engine.studies.experiments.grid import Column, Grid
from engine.studies.experiments.ray_plan import batch_size
from engine.studies.experiments.units import asked, measured
from engine.tasks.answerer import Described
from engine.tasks.rank import Pending, looked_up

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.llm.scoring.ranking import RankResult, Task
    from engine.studies.experiments.ray_cluster import Cluster

Cells = Mapping[Place, Cell]


@dataclass(frozen=True)
class Batch:
    """Users whose rankings go to one actor, looked up."""

    users: Sequence[str]
    pending: Sequence[Pending]

    def tasks(self, model: Described) -> list[list[Task]]:
        """What is to be ranked, by user."""
        return [pending.tasks(model) for pending in self.pending]


class RayEngine(Engine):
    """The engine of a command that spreads an experiment over a cluster."""

    def __init__(self, store: Store, settings: Settings, cluster: Cluster) -> None:
        super().__init__(store, settings)
        self.cluster = cluster
        self._identities: dict[str, Identity] = {}

    def identity(self, info: ModelInfo) -> Identity:
        """As the cluster computes."""
        if info.endpoint is not None:
            return super().identity(info)
        if info.revision not in self._identities:
            announce("waiting for a machine of the cluster")
            self._identities[info.revision] = self.cluster.identity(info, lambda: None)
        return self._identities[info.revision]

    def load(self, info: ModelInfo) -> LoadedModel:
        """The model here, for what is not spread. Raises BadInput where numbers would be others."""
        here, there = super().identity(info), self.identity(info)
        if here != there:
            raise BadInput(
                f"The experiment has a part that is computed by this command itself, with {info.name} in "
                f"{here.dtype} on {here.device} ({here.libraries}), and the cluster computes in "
                f"{there.dtype} on {there.device} ({there.libraries}). Run it on a machine like those of "
                "the cluster, or leave out edits, hints, several prompts, effects, budgets in tokens and "
                "strategies that compare by the model's states."
            )
        return super().load(info)

    def spreads(self, grid: Grid, group: Sequence[Column]) -> bool:
        """Whether a group's rankings are computed on the cluster."""
        first = group[0]
        return first.row.kind == MODEL and grid.models[first.values["model"]].endpoint is None

    def compute(
        self,
        grid: Grid,
        name: str,
        group: Sequence[Column],
        users: Sequence[str],
        within: Callable[[str], Report],
    ) -> Iterator[Cells]:
        """The cells of each of these users, as they are there. within: what reports a message, and may end
        the work. Raises what ranking raises."""
        info, done = grid.models[name], 0
        complete: list[Batch] = []

        def report() -> None:
            cluster = self.cluster
            within(f"{name}: {done:,} of {len(users):,} users, {cluster.ready} of {cluster.size} actors")()

        def batches() -> Iterator[Batch]:
            size = batch_size(len(users), self.cluster.size)
            for start in range(0, len(users), size):
                report()
                several = users[start : start + size]
                batch = Batch(several, [self._looked_up(grid, group, user, within) for user in several])
                if any(pending.new for pending in batch.pending):
                    yield batch
                else:
                    complete.append(batch)

        def cells(
            batch: Batch, model: Described | None, ranked: Sequence[Sequence[RankResult]]
        ) -> Iterator[Cells]:
            for user, pending, results in zip(batch.users, batch.pending, ranked, strict=True):
                runs = pending.kept(model, results)
                yield measured(self, grid, group, user, runs, within(f"{name}: {user}"))

        templates = {
            context.template.key: context.template for context in asked(self, grid, group, grid.users[0])
        }
        spread = self.cluster.rank(info, list(templates.values()), batches(), Batch.tasks, report)
        for batch, model, ranked in spread:
            yield from cells(batch, model, ranked)
            done += len(batch.users)
        for batch in complete:
            yield from cells(batch, None, [[]] * len(batch.users))

    def _looked_up(
        self, grid: Grid, group: Sequence[Column], user: str, within: Callable[[str], Report]
    ) -> Pending:
        return looked_up(asked(self, grid, group, user), within(f"looking up {user}"))


@contextmanager
def ray_engine(
    store: Store, settings: Settings, address: str, actors: int | None, cpus: int | None
) -> Iterator[RayEngine]:
    """An engine on the cluster at an address, for the time of the block. Raises BadInput, also where Ray is
    not installed."""
    try:
        from engine.studies.experiments.ray_cluster import Cluster, connected
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "ray":
            raise
        raise BadInput(
            "--ray: Ray is not installed here. Install it (pip install 'dualens[ray]'), or leave --ray out."
        ) from error
    with connected(address):
        cluster = Cluster(settings, actors, cpus)
        try:
            yield RayEngine(store, settings, cluster)
        finally:
            cluster.close()

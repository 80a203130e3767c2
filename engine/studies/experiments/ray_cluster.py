"""Actors on a Ray cluster: started, given batches of users, replaced when they are lost.

Boundary: batches in, results out, each once; what a batch is, and what becomes of its results, is the
business of `ray_engine`. A batch whose actor is lost goes to another one.
"""

from __future__ import annotations

import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import ray  # pyright: ignore[reportMissingImports]
from ray import exceptions  # pyright: ignore[reportMissingImports]

from db.errors import BadInput, DualensError, ModelError, OutOfMemory
from db.models import ModelInfo
from db.settings import Settings
from engine.llm.loading.folder import files_read
from engine.llm.loading.identity import Identity
from engine.prompts import Template
from engine.studies.experiments.ray_actor import HERE, Place, Ranker
from engine.studies.experiments.ray_plan import Division, divided
from engine.tasks.answerer import Described

AHEAD = 2  # batches that an actor has: one that it computes, one that waits there
TICK_S = 0.5  # how often whoever waits is asked whether to go on
TRIES = 3  # actors that end before anything is finished, until the reason is given up on
REACH_S = 5.0  # for a cluster's address to answer
STORE_BYTES = 256 << 20  # of a cluster that is started here: results are small, and models are read from disk
LOST = (
    exceptions.RayActorError,
    exceptions.ActorUnschedulableError,
    exceptions.ObjectLostError,
    exceptions.OutOfMemoryError,
    exceptions.NodeDiedError,
    exceptions.WorkerCrashedError,
)
"""What says that an actor, its machine, or what it found is gone."""

Batch = TypeVar("Batch")


@contextmanager
def connected(address: str) -> Iterator[None]:
    """A connection to the cluster at `host:port`; auto: the one that this machine is part of, else one that
    is started here for the time of the block. Raises BadInput."""
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    ours = address == "auto" and not _running()
    if ours:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
        options |= {"include_dashboard": False, "object_store_memory": STORE_BYTES}
    else:
        _reach(address)
        options["address"] = address
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError, exceptions.RayError) as error:
        said = str(error).strip().splitlines()[0]
        raise BadInput(
            f"--ray: the cluster at {address!r} cannot be used: {said} Its machines need the same versions "
            f"of Python and Ray ({ray.__version__}) as this one."
        ) from error
    finally:
        for number, handler in handlers.items():  # Ray takes SIGTERM for itself
            signal.signal(number, handler)
    try:
        yield
    finally:
        ray.shutdown()


def _running() -> bool:
    """Whether this machine is part of a cluster that `auto` means."""
    from ray._private import services  # pyright: ignore[reportMissingImports]

    return bool(os.environ.get("RAY_ADDRESS") or services.find_gcs_addresses())


def _reach(address: str) -> None:
    """Raises BadInput where nobody listens: Ray itself would try for a minute."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise BadInput(f"--ray: {address!r} is no address. Give auto or HOST:PORT, as `ray start` prints it.")
    try:
        socket.create_connection((host, int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        raise BadInput(
            f"--ray: nothing answers at {address} ({error}). Start a cluster there with `ray start --head "
            "--port 6379`, or give auto."
        ) from error


@dataclass(eq=False)
class Actor:
    """A process of the cluster. `losses`: of those before it in its place since one finished anything."""

    handle: Any
    losses: int = 0
    place: Place | None = None
    model: Described | None = None
    sent: int = 0


class Cluster:
    """The actors of one command. Not thread-safe."""

    def __init__(self, settings: Settings, actors: int | None, cpus: int | None) -> None:
        """actors, cpus: as asked for, None for what the machines have. Raises BadInput."""
        self._settings = settings
        self.division: Division = divided(ray.nodes(), actors, cpus, settings.device)
        self._remote = ray.remote(Ranker)
        self.actors = [self._started() for _ in range(self.division.actors)]

    def close(self) -> None:
        """End all actors."""
        for actor in self.actors:
            _end(actor)

    @property
    def size(self) -> int:
        """How many actors there are to be."""
        return len(self.actors)

    @property
    def ready(self) -> int:
        """How many have their model."""
        return sum(actor.model is not None for actor in self.actors)

    def pids(self) -> list[int]:
        """Processes of the actors that answered."""
        return [actor.place.pid for actor in self.actors if actor.place]

    def identity(self, info: ModelInfo, idle: Callable[[], None]) -> Identity:
        """What a model's numbers depend on where the first actor that answers is."""
        waiting = {self._ask(actor, info): actor for actor in self.actors}
        while True:
            done, _ = ray.wait(list(waiting), timeout=TICK_S)
            idle()
            for ref in done:
                actor = waiting.pop(ref)
                try:
                    return _got(ref)
                except LOST as error:
                    fresh = self.replaced(actor, error)
                    waiting[self._ask(fresh, info)] = fresh
            if not done:
                self.check_room()

    def rank(
        self,
        info: ModelInfo,
        templates: Sequence[Template],
        batches: Iterator[Batch],
        tasks: Callable[[Batch, Described], Any],
        idle: Callable[[], None],
    ) -> Iterator[tuple[Batch, Described, Any]]:
        """The results of each batch, once, in the order in which they are there. tasks: what an actor is sent
        of a batch. idle: called now and then, may raise to end. Raises DualensError."""
        first = next(batches, None)
        if first is None:
            return
        work = _Work(self, info, templates, chain([first], batches), tasks)
        while work.give():
            done, _ = ray.wait(list(work.calls), timeout=TICK_S)
            idle()
            if not done and not self.ready:
                self.check_room()
            for ref in done:
                yield from work.take(ref)

    def _started(self, losses: int = 0) -> Actor:
        division, settings = self.division, self._settings
        handle = self._remote.options(
            num_cpus=division.cpus,
            num_gpus=int(division.gpu),
            max_restarts=0,
            scheduling_strategy="SPREAD",
        ).remote(settings.device, settings.dtype, division.cpus, ray.get)
        return Actor(handle, losses)

    def _ask(self, actor: Actor, info: ModelInfo) -> Any:
        return actor.handle.identity.remote(info.revision, info.parameters)

    def check(self, place: Place, model: Described) -> None:
        """Raises ModelError where an actor that has its model computes otherwise than the others."""
        if place.dualens != HERE:
            raise ModelError(
                f"On {place.host} is dualens {place.dualens}, and here {HERE}. Install the same version on "
                "all machines of the cluster."
            )
        known = next((other.model for other in self.actors if other.model is not None), model)
        if known.identity != model.identity:
            raise ModelError(
                f"On {place.host} {model.name} is computed with {_worded(model.identity)}, and on another "
                f"machine with {_worded(known.identity)}: numbers would depend on where they are computed. "
                "Give all machines the same libraries, and set DUALENS_DEVICE and DUALENS_DTYPE."
            )

    def replaced(self, actor: Actor, error: Exception) -> Actor:
        """A new actor in the place of one that is lost. Raises where one after the other ended."""
        _end(actor)
        if actor.losses + 1 >= TRIES or _unusable(error):
            raise reason(error, f"{TRIES} actors ended one after the other in the same place")
        fresh = self._started(actor.losses + 1)
        self.actors[self.actors.index(actor)] = fresh
        return fresh

    def check_room(self) -> None:
        """Raises ModelError where nothing is left that an actor could run on."""
        if not self.division.fits(ray.nodes()):
            raise ModelError(
                "The last machine of the cluster on which the experiment could run was lost. What was "
                "finished is kept: run the same command again when it is back."
            )


@dataclass
class _Sent(Generic[Batch]):
    """A batch, and how many actors were lost with it."""

    batch: Batch
    lost: int = 0


class _Work(Generic[Batch]):
    """What one model ranks: which batches wait, and what each actor was asked for.

    `calls`: by the reference of an answer the actor and the batch, or None where it is to load the model.
    """

    def __init__(
        self,
        cluster: Cluster,
        info: ModelInfo,
        templates: Sequence[Template],
        batches: Iterator[Batch],
        tasks: Callable[[Batch, Described], Any],
    ) -> None:
        self._cluster, self._info, self._templates, self._tasks = cluster, info, templates, tasks
        self._batches = map(_Sent, batches)
        self._again: deque[_Sent[Batch]] = deque()
        self._dealt = False  # nothing waits any more
        self._files: dict[str, Any] | None = None
        self.calls: dict[Any, tuple[Actor, _Sent[Batch] | None]] = {}
        for actor in cluster.actors:
            actor.model, actor.sent = None, 0
            self._load(actor)

    def give(self) -> bool:
        """Give actors that have room their next batches; False when everything is done."""
        for actor in self._cluster.actors:
            while actor.model is not None and actor.sent < AHEAD and (sent := self._next()) is not None:
                ref = actor.handle.rank.remote(self._tasks(sent.batch, actor.model))
                self.calls[ref], actor.sent = (actor, sent), actor.sent + 1
        return not self._dealt or bool(self._again) or any(sent for _, sent in self.calls.values())

    def take(self, ref: Any) -> Iterator[tuple[Batch, Described, Any]]:
        """What was answered: a batch's results, if it was about one. Raises DualensError."""
        if ref not in self.calls:
            return  # its actor was lost a moment ago
        actor, sent = self.calls[ref]
        try:
            found = _got(ref)
        except LOST as error:
            self._lose(actor, sent, error)
            return
        del self.calls[ref]
        if sent is not None:
            assert actor.model is not None
            actor.sent, actor.losses = actor.sent - 1, 0
            yield sent.batch, actor.model, found
        elif found is None:
            self._files = self._files or shipped(self._info)
            self._load(actor, self._files)
        else:
            self._cluster.check(*found)
            actor.place, actor.model = found

    def _next(self) -> _Sent[Batch] | None:
        sent = self._again.popleft() if self._again else next(self._batches, None)
        self._dealt = sent is None
        return sent

    def _load(self, actor: Actor, files: Mapping[str, Any] | None = None) -> None:
        info = self._info
        ref = actor.handle.load.remote(info.source, info.revision, self._templates, files)
        self.calls[ref] = actor, None

    def _lose(self, actor: Actor, sent: _Sent[Batch] | None, error: Exception) -> None:
        """Give the batches of a lost actor to others. Raises where one has cost many actors."""
        if sent is not None:  # the one that it computed
            sent.lost += 1
            if sent.lost >= TRIES:
                raise reason(error, f"{TRIES} actors ended while they ranked the same users")
        for ref in [ref for ref, (other, _) in self.calls.items() if other is actor]:
            _, lost = self.calls.pop(ref)
            if lost is not None:
                self._again.append(lost)
        self._load(self._cluster.replaced(actor, error))


def _got(ref: Any) -> Any:
    """What an actor answered. Raises its DualensError as it was raised there."""
    try:
        return ray.get(ref)
    except exceptions.RayTaskError as error:
        if isinstance(error.cause, DualensError):
            raise error.cause from None
        raise


def _end(actor: Actor) -> None:
    with suppress(exceptions.RayError, ValueError):
        ray.kill(actor.handle, no_restart=True)


def shipped(info: ModelInfo) -> dict[str, Any]:
    """The files of a model in Ray's object store. Raises ModelError where they are not here either."""
    folder = Path(info.source)
    if not folder.is_dir():
        raise ModelError(
            f"The folder {folder} of the model {info.name} is neither on this machine nor on one of the "
            "cluster. Put it where all of them see it, or register the model from where it is."
        )
    return {
        file.relative_to(folder).as_posix(): ray.put(
            np.memmap(file, np.uint8, "r") if file.stat().st_size else np.empty(0, np.uint8)
        )
        for file in files_read(folder)
    }


def _worded(identity: Identity) -> str:
    return f"{identity.dtype} on {identity.device} ({identity.libraries})"


def _unusable(error: Exception) -> bool:
    """Whether an actor cannot even begin: its code is not there."""
    return "ModuleNotFoundError" in str(error) or "failed to import" in str(error)


def reason(error: Exception, what: str) -> DualensError:
    """Why actors end, as far as Ray knows."""
    said = " ".join(str(error).split())
    if _unusable(error):
        return ModelError(
            f"A machine of the cluster has no dualens {HERE}, or not with this Python: {said[:300]} Install "
            "it there: pip install 'dualens[ray]'."
        )
    kept = "What was finished is kept: run the same command again to resume."
    if isinstance(error, exceptions.OutOfMemoryError) or "memory" in said.lower():
        return OutOfMemory(
            f"{what}, as the memory of their machine ran out: {said[:300]} Use fewer actors on a machine "
            f"(--ray-actors, or more of --ray-cpus for each). {kept}"
        )
    return ModelError(f"{what}: {said[:300]} {kept}")

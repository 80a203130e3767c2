"""How a Ray cluster's machines are divided among actors, and users dealt to them: arithmetic alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.errors import BadInput

GROUP = 4  # cores of an actor where there is no GPU: a small model gains little from more
MOST = 16  # users in a batch: the driver looks around, and a lost actor loses, a batch at a time
ROUNDS = 4  # batches per actor at least, so that all of them end at about the same time


@dataclass(frozen=True)
class Division:
    """So many actors, each with so many cores and, where there are GPUs, one of those."""

    actors: int
    cpus: int
    gpu: bool

    def fits(self, nodes: Sequence[Mapping[str, Any]]) -> bool:
        """Whether an actor has room on any machine when nobody else computes there."""
        return any(_room(node, self.cpus, self.gpu) for node in alive(nodes))


def divided(
    nodes: Sequence[Mapping[str, Any]], actors: int | None, cpus: int | None, device: str = "auto"
) -> Division:
    """How the machines of `ray.nodes()` are divided: an actor for each GPU, or for each group of cores.

    actors, cpus: as asked, None for what the machines have. device: of the settings. Raises BadInput where
    no machine has room for one actor.
    """
    there = alive(nodes)
    gpu = not device.startswith("cpu") and any(_of(node, "GPU") >= 1 for node in there)
    largest = max((_of(node, "CPU") for node in there), default=0)
    each = cpus or (1 if gpu else max(1, min(GROUP, largest)))
    room = sum(_room(node, each, gpu) for node in there)
    if not room:
        raise BadInput(
            f"--ray-cpus: no machine of the cluster has {each} cores{' and a GPU' if gpu else ''} for an "
            f"actor; the largest of its {len(there)} has {largest} cores. Ask for fewer."
        )
    return Division(actors or room, each, gpu)


def batch_size(users: int, actors: int) -> int:
    """How many users an actor gets at a time."""
    return max(1, min(MOST, users // (ROUNDS * actors)))


def alive(nodes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The resources of the machines that are there."""
    return [node["Resources"] for node in nodes if node["Alive"]]


def _of(node: Mapping[str, Any], name: str) -> int:
    return int(node.get(name, 0))


def _room(node: Mapping[str, Any], cpus: int, gpu: bool) -> int:
    room = _of(node, "CPU") // cpus
    return min(room, _of(node, "GPU")) if gpu else room

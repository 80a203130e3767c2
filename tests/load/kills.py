"""`python -m tests.load.kills`: an experiment whose processes are killed again and again ends as one that was
left alone.

Several kinds of process work on it in turn, each killed by SIGKILL in the midst of its work: the command
`experiment run` (the driver), the engine of a dashboard, the dashboard itself and, where Ray is installed,
one of two actors of a command, which goes on and is then killed, too. At the end its answer must have the
same bytes as that of another workspace in which nothing was killed, but for what clocks said.
"""

import argparse
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from db import jobs, schema
from db.canonical import canonical_json, digest
from db.requests import ExperimentRequest
from tests.soak import Workspace

KINDS = ("driver", "engine", "dashboard", *(("actor",) if find_spec("ray") else ()))
PATIENCE_S = 300.0
STEPS = (2, 12)  # cells that a process stores before it is killed, at least and at most


def cells(workspace: Workspace) -> int:
    """How many are stored."""
    with workspace.open() as store, store.read() as connection:
        return connection.execute(
            sa.select(sa.func.count()).select_from(schema.experiment_cells)
        ).scalar_one()


def until_more(workspace: Workspace, more: int, end: int) -> None:
    """Until so many cells more are stored, or all. Raises TimeoutError."""
    wanted, deadline = min(cells(workspace) + more, end), time.monotonic() + PATIENCE_S
    while cells(workspace) < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the experiment does not get further than {cells(workspace)} cells")
        time.sleep(0.1)


def driver(
    workspace: Workspace, request: ExperimentRequest, folder: Path, *options: str
) -> subprocess.Popen[bytes]:
    """The command, at work."""
    file = folder / "experiment.json"  # JSON is YAML
    file.write_text(json.dumps(request.to_json()), encoding="utf-8")
    return workspace.run("engine", "experiment", "run", str(file), "--json", *options)


def killed(
    workspace: Workspace, request: ExperimentRequest, folder: Path, kills: int, seed: int
) -> Counter[str]:
    """Kill so many processes at their work; how many of each kind."""
    draw, counts, end = random.Random(seed), Counter[str](), request.users * rows(request)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for number in range(kills):
        kind = KINDS[number % len(KINDS)]
        if kind in ("driver", "actor"):
            options = ("--ray", "auto", "--ray-actors", "2", "--ray-cpus", "1") if kind == "actor" else ()
            process = driver(workspace, request, folder, *options)
        else:
            with workspace.open() as store:
                jobs.submit(store, "experiment", request.to_json())
            workspace.keep_running(port)
        until_more(workspace, draw.randint(*STEPS), end)
        time.sleep(draw.uniform(0, 0.5))
        if cells(workspace) >= end:
            raise SystemExit(f"It ended after {number} kills: ask for more users.")
        if kind == "actor":
            kill_actor(workspace, process, draw, end)
        elif kind == "driver":
            process.kill()
            process.wait()
        else:
            kill_dashboard(workspace, draw if kind == "dashboard" else None, end)
        counts[kind] += 1
        print(f"{number + 1} of {kills}: {kind}, {cells(workspace)} of {end} cells", flush=True)
    return counts


def kill_actor(workspace: Workspace, process: subprocess.Popen[bytes], draw: random.Random, end: int) -> None:
    """Kill an actor; the command must get further. Then all its processes are killed."""
    command = psutil.Process(process.pid)
    draw.choice(actors(command)).kill()
    until_more(workspace, draw.randint(*STEPS), end)
    if process.poll() not in (None, 0):
        raise SystemExit(f"The command did not outlive its actor: see {workspace.log}.")
    for each in [command, *command.children(recursive=True)] if process.poll() is None else []:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()


def actors(command: psutil.Process) -> list[psutil.Process]:
    """The actors of a command that started a cluster of its own."""
    return [each for each in command.children(recursive=True) if "Ranker" in "".join(each.cmdline())]


def kill_dashboard(workspace: Workspace, draw: random.Random | None, end: int) -> None:
    """Kill a dashboard and its engine. `draw`: the dashboard first, whose engine ends the job in hand, so it
    must get further before it is killed, too; without it the engine first."""
    assert workspace.dashboard is not None
    if draw is not None:
        workspace.dashboard.kill()
        workspace.dashboard.wait()
        until_more(workspace, draw.randint(*STEPS), end)
    for engine in workspace.engines():
        engine.kill()
    workspace.dashboard.kill()
    workspace.dashboard.wait()
    deadline = time.monotonic() + PATIENCE_S
    while workspace.engines():  # a dashboard starts another one, which ends with it
        if time.monotonic() > deadline:
            raise TimeoutError("an engine outlives its dashboard")
        for engine in workspace.engines():
            engine.kill()
        time.sleep(0.2)


def rows(request: ExperimentRequest) -> int:
    """Cells of a user."""
    return len(list(request.settings())) + len(request.baselines or ())


def answer(workspace: Workspace, request: ExperimentRequest, folder: Path) -> dict[str, Any]:
    """The experiment's result, without what clocks said."""
    process = driver(workspace, request, folder)
    if process.wait() != 0:
        raise SystemExit(f"It ended with status {process.returncode}: {workspace.log.read_text()[-2000:]}")
    with workspace.open() as store:
        [job] = jobs.about(store, "experiment", request.to_json(), limit=1)
    return {name: part for name, part in (job.result or {}).items() if name not in ("timings", "seconds")}


def main() -> int:
    """Both workspaces; 0 where the answers have the same bytes."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--users", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    request = ExperimentRequest(
        "simulated",
        users=asked.users,
        seed=asked.seed,
        demos=("none", "random:2", "neighbours:2"),
        candidates=10,
        baselines=("popularity",),
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        spaces = [Workspace(folder / name, None) for name in ("undisturbed", "killed")]
        for space in spaces:
            space.settings.home.mkdir()
            assert space.run("engine", "setup").wait() == 0
        try:
            quiet = answer(spaces[0], request, folder)
            counts = killed(spaces[1], request, folder, asked.kills, asked.seed)
            after = answer(spaces[1], request, folder)
        finally:
            spaces[1].close()
    same = canonical_json(quiet) == canonical_json(after)
    print(f"Killed: {', '.join(f'{number} times the {kind}' for kind, number in counts.items())}.")
    print(
        f"Undisturbed {digest(quiet)[:16]}, killed {digest(after)[:16]}: {'equal' if same else 'NOT equal'}."
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())

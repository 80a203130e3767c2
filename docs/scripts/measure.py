"""Measure what the results pages show: `python -m docs.scripts.measure [NAME...]`.

Each row of `MEASURED` is a command of Dualens or a script of `docs.scripts`. What it prints is kept, as
Markdown, in `docs/measured/NAME.md`; `python -m docs.scripts.generate` puts it into the page that names it. A
measurement that the present engine made with the same words is not made again. The data sets must be there
under the names used here; `--list` prints what is measured and what is missing.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from db.choices import COMPARED
from db.version import ENGINE_VERSION

FOLDER = Path(__file__).resolve().parents[1] / "measured"
DATA = ("simulated", "games", "beauty", "movielens")
REAL = ("games", "beauty", "movielens")
DATED = ("simulated", "beauty")  # data sets with usable times, so that there are periods

KINDS = "popularity,itemknn,itemknn-popularity,bm25,bm25-popularity,sasrec"  # on the same users, in pairs
SEARCHED = ("greedy", "twostage")  # a search per user, many times dearer than the other strategies
AT_ONCE = ",".join(name for name in COMPARED if name not in SEARCHED)
WITH_SEARCH = ",".join(("none", "random", "bm25", "neighbours", *SEARCHED, "copy"))
WITHOUT_TARGET = "none,random,bm25,neighbours,placebo,placebo-users,copy,copy-histories"
# Beginnings of names: SmolLM2 on a CPU, many users.
IN_BFLOAT16 = ("experiment-", "selector-", "scoring-", "placebo-", "contamination-games")
IN_FLOAT32 = ("experiment-simulated", "movielens-again", "-float32", "-controls")  # endings
SCRIPT = "docs.scripts."
USERS = {"simulated": 300}  # of strategies; 100 elsewhere, where prompts are several times as long


def _rows() -> dict[str, str]:
    rows = {}
    for data in DATA:
        users = USERS.get(data, 100)
        words = f"study strategies -d {data} --k 4 --seed 1"
        rows[f"strategies-{data}"] = f"{words} --users {users} --only {AT_ONCE}"
        if data in ("simulated", "games"):
            rows[f"searched-{data}"] = f"{words} --users 30 --only {WITH_SEARCH}"
        pairs = 100 if data == "simulated" else 24
        rows[f"faithfulness-{data}-4"] = f"study faithfulness -d {data} --users {pairs} --k 4"
        rows[f"baselines-{data}"] = f"baseline --kind {KINDS} -d {data} --model embedded --users 300"
    rows["faithfulness-simulated-8"] = "study faithfulness -d simulated --users 40 --k 8"
    short = "-m smollm2 --users 12 --k 4 --candidates 10 --history 5 --turns one"
    for data in ("beauty", "movielens"):
        rows[f"faithfulness-{data}-4-smollm2"] = f"study faithfulness -d {data} {short}"
    for data in DATED:
        words = f"study strategies -d {data} --k 4 --seed 1"
        rows[f"excluded-{data}"] = f"{words} --users 100 --exclude-target-item --only {WITHOUT_TARGET}"
    tuned = " ".join(f"--{layout} simulated-{layout}-until-5" for layout in ("single", "recicl"))
    rows["recicl-simulated"] = f"study recicl -d simulated {tuned} --users 200"
    rows["drift-simulated"] = "study drift -d simulated --model simulated-recicl-until-5 --users 60"
    prompts = ",".join(f"template:{name}" for name in ("films", "llmrank-sequential", "llmrank-icl"))
    rows["prompts-movielens-smollm2"] = (
        f"bench methods -d movielens -m smollm2 --users 100 --seed 14 --only turns:chat,{prompts}"
    )
    for data in ("games", "beauty"):
        rows[f"turns-{data}-smollm2"] = (
            f"bench methods -d {data} -m smollm2 --users 100 --seed 14 --only turns:chat"
        )
    rows["experiment-simulated"] = "experiment run docs/examples/simulated.yaml"
    for name in (
        "games",
        "beauty",
        *(f"smollm2-{data}" for data in REAL),
        "smollm2-beauty-again",
        "smollm2-movielens-again",
        "smollm2-movielens-again-controls",
    ):
        rows[f"experiment-{name}"] = f"experiment run docs/examples/{name}.yaml"
    for data in ("games", "beauty"):
        words = "--without smollm2,none --with smollm2,neighbours:4"
        rows[f"selector-{data}"] = f"experiment selector docs/examples/{data}.yaml {words}"
        users = 100 if data == "games" else 50
        words = f"-d {data} --seed 14 --users {users} -m smollm2 --demos neighbours:4"
        rows[f"scoring-{data}"] = f"experiment run {words} --scoring calibrated,sum,yes_no,listwise"
    words = "-d games --seed 14 --users 36 -m smollm2 --demos neighbours:4"
    rows["scoring-games-float32"] = f"experiment run {words} --scoring calibrated,sum,yes_no,listwise"
    for data in REAL:
        file = f"docs/examples/smollm2-{data}.yaml"
        rows[f"placebo-{data}"] = f"experiment run {file} --reference placebo:4"
        rows[f"contamination-{data}"] = f"study contamination -d {data} -m smollm2 --users 100"
    file = "docs/examples/smollm2-movielens-again-controls.yaml"
    rows["placebo-movielens-again"] = f"experiment run {file} --reference embedding:4"
    rows["methods-random"] = "bench methods --users 100 --demos random:4"
    rows["methods-neighbours"] = "bench methods --users 100 --seed 1"
    rows["speed-ranking"] = "bench ranking"
    rows["speed-effects"] = "bench effects"
    rows["coverage"] = "bench intervals --users 130"
    rows["coverage-6"] = "bench intervals --users 130 --k 6"
    rows["coverage-difference"] = "bench intervals --users 130 --k 6 --mode difference"
    rows["speed-runs"] = "bench store --runs 100000"
    rows["speed-bank"] = "bench bank"
    rows["moved-weight"] = f"{SCRIPT}moved_weight"
    rows["waiting-threads"] = f"{SCRIPT}waiting_threads"
    rows["pool-simulated"] = "bench pool --users 40"
    rows["pool-simulated-4"] = "bench pool --users 40 --demos neighbours:4"
    rows["pool-movielens-smollm2"] = (
        "bench pool -d movielens -m smollm2 --users 12 --pool 24 --candidates 10 --history 5"
    )
    rows["precision-movielens-smollm2"] = "bench precision -d movielens -m smollm2 --users 100"
    rows["precision-movielens-smollm2-yes-no"] = (
        "bench precision -d movielens -m smollm2 --users 100 --scoring yes_no"
    )
    words = "--users 9 --calibrate 40 --history 5 --pool 4 --probes 6"
    rows["lrgd-games-smollm2"] = f"{SCRIPT}lrgd_users -d games -m smollm2 {words}"
    models = " ".join(
        f"--{layout} movielens-{layout}-rated-recicl-until-5-from-smollm2" for layout in ("single", "recicl")
    )
    how = "--template recicl --scoring yes_no --turns one --demos proximal:4"
    rows["recicl-movielens"] = f"study recicl -d movielens --base smollm2 {models} {how} --users 70"
    return rows


MEASURED: dict[str, str] = _rows()
"""Name of the measurement -> the words after `dualens`; after `python -m` where they begin with a script."""


def variables(name: str) -> dict[str, str]:
    """The environment variables that a measurement is made under, beside those that are set."""
    half = name.startswith(IN_BFLOAT16) and not name.endswith(IN_FLOAT32)
    return {"DUALENS_DTYPE": "bfloat16"} if half else {}


def command(name: str) -> str:
    """What a person types for it."""
    first = "python -m" if MEASURED[name].startswith(SCRIPT) else "dualens"
    return " ".join([*(f"{key}={value}" for key, value in variables(name).items()), first, MEASURED[name]])


def head(name: str) -> str:
    """The first line of a kept measurement, less its date: what must be unchanged for it to be kept."""
    return f"`{command(name)}`, engine version {ENGINE_VERSION}"


def missing() -> list[str]:
    """Measurements that were not made by this engine with these words."""
    return [name for name in MEASURED if not _kept(name).startswith(head(name) + ",")]


def _kept(name: str) -> str:
    path = FOLDER / f"{name}.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def measure(name: str) -> int:
    """Run one command and keep what it prints; nothing is kept where it fails. Returns its exit status."""
    began = time.monotonic()
    environment = {**os.environ, **variables(name), "DUALENS_TABLES": "markdown"}
    words = MEASURED[name].split()
    words = [sys.executable, "-m", *([] if words[0].startswith(SCRIPT) else ["engine"]), *words]
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode == 0:
        # What the store already had took its time before.
        worked = re.findall(r"(\d+) s of work", done.stdout)
        minutes = max([time.monotonic() - began, *map(float, worked)]) / 60
        first = f"{head(name)}, {date.today()}, {minutes:.0f} min."
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.md").write_text(f"{first}\n\n{done.stdout.strip()}\n", encoding="utf-8")
    return done.returncode


def main() -> int:
    """Measure what is named, or whatever is missing; 1 where a command failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*MEASURED, []])
    parser.add_argument("--list", action="store_true", help="print every measurement and whether it is there")
    arguments = parser.parse_args()
    if arguments.list:
        for name in MEASURED:
            print(f"{'missing' if name in missing() else 'there':8}{name:32}{command(name)}")
        return 0
    failed = [name for name in arguments.names or missing() if measure(name)]
    if failed:
        print(f"Failed: {', '.join(failed)}.", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

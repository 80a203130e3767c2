"""Dualens from Python: open a workspace, import a DataFrame, rank, explain and optimize, get DataFrames back.

Notebooks and scripts start here. What `__all__` lists and the command `dualens` are the public interface;
everything else, the packages `db`, `engine` and `dashboard` included, may change with any release.

>>> import tempfile
>>> import dualens, pandas as pd
>>> books = [f"{genre} novel {number}" for genre in ("Crime", "Space", "Garden") for number in range(1, 13)]
>>> shop = pd.DataFrame(
...     [
...         {"user": f"u{user}", "item": f"b{book:02}", "title": books[book], "timestamp": 86_400 * day}
...         for user in range(12)
...         for day, book in enumerate((5 * user + step * (1 + user % 3)) % 36 for step in range(8))
...     ]
... )
>>> workspace = dualens.open(tempfile.mkdtemp())
>>> workspace.import_frame(shop, "books")
'books'
>>> workspace.datasets()[["name", "users", "items", "interactions"]]
    name  users  items  interactions
0  books     12     32            96

Rank the item that u3 bought last among nine others, without and with two demonstrations:

>>> ranking = workspace.rank("books", "u3", demos="neighbours:2", candidates=10)
>>> list(ranking.items.columns)
['rank', 'rank_zero_shot', 'item', 'title', 'score', 'score_zero_shot', 'is_target']
>>> len(ranking.items), int(ranking.items["is_target"].sum()), len(ranking.demonstrations)
(10, 1, 2)
>>> bool(ranking.metrics.loc["with", "rank"] == ranking.items.query("is_target")["rank"].item())
True

How far each of them moved the model toward that item, in the log of its share among the candidates:

>>> effects = workspace.effects("books", "u3", demos="neighbours:2", candidates=10)
>>> bool(abs(effects.demonstrations["effect"].sum() - effects.total) < 1e-3)
True

Take one away by its weight, and rank again:

>>> chosen = ranking.demonstrations.assign(weight=[0.0, 1.0])
>>> again = workspace.rank("books", "u3", demonstrations=chosen, candidates=10)
>>> again.demonstrations["weight"].tolist()
[0.0, 1.0]

Let the engine choose and weight them, on purchases before the one to predict:

>>> best = workspace.optimize("books", "u3", size=2, pool=2, probes=4, calibrate=0)
>>> best.verdict in ("zero-shot", "stage 1", "two-stage"), len(best.demonstrations) <= 2
(True, True)
>>> workspace.close()
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn
from uuid import uuid4

import typer

if TYPE_CHECKING:
    import pandas as pd

    from engine.policy.deployed import Policy


def _check_packages() -> None:
    """Raise ImportError where another package stands before one of ours on `sys.path`."""
    here = Path(__file__).resolve().parent
    for name in ("db", "engine", "dashboard"):
        spec = importlib.util.find_spec(name)
        origin = spec.origin if spec else None
        if origin is None or Path(origin).resolve() != here / name / "__init__.py":
            raise ImportError(
                f"Dualens needs its own package {name!r}, but Python finds {origin} before it: rename that, "
                "start Python in another folder, or install Dualens in an environment of its own (pipx, uv "
                "tool, venv)."
            )


_check_packages()

from db import datasets as _datasets  # noqa: E402
from db import models as _models  # noqa: E402
from db import policies as _policies  # noqa: E402
from db import runs as _runs  # noqa: E402
from db import templates as _templates  # noqa: E402
from db.errors import DualensError  # noqa: E402
from db.paths import write as _write  # noqa: E402
from db.requests import OptimizeRequest, RunRequest  # noqa: E402
from db.settings import STORE_WAIT, Settings, set_store_wait  # noqa: E402
from db.store import Store  # noqa: E402
from db.version import VERSION as __version__  # noqa: E402

# The engine is imported where it is used: `dualens` opens the dashboard without it, and it takes a second.

__all__ = [
    "DualensError",
    "Effects",
    "Optimization",
    "Ranking",
    "Workspace",
    "__version__",
    "load_policy",
    "open",
]


@dataclass(frozen=True)
class Ranking:
    """A ranked candidate list. `zero_shot` and `without` mean: without demonstrations.

    run: key of the stored run, which the dashboard opens. items: the candidates, best first. demonstrations:
    as they stand in the prompt, with their weights; can be edited and passed to `Workspace.rank`.
    metrics: rows `without` and `with`; the target's rank, NDCG@10 and so on, loss in nats. notes: what to
    know when reading the numbers. details: everything, as `dualens rank --json` prints it.
    """

    run: str
    items: pd.DataFrame
    demonstrations: pd.DataFrame
    metrics: pd.DataFrame
    notes: list[str]
    details: dict[str, Any]


@dataclass(frozen=True)
class Effects:
    """The effect of each demonstration of a run (arXiv 2504.04386, reconstructed).

    run: key of the stored run. demonstrations: `effect` = by how much each raised the log of the target's
    share among the candidates (measure "margin") or lowered its loss ("loss"), `interval` = its 95 %
    interval, `leave_one_out` = what leaving out that one alone costs (only with `leave_one_out`),
    `loss_effect` = nats off the loss, `mass` = share of attention. total: what the effects add up to.
    details: as `dualens effects --json` prints it.
    """

    run: str
    demonstrations: pd.DataFrame
    total: float
    details: dict[str, Any]


@dataclass(frozen=True)
class Optimization:
    """What the optimizer chose for a user, and why.

    demonstrations: `id` and `weight` in prompt order, for `Workspace.rank`; empty where none are
    better. verdict: `two-stage` (chosen and weighted), `stage 1` (chosen) or `zero-shot` (none). path: every
    step taken. details: everything, as `dualens optimize --json` prints it.
    """

    demonstrations: pd.DataFrame
    verdict: str
    reason: str
    path: pd.DataFrame
    details: dict[str, Any]


def open(
    home: str | Path | None = None,
    *,
    database_url: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
) -> Workspace:
    """Open a workspace, creating it if needed; the embedded model is registered in it.

    home: its folder; None for `DUALENS_HOME` or `~/.dualens`, which the dashboard opens too. database_url:
    the store; None for a file in `home`, or for `DUALENS_DATABASE_URL` where `home` is None. device, dtype:
    such as `cuda:0` and `bfloat16`; None for `DUALENS_DEVICE` and `DUALENS_DTYPE`, else the best available.
    Raises DualensError where the folder or the store cannot be created or read.
    """
    if home is not None and database_url is None:
        database_url = "sqlite:///{home}/dualens.db"
    given = {"home": home, "database_url": database_url, "device": device, "dtype": dtype}
    return Workspace(Settings(**{name: value for name, value in given.items() if value is not None}))


def load_policy(
    path: str | Path,
    *,
    workspace: Workspace | None = None,
    titles: Mapping[str, str] | None = None,
    model: str | Path | None = None,
) -> Policy:
    """Read a policy file; `policy.prompt(history)` then writes prompts as the engine does.

    workspace: where a strategy that chooses for each user reads; None: the usual one, opened when it is
    needed. titles: title by item id, so that histories can be ids. model: folder of the model's tokenizer,
    where it is elsewhere than the file says. Reading a file runs nothing of it. Raises DualensError for a
    file that is no policy, is damaged, or is newer.
    """
    from engine.policy.deployed import Policy

    kept = [workspace] if workspace is not None else []

    def engine() -> Any:
        kept.extend([] if kept else [open()])
        return kept[0]._engine

    source = None if model is None else str(model)
    return Policy(_policies.load(path), engine, titles, source, opened=workspace is not None)


class Workspace:
    """An open workspace: data sets, models, runs, and an engine to compute new ones. Made by `open`.

    Use it from one thread, and close it at the end (`with dualens.open() as workspace: ...`). Every method
    raises DualensError, in plain English, for an unknown name or an invalid option.
    """

    def __init__(self, settings: Settings) -> None:
        from engine.context import EMBEDDED, Engine
        from engine.tasks.setup import MODEL, register_embedded

        self._store = Store.open(settings)
        self._engine = Engine(self._store, settings)
        if (MODEL, str(EMBEDDED)) not in ((info.name, info.source) for info in _models.listing(self._store)):
            register_embedded(self._engine)

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"dualens.Workspace({str(self._store.settings.home)!r})"

    def close(self) -> None:
        """Close the store. The workspace must not be used afterwards."""
        self._store.close()

    def setup(self) -> dict[str, Any]:
        """Add the simulated store and one first run, as `dualens setup` does; returns their names."""
        from engine.tasks.setup import setup_workspace

        return setup_workspace(self._engine)

    def datasets(self) -> pd.DataFrame:
        """The data sets: name, kind, source, numbers of users, items and interactions."""
        columns = ["name", "kind", "source", "users", "items", "interactions", "simulated", "fingerprint"]
        return _frame([vars(info) for info in _datasets.listing(self._store)], columns)

    def models(self) -> pd.DataFrame:
        """The registered models: name, source, architecture, parameters, context length in tokens."""
        columns = ["name", "source", "architecture", "parameters", "context_length", "revision"]
        return _frame([vars(info) for info in _models.listing(self._store)], columns)

    def runs(self, dataset: str | None = None, user: str | None = None, limit: int = 100) -> pd.DataFrame:
        """Stored runs, newest first."""
        from engine.tasks.results import run_row

        return _frame(
            [run_row(run) for run in _runs.listing(self._store, _runs.Filter(dataset, user), limit)]
        )

    def users(self, dataset: str, search: str = "", limit: int = 1000) -> pd.DataFrame:
        """Users of a data set: id and number of purchases. `search`: part of an id, or words of a title."""
        info = _datasets.get(self._store, dataset)
        found = _datasets.users(self._store, info.id, search, 0, None, limit, 0)
        return _frame([{"user": user.user_id, "length": user.length} for user in found], ["user", "length"])

    def interactions(self, dataset: str) -> pd.DataFrame:
        """A whole data set, by user, oldest first: user, item, title, timestamp (unix seconds), rating.

        Timestamps and ratings are missing values where the data set has none.
        """
        import pandas as pd

        columns = _datasets.columns(self._store, _datasets.get(self._store, dataset).id)
        users, items, titles = (
            pd.Series(values, dtype="str") for values in (columns.user_ids, columns.item_ids, columns.titles)
        )
        return pd.DataFrame(
            {
                "user": users.take(columns.user).to_numpy(),
                "item": items.take(columns.item).to_numpy(),
                "title": titles.take(columns.item).to_numpy(),
                "timestamp": columns.timestamp,
                "rating": columns.rating,
            }
        )

    def add_model(self, source: str | Path, name: str) -> str:
        """Register a causal language model (a transformers folder or a hub id) if it loads; returns its name.

        Raises ModelError or OutOfMemory."""
        return self._engine.admit(name, str(source)).name

    def import_frame(
        self,
        frame: pd.DataFrame,
        name: str,
        columns: Mapping[str, str] | None = None,
        *,
        k_core: int = 0,
        min_rating: float | None = None,
        min_history: int = 3,
        repeats: Literal["first", "last", "all"] = "first",
        rating_scale: str | None = None,
        accept_drops: bool = False,
    ) -> str:
        """Import a table of interactions, one per row, as a data set; returns its name.

        The columns are found by their names: user, item, and where there are any title, timestamp (dates or
        unix seconds), rating, category, brand. `columns` corrects that: `{"user": "customer"}`. The same
        table under the same name changes nothing. `k_core`, `min_rating`, `min_history`, `repeats`,
        `rating_scale`, `accept_drops`: as in `dualens import`. Raises DataError for a table that cannot be
        read or that would lose many of its rows, Conflict for a name that is taken.
        """
        from engine.data.importing import ImportOptions, import_path

        # The importers read files.
        file = self._store.settings.uploads / uuid4().hex / "table.csv"
        file.parent.mkdir(mode=0o700, parents=True)
        options = ImportOptions(k_core, min_rating, min_history, repeats, rating_scale)
        try:
            frame.to_csv(file, index=False, date_format="%Y-%m-%dT%H:%M:%S")
            info, _ = import_path(
                self._store,
                file,
                name,
                format="generic",
                mapping=columns,
                options=options,
                accept_drops=accept_drops,
            )
        finally:
            shutil.rmtree(file.parent)
        return info.name

    def rank(self, dataset: str, user: str, **options: Any) -> Ranking:
        """Rank a candidate list for a user, without and with demonstrations; a repeated call reads the store.

        options: any field of a run request, as `dualens rank --help` lists them: `model` ("embedded"),
        `demos` ("neighbours:4"), `candidates` (20), `scoring`, `template`, `seed`, ... `demonstrations`, a
        table with the columns id and weight, names them one by one instead of `demos`.
        """
        from engine.tasks import results
        from engine.tasks.rank import rank

        request = self._request(dataset, user, options)
        view = results.run_view(rank(self._engine, request), request)
        before = {row["item"]: row for row in view["zero_shot"]}
        rows = [
            row | {f"{name}_zero_shot": before[row["item"]][name] for name in ("rank", "score")}
            for row in view["items"]
        ]
        names = ["rank", "rank_zero_shot", "item", "title", "score", "score_zero_shot", "is_target"]
        metrics = dict(view["metrics"])
        without = metrics.pop("zero_shot") | {"loss": view["loss_zero_shot"]}
        return Ranking(
            run=view["run"],
            items=_frame(rows, names),
            demonstrations=_frame(view["demonstrations"], ["id", "weight", "source", "user", "text"]),
            metrics=_frame([without, metrics | {"loss": view["loss"]}]).set_axis(["without", "with"]),
            notes=view["notes"],
            details=view,
        )

    def effects(
        self,
        dataset: str,
        user: str,
        *,
        estimator: str = "auto",
        leave_one_out: bool = False,
        mode: str = "auto",
        measure: str = "margin",
        **options: Any,
    ) -> Effects:
        """Measure how far each demonstration moves the model toward the target.

        estimator, leave_one_out, mode, measure: as `dualens effects --help` says. options: as in `rank`.
        """
        from engine.tasks import results
        from engine.tasks.effects import effects

        run, measured = effects(
            self._engine,
            self._request(dataset, user, options),
            estimator=estimator,
            leave_one_out=leave_one_out,
            mode=mode,
            measure=measure,
        )
        view = results.effects_view(run, measured)
        names = ["id", "effect", "interval", "leave_one_out", "loss_effect", "mass"]
        return Effects(
            run=view["run"],
            demonstrations=_frame(view["demonstrations"], names),
            total=view["effect_total"],
            details=view,
        )

    def optimize(self, dataset: str, user: str, **options: Any) -> Optimization:
        """Choose and weight demonstrations for a user; the purchase to predict is never used.

        options: any field of an optimization, as `dualens optimize --help` lists them: `model` ("embedded"),
        `size` (4), `probes` (10), `beam`, `guard`, ...
        """
        from engine.optimize import optimize

        request = OptimizeRequest.from_fields(self._fields(dataset, user, options))
        result = optimize(self._engine, request).result
        return Optimization(
            demonstrations=_frame(result["chosen"], ["id", "weight"]),
            verdict=result["guard"]["verdict"],
            reason=result["guard"]["reason"],
            path=_frame(result["path"]),
            details=result,
        )

    def policy(
        self, dataset: str, user: str, path: str | Path, *, fixed: bool | None = None, **options: Any
    ) -> Path:
        """Write a policy file, which `load_policy` reads, for what `rank` would do; returns its path.

        fixed: the demonstrations chosen for this user, for everybody; False: the strategy, which chooses for
        each user; None: fixed where options name demonstrations or a strategy that optimizes.
        """
        from engine.policy.made import policy_of

        made = policy_of(self._engine, self._request(dataset, user, options), fixed)
        _write(path, made.text())
        _policies.note(self._store, made)
        return Path(path)

    def _request(self, dataset: str, user: str, options: Mapping[str, Any]) -> RunRequest:
        chosen = options.get("demonstrations")
        if chosen is not None and hasattr(chosen, "to_dict"):
            options = {**options, "demonstrations": chosen[["id", "weight"]].to_dict("records")}
        return RunRequest.from_fields(self._fields(dataset, user, options))

    def _fields(self, dataset: str, user: str, options: Mapping[str, Any]) -> dict[str, Any]:
        from engine.tasks.templates import saved_file

        fields = {"dataset": dataset, "user": user, **options}
        template = fields.get("template")
        if isinstance(template, str | Path) and _templates.is_file(str(template)):
            fields["template"] = saved_file(self._store, str(template)).reference
        return fields


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"dualens {__version__}")
        raise typer.Exit


def _program(
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
    ] = False,
    store_wait: Annotated[float | None, typer.Option(min=0, help=STORE_WAIT)] = None,
) -> None:
    """Options that stand before a command."""
    set_store_wait(store_wait)


def command_line() -> typer.Typer:
    """The commands of `dualens`: those of `python -m engine`, the dashboard, `--version`, completion."""
    from dashboard.__main__ import EXAMPLE, dashboard
    from dashboard.report import command
    from engine.__main__ import ABOUT, groups
    from engine.commands.options import Commands

    app = typer.Typer(
        name="dualens",
        cls=Commands,
        help=f"{ABOUT} Without a command, the dashboard opens.",
        pretty_exceptions_enable=False,
    )
    app.command(epilog=EXAMPLE)(dashboard)
    for group in groups:
        app.add_typer(group.app)
    app.command(epilog=command.EXAMPLE)(command.report)
    app.callback(help=app.info.help)(_program)
    return app


def main() -> NoReturn:
    """The command `dualens`: without a command the dashboard, else one of the commands."""
    if "_DUALENS_COMPLETE" not in os.environ:  # the variable of typer's completion
        from dashboard.__main__ import app, takes  # without the engine, so that the page is there sooner

        if all(takes(word) for word in sys.argv[1:2]):
            sys.exit(app(prog_name="dualens"))
    from engine import stopping, streams

    streams.prepare()
    stopping.early()
    from engine.__main__ import main as run

    stopping.leave(run(lambda: command_line()(prog_name="dualens")))


def _frame(rows: list[dict[str, Any]], columns: list[str] | None = None) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=columns)


if __name__ == "__main__":
    main()

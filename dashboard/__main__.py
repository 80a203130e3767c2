"""`dualens` or `python -m dashboard`: the engine's worker and the web page together, stopped together.

Standard library, typer and `db` only: the page must be up within seconds, so nothing heavy is imported here.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from dashboard.doors import rules, sign_in
from dashboard.doors.rules import Doors
from db import datasets, jobs
from db.errors import DualensError
from db.patience import Patience
from db.settings import Settings
from db.store import Store

ROOT = Path(__file__).parents[1]
PATIENCE_S = 5.0  # how long a child may take to end after it was asked to
RESTART_S = (1.0, 2.0, 5.0, 10.0, 30.0)  # waits before the next starts of a worker that keeps crashing


def start(*words: str, stdin: int | None = None, **more: str) -> subprocess.Popen[bytes]:
    """Start `python -m WORDS` in the current folder, so that relative paths mean what the user typed.

    The child finds the packages beside this one wherever it starts, and no `db.py` of the current folder.
    `stdin`: as `subprocess.Popen` takes it. `more`: of its environment.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, **more}
    return subprocess.Popen([sys.executable, "-P", "-m", *words], env=environment, stdin=stdin)


def start_worker() -> subprocess.Popen[bytes]:
    """Start the engine; it ends by itself when this process is gone, however that happened."""
    return start("engine", "worker", "--with-parent", DUALENS_PARENT=str(os.getpid()))


def start_page(doors: Doors, port: int, upload_mb: int, *, open_browser: bool) -> subprocess.Popen[bytes]:
    """Start the web page; Streamlit's other options are in `.streamlit/config.toml` beside `serve.py`.

    It ends by itself, and frees its port, when this process is gone: its standard input closes then.
    """
    words = ["--with-parent", f"--host={doors.address}", f"--port={port}", f"--upload-limit={upload_mb}"]
    words += [f"--allow-host={name}" for name in sorted(doors.hosts)]
    words += [f"--sign-in={doors.sign_in}"] if doors.sign_in else []
    words += ["--browser"] if open_browser else []
    return start("dashboard.serve", *words, stdin=subprocess.PIPE)


def end(child: subprocess.Popen[bytes] | None) -> None:
    """Ask a child to end, and insist if it does not."""
    if child is None or child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def supervise(page: subprocess.Popen[bytes], worker: subprocess.Popen[bytes] | None) -> int:
    """Until the page ends: start a crashed worker again, more slowly each time it crashes at once."""
    crashes, started = 0, time.monotonic()
    try:
        while page.poll() is None:
            time.sleep(0.5)
            if worker is None or worker.poll() is None:
                continue
            crashes = 0 if time.monotonic() - started > 60 else crashes + 1
            wait = RESTART_S[min(crashes, len(RESTART_S) - 1)]
            print(
                f"The engine ended (status {worker.returncode}); starting it again in {wait:g} s.", flush=True
            )
            time.sleep(wait)
            worker, started = start_worker(), time.monotonic()
        return page.returncode
    finally:
        for child in (worker, page):
            if child is not None and child.poll() is None:
                child.terminate()  # both at once; `end` waits for one after the other
        end(worker)
        end(page)


def dashboard(
    host: Annotated[str, typer.Option(help="Address to listen on; the default is this machine only.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port of the web page.", min=1, max=65535)] = 8501,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Only the page; `dualens worker` runs elsewhere.")
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser window.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A name the page answers to beside this machine's own; can be repeated."),
    ] = None,
    data_folder: Annotated[
        list[Path] | None,
        typer.Option(
            help="A folder from which pages may read data and models by path; can be repeated. Without one: "
            "anywhere if only this machine reaches the page, nowhere if others do."
        ),
    ] = None,
    upload_limit: Annotated[
        int, typer.Option(help="Megabytes that one uploaded file may have.", min=1, max=1_000_000)
    ] = rules.UPLOAD_MB,
    file: Annotated[
        Path | None, typer.Option("--sign-in", help="TOML file that says how people sign in, and who may.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let in everyone who reaches the page, without sign-in.")
    ] = False,
    allow_changes: Annotated[
        bool,
        typer.Option("--allow-changes", help="With --insecure: everyone may delete and stop things."),
    ] = False,
    read_only: Annotated[
        bool,
        typer.Option(
            "--read-only",
            help="Only show what is stored: no engine, no model, nothing is written, wherever it is stored.",
        ),
    ] = False,
) -> None:
    """Open the dashboard and start its engine. Ctrl-C stops both."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may have started this with Ctrl-C ignored
        signal.signal(number, _interrupt)
    try:
        names = list(allow_host or [])
        if file and (own := sign_in.host(sign_in.read(file))):
            names.append(own)
        doors = rules.decide(
            host, names, data_folder or [], file, insecure=insecure, allow_changes=allow_changes
        )
        os.environ.update(rules.environment(doors) | ({"DUALENS_READ_ONLY": "true"} if read_only else {}))
        settings = Settings()  # which the environment may have made read-only as well
        no_worker = no_worker or settings.read_only
        with Store.open(settings, Patience(settings.store_wait, say=_aside)) as store:
            if not no_worker and not datasets.listing(store):
                jobs.submit(store, "setup", {})
    except DualensError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    worker = None if no_worker else start_worker()
    page = start_page(doors, port, upload_limit, open_browser=not no_browser)
    print(f"Dualens is at {rules.url(host, port)} (Ctrl-C stops it)", flush=True)
    if settings.read_only:
        print("Read only: nothing is written, no model is loaded.", flush=True)
    if said := rules.warning(doors):
        print(f"Insecure: {said}", flush=True)
    try:
        raise typer.Exit(supervise(page, worker))
    except KeyboardInterrupt as told:
        by_hand = told.args in ((), (signal.SIGINT,))
        raise typer.Exit(0 if by_hand else 128 + told.args[0]) from None


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(number)


def _aside(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def takes(word: str) -> bool:
    """Whether a word of the command line is an option of the dashboard, its value after = or not."""
    options = [
        name for each in typer.main.get_command(app).params for name in (*each.opts, *each.secondary_opts)
    ]
    return word.partition("=")[0] in options


EXAMPLE = "Example: dualens dashboard --port 9000 --no-browser"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(epilog=EXAMPLE)(dashboard)

if __name__ == "__main__":
    app()

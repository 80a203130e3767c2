"""Take the pictures of the documentation: `python -m docs.scripts.screenshots [PAGE ...]`.

Makes a temporary workspace, fills it from the command line (runs, effects, a study, an experiment, a tuning),
opens the dashboard on it in headless Chromium and writes `docs/img/PAGE-light.webp` and `PAGE-dark.webp`,
1280 pixels wide. It finds pages by their address and waits for the jobs in the store, so words on the pages
may change. Needs Chromium and the development extra. Takes about ten minutes on two cores.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from db import jobs, runs
from db.settings import Settings
from db.store import Store

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "img"
WIDTH, HEIGHT = 1280, 900
HEIGHTS = {"recommend": 960, "explain": 960, "compare": 1120, "library": 780, "present": 780}
MOST_BYTES = 150_000
USER = "s0003"
START_S, QUIET_S, LONGEST_S = 120.0, 3.0, 300.0
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--hide-scrollbars",
)


def command(home: Path, *words: str) -> dict[str, Any]:
    """Run one command of the command line in the workspace; its JSON."""
    environment = {**os.environ, "DUALENS_HOME": str(home)}
    environment.pop("DUALENS_DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "-m", "engine", *words, "--json"],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout)


def fill(home: Path) -> tuple[str, dict[str, str]]:
    """Give the workspace something to show; the key of the run explained, and the address of every page."""
    command(home, "setup")
    shared = ("-d", "simulated", "-u", USER)
    study = (
        "study",
        "strategies",
        "-d",
        "simulated",
        "--users",
        "40",
        "--only",
        "none,random,bm25,neighbours",
    )
    command(home, *study)
    command(home, "experiment", "run", str(ROOT / "docs" / "examples" / "simulated.yaml"))
    command(home, "tune", "-d", "simulated", "--layout", "recicl", "--minutes", "1")
    other = command(home, "rank", *shared, "--demos", "random:4")["run"]
    command(home, "effects", *shared, "--demos", "random:4")
    run = command(home, "rank", *shared, "--demos", "neighbours:4")["run"]
    command(home, "effects", *shared, "--demos", "neighbours:4", "--leave-one-out")
    for k in ("bm25:2", "bm25:8", "recent:4", "none"):
        last = command(home, "rank", *shared, "--demos", k)["run"]
    command(home, "annotate", run, "--star", "--tag", "good", "--note", "the one to show")
    command(home, "annotate", last, "--tag", "baseline")
    return run, {
        "recommend": f"?data=simulated&user={USER}&model=embedded&demos=neighbours:4",
        "explain": f"explain?run={run}&part=tokens",
        "compare": f"compare?a={other}&b={run}",
        "runs": "runs?sort=margin",
        "studies": "studies",
        "experiments": "experiments",
        "present": f"present?of={run}",
        "tune": "tune",
        "library": "library",
    }


@contextmanager
def dashboard(home: Path) -> Iterator[str]:
    """The dashboard with its engine on a free port; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "DUALENS_HOME": str(home)}
    environment.pop("DUALENS_DATABASE_URL", None)
    words = [sys.executable, "-m", "dashboard", "--no-browser", "--port", str(port)]
    process = subprocess.Popen(words, cwd=ROOT, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{url}/_stcore/health")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str) -> None:
    """Until the server answers. Raises TimeoutError."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"{url} did not answer in {START_S:g} s")


def settle(page: Page, store: Store) -> None:
    """Until the page is drawn and no job has been open for some seconds. Raises TimeoutError."""
    page.locator("[data-testid=stAppViewContainer]").wait_for()
    deadline, quiet_since = time.monotonic() + LONGEST_S, time.monotonic()
    while time.monotonic() - quiet_since < QUIET_S:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{page.url} did not come to rest in {LONGEST_S:g} s")
        drawing = page.locator("[data-test-script-state=running], [data-testid=stSkeleton]").count()
        if drawing or jobs.listing(store, states=[jobs.QUEUED, jobs.RUNNING], limit=1):
            quiet_since = time.monotonic()
        page.wait_for_timeout(200)


def explain_more(store: Store, key: str) -> None:
    """File what Explain measures only when a person asks for it."""
    run = runs.by_key(store, key)
    assert run is not None
    request = run.request.to_json()
    jobs.submit(store, "explain", {"part": "tokens", "request": request, "run": key})


def take(page: Page, path: Path) -> None:
    """Write what the page shows, compressed until it is small enough for git."""
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    for quality in (85, 75, 65, 50):
        picture.save(path, quality=quality, method=6)
        if path.stat().st_size <= MOST_BYTES:
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB", flush=True)
            return
    raise ValueError(f"{path} is larger than {MOST_BYTES} bytes")


def main(names: Sequence[str]) -> int:
    """Take the pictures of the pages named, or of all."""
    browser = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if browser is None:
        print("Chromium is missing (Debian: apt install chromium).", file=sys.stderr)
        return 2
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dualens-") as folder:
        home = Path(folder)
        run, addresses = fill(home)
        store = Store.open(Settings(home=home, database_url="sqlite:///{home}/dualens.db"))
        explain_more(store, run)
        with dashboard(home) as url, sync_playwright() as driver:
            chromium = driver.chromium.launch(executable_path=browser, args=list(FLAGS))
            for name in names or addresses:
                for theme in ("light", "dark"):
                    size = {"width": WIDTH, "height": HEIGHTS.get(name, HEIGHT)}
                    page = chromium.new_page(viewport=size, color_scheme=theme)  # type: ignore[arg-type]
                    page.set_default_timeout(START_S * 1000)
                    page.goto(f"{url}/{addresses[name]}")
                    settle(page, store)
                    take(page, PICTURES / f"{name}-{theme}.webp")
                    page.close()
            chromium.close()
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

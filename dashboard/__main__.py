"""`python -m dashboard`: the engine's worker and the web page together, stopped together.

Standard library and `db` only: the page must be up within seconds, so nothing heavy is imported here.
"""

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

from db import datasets, jobs
from db.errors import DualensError
from db.settings import Settings
from db.store import Store

APP = Path(__file__).with_name("app.py")
ROOT = APP.parent.parent
PATIENCE_S = 5.0  # how long a child may take to end after it was asked to
RESTART_S = (1.0, 2.0, 5.0, 10.0, 30.0)  # waits before the next starts of a worker that keeps crashing


def start_worker() -> subprocess.Popen[bytes]:
    """Start the engine; it ends by itself when this process is gone, however that happened."""
    return subprocess.Popen([sys.executable, "-m", "engine", "worker", "--with-parent"], cwd=ROOT)


def start_page(host: str, port: int, *, open_browser: bool) -> subprocess.Popen[bytes]:
    """Start the Streamlit server."""
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": str(not open_browser).lower(),
        "browser.gatherUsageStats": "false",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return subprocess.Popen([sys.executable, "-m", "streamlit", "run", str(APP), *flags], cwd=ROOT)


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
        end(worker)
        end(page)


def main() -> int:
    """Parse the command line, prepare the store and run both processes until one is told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m dashboard",
        description="Open the Dualens dashboard and start its engine. Ctrl-C stops both.",
        epilog="Example: python -m dashboard --port 9000 --no-browser",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=8501, help="port of the web page (default: 8501)")
    parser.add_argument(
        "--no-worker", action="store_true", help="only the page; run `engine worker` elsewhere"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    options = parser.parse_args()

    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may have started this with Ctrl-C ignored
        signal.signal(number, signal.default_int_handler)
    try:
        store = Store.open(Settings())
        if not options.no_worker and not datasets.listing(store):
            jobs.submit(store, "setup", {})
        store.close()
    except DualensError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    worker = None if options.no_worker else start_worker()
    page = start_page(options.host, options.port, open_browser=not options.no_browser)
    print(f"Dualens is at http://{options.host}:{options.port} (Ctrl-C stops it)", flush=True)
    try:
        return supervise(page, worker)
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())

"""Whether an installed Dualens works away from its checkout: `.ci/check_installed.py VENV/bin/dualens`.

Runs the three commands of a first visit, the Python API, and the dashboard's first page in a browser, all in
an empty folder. The interpreter that runs this needs playwright; the environment under test does not.
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
from pathlib import Path
from typing import Any

START_S = 120.0
SCRIPT = """
import dualens
with dualens.open() as workspace:
    ranked = workspace.rank("simulated", {user!r})
    print(dualens.__file__, len(ranked.items), ranked.run)
"""


def main(dualens: Path, folder: Path) -> None:
    """Run everything in this folder; raises where something is not as it should be."""
    environment = {**os.environ, "DUALENS_HOME": str(folder / "workspace")}
    for name in ("PYTHONPATH", "DUALENS_DATABASE_URL"):
        environment.pop(name, None)

    def run(*words: str | Path) -> str:
        done = subprocess.run(words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        assert done.returncode == 0, f"{words} ended with status {done.returncode}"
        print(f"ok: {Path(words[0]).name} {words[1]}", flush=True)
        return done.stdout

    assert run(dualens, "--version").startswith("dualens ")
    first = json.loads(run(dualens, "setup", "--json"))
    user = first["user"]
    asked = ("--dataset", "simulated", "--user", user, "--json")
    assert len(json.loads(run(dualens, "rank", *asked))["items"]) == 20
    assert len(json.loads(run(dualens, "effects", *asked))["demonstrations"]) == 4
    where, items, key = run(dualens.with_name("python"), "-c", SCRIPT.format(user=user)).split()
    assert Path(where).is_relative_to(dualens.parents[1]), f"imported from {where}"
    assert (items, key) == ("20", first["run"])

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [str(dualens), "dashboard", "--port", str(port), "--no-browser"]
    server = subprocess.Popen(words, cwd=folder, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/_stcore/health", server)
        look_at(url)
    finally:
        server.terminate()
        server.wait(30)
    print("ok: dualens dashboard", flush=True)


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Until the address answers with 200."""
    deadline = time.monotonic() + START_S
    while True:
        assert server.poll() is None, f"the dashboard ended with status {server.returncode}"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                assert answer.status == 200
                return
        except OSError:
            assert time.monotonic() < deadline, "the dashboard did not answer in time"
            time.sleep(0.2)


def look_at(url: str) -> None:
    """The first page shows the stored run, with the engine running and the theme that ships with it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium on this machine: the page was not looked at", flush=True)
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page: Any = browser.new_page()
        page.set_default_timeout(START_S * 1000)
        page.goto(url)
        page.get_by_text("In one sentence").wait_for()
        page.get_by_text("engine ready").wait_for()
        size = page.evaluate("getComputedStyle(document.documentElement).fontSize")
        assert size == "15px", f"the page has letters of {size}: dashboard/.streamlit/config.toml is unread"
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(sys.argv[1]).absolute(), Path(scratch))

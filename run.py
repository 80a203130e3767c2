"""Set up Dualens in ./.venv and run it, with nothing but Python 3.11+ present.

    python3 run.py             set up, then open the dashboard on the embedded data and model
    python3 run.py test        set up with the development tools, then run the tests
    python3 run.py setup       set up only

Arguments after the first are handed on (`python3 run.py test -k lens`, `python3 run.py --port 9000`).
Standard library only: this file runs before anything is installed.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def call(*command: str | Path) -> None:
    """Run a command in the project's folder; end this program with its status where it fails."""
    status = subprocess.call([str(part) for part in command], cwd=ROOT)
    if status:
        sys.exit(status)


def install(target: str) -> None:
    """Make the virtual environment and install this folder (`.` or `.[dev]`), unless that was done before."""
    wanted = "".join((ROOT / name).read_text() for name in ("requirements.txt", "pyproject.toml"))
    stamp = VENV / f".installed-{target}"
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    if not PYTHON.exists():
        print("Making the virtual environment .venv", flush=True)
        if subprocess.call([sys.executable, "-m", "venv", str(VENV)]):
            sys.exit("Python's venv module is missing: install it (Debian: apt install python3-venv).")
    print("Installing Dualens (a few minutes the first time: PyTorch is large)", flush=True)
    # Editable: the command `dualens` and `import dualens` of this environment run the files of this folder.
    call(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", target)
    stamp.write_text(digest)


def main(arguments: list[str]) -> None:
    """Do what the first argument names; without one, open the dashboard."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file reports an older Python
        sys.exit(f"Dualens needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    if arguments[:1] == ["test"]:
        install(".[dev]")
        call(PYTHON, "-m", "pytest", *arguments[1:])
        return
    install(".")
    if "--read-only" not in arguments:
        call(PYTHON, "-m", "engine", "setup")
    if arguments[:1] != ["setup"]:
        call(PYTHON, "-m", "dashboard", *arguments)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)

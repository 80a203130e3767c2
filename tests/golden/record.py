"""Record the golden values anew: `python -m tests.golden.record [CASE...]`, all cases where none is named.

Only where numbers are meant to change; the diff of `tests/golden/expected` is then part of the review.
"""

import sys
import tempfile
from pathlib import Path

from tests.golden import values
from tests.golden.cases import CASES
from tests.golden.workspace import Workspace


def main(names: list[str]) -> int:
    """Run the cases and write what they say."""
    if unknown := sorted({*names} - {*CASES}):
        print(f"There is no case {unknown[0]!r}. There are: {', '.join(CASES)}.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        for name in names or CASES:
            values.write(name, workspace.run(CASES[name]))
            print(f"{name}: {values.path_of(name).stat().st_size:,} bytes", flush=True)
    if not names:
        for path in values.FOLDER.glob("*.json"):
            if path.stem not in CASES:
                path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Run the whole suite in two halves, side by side.

What boots machines waits for them most of the time, so it takes hardly anything from the other
half, and the whole takes little more than half as long. The half with the machines is printed when
both are done. The end is good if both are; Ctrl-C ends both.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

TESTS = Path(__file__).parent
PYTEST = (sys.executable, "-m", "pytest")
MACHINES = ("system", "package")
LEFT_OUT = () if "CI" in os.environ else ("package",)  # takes minutes to build


def main() -> int:
    """Run both; the worse of the two ends."""
    folders = [path for path in sorted(TESTS.iterdir()) if any(path.rglob("test_*.py"))]
    booted = [path for path in folders if path.name in MACHINES and path.name not in LEFT_OUT]
    others = [path for path in folders if path.name not in MACHINES]
    with TemporaryFile() as said:
        machines = subprocess.Popen([*PYTEST, *booted], stdout=said, stderr=subprocess.STDOUT)
        try:
            ended = subprocess.run([*PYTEST, *others], check=False).returncode
            print("\nThe tests in booted machines, which ran at the same time:", flush=True)
            also = machines.wait()
        except BaseException:
            machines.terminate()
            machines.wait()
            raise
        said.seek(0)
        sys.stdout.buffer.write(said.read())
        sys.stdout.flush()
    for name in LEFT_OUT:
        print(f"tests/{name} was left out: make test ARGS=tests/{name}")
    return max(ended, also)


if __name__ == "__main__":
    sys.exit(main())

"""How long does the import line take, in a fresh interpreter, with the files in the disk cache?"""

import subprocess
import sys

UNIT = "s"
LABELS = ("import",)

PROGRAM = """
import time
start = time.perf_counter()
import {framework}
print(time.perf_counter() - start)
"""


def sample(framework, label):
    program = PROGRAM.format(framework=framework)
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return float(done.stdout)

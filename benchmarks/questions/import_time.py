"""How long does the import line take, in a fresh interpreter, with the files in the disk cache?"""

import os
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
    # Installing compiles modules to bytecode; a source tree gets there at its first import, if it may.
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", PROGRAM.format(framework=framework)]
    for _ in range(2):
        done = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
    return float(done.stdout)

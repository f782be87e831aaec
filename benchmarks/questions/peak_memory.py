"""How much memory does training need, as the highest resident size of its process?"""

import importlib
import resource
import sys
from pathlib import Path

UNIT = "MB"
STEPS = 20
MODELS = {
    "peak memory, after import": None,
    "peak memory, softmax regression": "softmax_regression",
    "peak memory, MLP": "mlp",
    "peak memory, LeNet": "lenet",
    "peak memory, three-block CNN": "three_block_cnn",
    "peak memory, ResNet-18": "resnet18",
}
LABELS = tuple(MODELS)


def sample(framework, label):
    torch = importlib.import_module(framework)
    if MODELS[label] is not None:
        question = importlib.import_module(f"benchmarks.questions.{MODELS[label]}")
        (step,) = question.cases(torch).values()
        for _ in range(STEPS):
            step().item()
    return peak_megabytes()


def peak_megabytes():
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss would not do: on Linux it still counts the parent process from before exec.
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6

"""What a bug report and a benchmark must say about the machine and the installation."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

DISTRIBUTIONS = ("rushlight", "numpy", "ml_dtypes")

# From the newest to the oldest, by the flag the processor shows; the first that it shows names it.
INSTRUCTION_SETS = (
    ("amx_tile", "AMX"),
    ("avx512_bf16", "AVX-512 with bfloat16"),
    ("avx512f", "AVX-512"),
    ("avx2", "AVX2"),
    ("avx", "AVX"),
    ("sse4_2", "SSE4.2"),
    ("asimd", "NEON"),
)


def report() -> str:
    """Everything `rushlight info` prints, one ``name  value`` a line."""
    from . import get_num_threads
    from .backend import native
    from .compat import TORCH_VERSION

    extension = native.extension
    here = machine()
    rows = {
        "rushlight": f"{own_version()} (follows PyTorch {TORCH_VERSION.partition('+')[0]})",
        "place": str(Path(__file__).parent),
        "python": f"{platform.python_version()} ({sys.executable})",
        **{name: installed_version(name) for name in DISTRIBUTIONS[1:]},
        "oneDNN": extension.onednn_version(),
        "processor": f"{here['processor']}, {here['instructions']}",
        "cores": f"{here['cores']} usable",
        "own kernels": extension.get_isa(),
        "threads": str(get_num_threads()),
        "memory": f"{here['memory_gb']} GB, {here['memory_free_gb']} GB free",
        "install size": install_size(),
        "system": here["system"],
    }
    width = max(len(name) for name in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def machine() -> dict[str, object]:
    """The processor, its instruction set, its cores for this process, the memory, the system."""
    processor = read_fields("/proc/cpuinfo")
    memory = read_fields("/proc/meminfo")
    flags = (processor.get("flags") or processor.get("Features") or "").split()
    names = [name for flag, name in INSTRUCTION_SETS if flag in flags]
    return {
        "processor": processor.get("model name") or platform.processor() or platform.machine(),
        "instructions": names[0] if names else "instruction set unknown",
        "cores": usable_cores(),
        "memory_gb": gigabytes(memory.get("MemTotal")),
        "memory_free_gb": gigabytes(memory.get("MemAvailable")),
        "system": f"{platform.system()} {platform.release()}",
    }


def usable_cores() -> int:
    """How many cores this process may use, which in a container can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_fields(path: str) -> dict[str, str]:
    """The first ``key: value`` of each key in a file of /proc; empty where there is none."""
    if not Path(path).exists():
        return {}
    fields: dict[str, str] = {}
    for line in Path(path).read_text().splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    return fields


def gigabytes(kilobytes: str | None) -> float:
    """A figure of /proc/meminfo, such as ``"24683100 kB"``, in GB; 0 where it is not known."""
    return round(int(kilobytes.split()[0]) * 1024 / 1e9, 1) if kilobytes else 0.0


def own_version() -> str:
    """Rushlight's own version, even where ``__version__`` has become a PyTorch version."""
    return installed_version("rushlight")


def installed_version(name: str) -> str:
    """The version of an installed distribution; says so where it runs without being installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed by pip"


def install_size() -> str:
    """The size on disk of Rushlight and of what it needs."""
    own = directory_size(Path(__file__).parent)
    others = {name: distribution_size(name) for name in DISTRIBUTIONS[1:]}
    parts = [
        f"rushlight {own / 1e6:.0f}",
        *(f"{name} {size / 1e6:.0f}" for name, size in others.items()),
    ]
    return f"{(own + sum(others.values())) / 1e6:.0f} MB ({', '.join(parts)})"


def directory_size(directory: Path) -> int:
    """Bytes of all files in a directory, those below it included."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def distribution_size(name: str) -> int:
    """Bytes of the files that an installed distribution lists; 0 where it is not installed."""
    try:
        files = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        return 0
    paths = [Path(file.locate()) for file in files]
    return sum(path.stat().st_size for path in paths if path.is_file())

"""The machine that a figure was measured on, in words: a ratio travels between machines only with these."""

import os
import platform
from pathlib import Path

# From the newest to the oldest; the first whose flag the processor shows is the one printed.
INSTRUCTION_SETS = (
    ("amx_tile", "AMX"),
    ("avx512_bf16", "AVX-512 with bf16"),
    ("avx512f", "AVX-512"),
    ("avx2", "AVX2"),
    ("avx", "AVX"),
    ("sse4_2", "SSE4.2"),
    ("asimd", "NEON"),
)


def describe():
    """Returns the processor, its cores, instruction set, memory, and the system as a dictionary."""
    processor = read_fields("/proc/cpuinfo")
    memory = read_fields("/proc/meminfo").get("MemTotal", "0 kB")
    flags = (processor.get("flags") or processor.get("Features") or "").split()
    names = [name for flag, name in INSTRUCTION_SETS if flag in flags]
    return {
        "processor": processor.get("model name") or platform.processor() or platform.machine(),
        "cores": available_cores(),
        "instructions": names[0] if names else "unknown",
        "memory_gb": round(int(memory.split()[0]) * 1024 / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def available_cores():
    """Returns how many cores this process may use, which in a container can be fewer than exist."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_fields(path):
    """Returns the first ``key: value`` of each key in a file of /proc; empty where there is none."""
    if not Path(path).exists():
        return {}
    fields = {}
    for line in Path(path).read_text().splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    return fields

"""Checkpoint files in PyTorch's formats, safe by default.

- `checkpoint`: ``save`` and ``load``.
- `replacing`: a file takes the place of the old one when it is whole.
- `zip_format`, `archive_writer`, `contents`, `archive_reader`: the zip file that holds a checkpoint.
- `legacy`: the format before 1.6; `safetensors_files`: files of the safetensors format; `foreign`: what
  a file is that is none of these.
- `tensors`: tensors as views of storages, checked; `storages`, `locations`: where these come from and go.
- `names`, `classes`: PyTorch's names in pickles, and what stands for them here.
- `pickler`, `unpickler`, `safe_list`: both directions of the pickle, and what it may name.
- `options`, `config`: defaults; `inspection`: what a file would ask for.
"""

from .checkpoint import load, save
from .inspection import get_unsafe_globals_in_checkpoint
from .locations import (
    default_restore_location,
    location_tag,
    register_package,
    validate_cuda_device,
)
from .options import (
    LoadEndianness,
    SourceChangeWarning,
    get_crc32_options,
    get_default_load_endianness,
    get_default_mmap_options,
    set_crc32_options,
    set_default_load_endianness,
    set_default_mmap_options,
    skip_data,
)
from .safe_list import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals

__all__ = [
    "LoadEndianness",
    "SourceChangeWarning",
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "validate_cuda_device",
]

"""The questions. A file here has one of two forms.

*Timed*: ``cases(torch)`` gets the framework and returns functions by label. A function does the
work once; it may return a loss, which is then compared between the frameworks. Everything else is
built before the clock starts.

*Sampled*: ``LABELS``, ``UNIT`` and ``sample(framework, label)``, which returns one number and is
called in a fresh process each time, because what it measures happens once in the life of a process.
"""

ORDER = (
    "softmax_regression",
    "mlp",
    "lenet",
    "three_block_cnn",
    "resnet18",
    "mixed_precision",
    "optimizer_steps",
    "tiny_ops",
    "save_load",
    "data_loading",
    "image_pipeline",
    "import_time",
    "peak_memory",
)

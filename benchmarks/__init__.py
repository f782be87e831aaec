"""Benchmarks: each question is one source file, run under two frameworks in turn.

Run them from the root of the repository::

    python -m benchmarks --against torch

See ``questions/`` for the sources: each is written once against PyTorch's API and is given the
framework as an argument.
"""

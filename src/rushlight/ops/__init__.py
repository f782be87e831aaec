"""Every op, one family a file. Importing this package declares them all."""

from . import pointwise, convert, view, creation, reduce  # noqa: F401, I001

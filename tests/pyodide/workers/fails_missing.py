"""A package that the bundle does not carry."""

import numpy  # noqa: F401

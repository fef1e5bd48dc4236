"""A package that the bundle does not carry."""

import numpy  # type: ignore[import-not-found]  # noqa: F401

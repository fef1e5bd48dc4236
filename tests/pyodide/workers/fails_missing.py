"""A package that the bundle does not carry."""

import numpy  # type: ignore[import-not-found, unused-ignore]  # noqa: F401

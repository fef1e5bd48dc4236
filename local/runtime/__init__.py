"""The embedded runtime: every port of the application on one CPython process, and the server before it."""

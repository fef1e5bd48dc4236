"""Stand-in for the package that workerd puts beside every Python Worker: entropy and imports while it starts.

It runs inside Pyodide only, in the check of the bundle and in the host of the test suite. `workers-runtime-sdk` builds
on it; whoever starts a Worker gives it `_import_rules` from JavaScript, and calls it from a module of its own.
"""

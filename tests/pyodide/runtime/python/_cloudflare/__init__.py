"""Stand-in for the package that workerd puts beside every Python Worker; `workers-runtime-sdk` builds on it."""

"""The promises, written once as OpenSLO, and everything that watches them, generated from there.

specs/       the promises; settings.yaml, policy.yaml: where alerts go, and what a spent budget means
generated/   what `lumigate slo build` makes of them; committed, and `lumigate slo check` fails on drift
runbooks/    one page for each alert

Rules of the package: a series' name comes from the catalog by `lumigate.exposition.names`, never from a literal; the
arithmetic (windows, budgets, minimum counts) does no I/O; generators return text, `slo.build` alone writes files.
"""

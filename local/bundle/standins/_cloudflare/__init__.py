"""Stand-in for the package that the Workers runtime provides: entropy and import rules while a Worker starts.

It runs inside Pyodide only. The Workers SDK imports `allow_entropy` and `import_patch_manager` from here;
`import_rules.mjs` imports `start_up`.
"""

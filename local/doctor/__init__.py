"""`lumigate doctor`: what is wrong with a checkout or a deployment before it is found out by callers.

What the code reads is asked of the code (settings by validating and by recording, bindings by parsing the adapters), so
a new setting or binding is known here the moment it is read. Every finding says what to do next; no secret is shown.
"""

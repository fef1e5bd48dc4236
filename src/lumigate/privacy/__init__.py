"""Personal data found, masked and put back; values sealed at rest. Pure: no I/O, no clock, no platform.

`detect` finds, `mask` and `stream` rewrite, `sealing` encrypts. Every search here takes time in proportion to the
text, whatever the text is.
"""

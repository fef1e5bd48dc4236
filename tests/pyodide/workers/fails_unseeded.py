"""An unseeded generator at the top level."""

import random

GENERATOR = random.Random()

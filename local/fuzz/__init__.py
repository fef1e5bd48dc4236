"""`lumigate fuzz`: mutated input against everything that reads what comes from outside, through a whole gateway."""

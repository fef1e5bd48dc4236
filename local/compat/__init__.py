"""Which packages run on Python Workers: tried one by one, with the results committed."""

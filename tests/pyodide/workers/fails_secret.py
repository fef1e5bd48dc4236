"""A secret of a Secrets Store, asked for at the top level."""

from workers import import_from_javascript

PENDING = import_from_javascript("cloudflare:workers").env.SECRET.get()

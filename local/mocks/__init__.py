"""Stand-ins for what the gateway talks to: a model provider and an issuer of tokens, over real sockets."""

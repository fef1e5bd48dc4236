"""`lumigate keys`: API keys of the gateway on this machine, or of one that is running elsewhere."""

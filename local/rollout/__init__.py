"""`lumigate rollout` and `lumigate preview`: a version reaches its callers step by step, and goes back by itself.

Cloudflare holds the only state: which versions are in force and in which shares, with a message on each deployment that
says what it was part of. So a rollout that lost its machine can be taken up or called off from any other.
"""

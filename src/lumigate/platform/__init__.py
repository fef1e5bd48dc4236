"""Adapters: one folder a platform."""

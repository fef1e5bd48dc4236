"""Lumigate: an LLM gateway for Cloudflare Python Workers that you can see through."""

__version__ = "0.1.0"

"""Sinks beside OTLP: pure functions from values to what a platform's writer takes."""

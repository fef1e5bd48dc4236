"""What runs on a developer's machine: the embedded runtime, the command line, the checks. Nothing here is deployed."""

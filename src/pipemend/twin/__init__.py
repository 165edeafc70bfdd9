"""The twin: a believable stand-in for the outside world, on this machine."""

from .server import running, serve

__all__ = ["running", "serve"]

"""The twin: a believable stand-in for the outside world, on this machine."""

from .logic_apps.definition import BadDefinition
from .server import running, serve
from .world import World

__all__ = ["BadDefinition", "World", "running", "serve"]

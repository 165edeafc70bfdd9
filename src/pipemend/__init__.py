"""Pipemend mends failed data pipelines, and hands over to people when it must not or cannot."""

__version__ = "0.1.0"

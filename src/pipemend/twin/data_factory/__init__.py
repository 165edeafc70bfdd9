"""Data Factory: pipelines that run by themselves, and the part of Resource Manager that shows them."""

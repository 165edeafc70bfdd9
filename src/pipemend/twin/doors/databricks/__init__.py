"""The addresses of a Databricks workspace, at the root of its own port."""

from . import clusters, jobs, libraries, runs

OPERATIONS = (*jobs.OPERATIONS, *runs.OPERATIONS, *clusters.OPERATIONS, *libraries.OPERATIONS)

__all__ = ["OPERATIONS"]

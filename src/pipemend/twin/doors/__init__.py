"""The addresses of the twin: one module for each service, each a table of operations."""

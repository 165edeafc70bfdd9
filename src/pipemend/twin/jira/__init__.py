"""Jira: issues, their workflow, documents and search."""

"""Migrations: the schema's way from release to release, alike on both databases."""

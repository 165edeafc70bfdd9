"""Where pipelines run: one folder a platform."""

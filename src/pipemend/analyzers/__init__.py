"""Who explains failures."""

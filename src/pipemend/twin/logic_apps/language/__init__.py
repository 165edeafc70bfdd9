"""The expressions of workflow definitions: those that the twin knows, and an error for every other."""

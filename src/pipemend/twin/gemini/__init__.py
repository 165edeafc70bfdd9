"""Gemini: an analyst that reads the prompt and answers in the form it is given."""

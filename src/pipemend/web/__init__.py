"""The doors: what comes in over HTTP, and what people see."""

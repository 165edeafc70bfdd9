"""Commands: what a person asked for, carried out in the request's own unit."""

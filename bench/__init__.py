"""How fast and how frugal Pipemend is, each figure beside what it is compared with: `python -m bench`."""

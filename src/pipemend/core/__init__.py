"""The words and the rules of Pipemend. Standard library only: nothing here reads a clock, a setting or the network."""

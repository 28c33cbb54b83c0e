"""The algorithm as tables print it."""

TITLE = "given architecture"

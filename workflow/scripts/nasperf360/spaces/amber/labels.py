"""The space as the paper prints it."""

TITLE = "AMBER"

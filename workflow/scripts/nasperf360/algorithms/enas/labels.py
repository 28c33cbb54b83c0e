"""The algorithm as the paper prints it."""

TITLE = "ENAS"

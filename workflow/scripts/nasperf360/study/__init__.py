"""The study as a whole: its configuration, its results, and what is missing or does not fit."""

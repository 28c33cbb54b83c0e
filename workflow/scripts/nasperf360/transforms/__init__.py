"""Transforms of signals and images on the way to a data set."""

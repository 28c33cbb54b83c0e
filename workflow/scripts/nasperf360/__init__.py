"""NAS-Perf-360: ten tasks, search spaces and search algorithms, and the study that compares them."""

"""How tables and figures print this task, as the paper's Table 1 does; corrected where the paper errs."""

TITLE = "ECG"
OBJECTIVE = "Detecting atrial cardiac disease from an ECG recording via classification"
PUBLISHED_SIZE = "330K"  # samples at full size

"""How tables and figures print this task, as the paper's Table 1 does; corrected where the paper errs."""

TITLE = "NinaPro"
OBJECTIVE = "Classify sEMG signals into 18 classes corresponding to hand gestures"
PUBLISHED_SIZE = "3956"  # samples at full size

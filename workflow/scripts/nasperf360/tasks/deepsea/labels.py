"""How tables and figures print this task, as the paper's Table 1 does; corrected where the paper errs."""

TITLE = "DeepSEA"
OBJECTIVE = "Predict chromatin features of DNA sequences (the paper: RNA-binding sequences)"
PUBLISHED_SIZE = "250K"  # samples at full size

"""How tables and figures print this task, as the paper's Table 1 does; corrected where the paper errs."""

TITLE = "Darcy Flow"
OBJECTIVE = "Predict the steady pressure of a fluid from the permeability of its medium"
PUBLISHED_SIZE = "1.1K"  # samples at full size

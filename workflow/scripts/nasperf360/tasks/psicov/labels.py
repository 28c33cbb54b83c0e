"""How tables and figures print this task, as the paper's Table 1 does; corrected where the paper errs."""

TITLE = "PSICOV"
OBJECTIVE = "Predict distances between the residues of a protein"
PUBLISHED_SIZE = "3.6K"  # samples at full size

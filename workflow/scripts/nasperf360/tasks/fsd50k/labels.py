"""How tables and figures print this task, as the paper's Table 1 does; corrected where the paper errs."""

TITLE = "FSD50K"
OBJECTIVE = "Classify sound events in log-mel spectrograms"
PUBLISHED_SIZE = "51K"  # samples at full size

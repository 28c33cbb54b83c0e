"""How tables and figures print this task, as the paper's Table 1 does; corrected where the paper errs."""

TITLE = "Satellite"
OBJECTIVE = "Classify satellite image pixels' time series into 24 land cover types"
PUBLISHED_SIZE = "1M"  # samples at full size

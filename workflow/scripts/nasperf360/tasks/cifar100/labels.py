"""How tables and figures print this task, as the paper's Table 1 does; corrected where the paper errs."""

TITLE = "CIFAR-100"
OBJECTIVE = "Classify natural images into 100 classes"
PUBLISHED_SIZE = "60K"  # samples at full size

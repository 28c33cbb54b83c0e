"""What the cells of DARTS and Auto-DeepLab are made of. Needs no torch: spaces sample and check cells without it."""

OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
DARTS_NODES = 4
AUTODL_NODES = 5

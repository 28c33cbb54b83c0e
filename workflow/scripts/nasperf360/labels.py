"""Names as the paper prints them."""

SPACES = {"wrn": "WRN", "densenas": "DenseNAS", "darts": "DARTS", "autodl": "Auto-DL", "amber": "AMBER"}
ALGORITHMS = {"asha": "ASHA", "gaea": "GAEA", "darts": "DARTS", "enas": "ENAS"}
BASELINE = "wrn-default"
PAPER_TASKS = (  # in the order of Table 1
    "cifar100",
    "spherical",
    "ninapro",
    "fsd50k",
    "darcy",
    "psicov",
    "cosmic",
    "ecg",
    "satellite",
    "deepsea",
)


def method_name(space: str, algorithm: str) -> str:
    """``wrn-asha`` for the halves ``wrn`` and ``asha``."""
    return f"{space}-{algorithm}"


def halves(method: str) -> tuple[str, str]:
    """Space and algorithm: the halves of a method's name."""
    space, _, algorithm = method.partition("-")
    return space, algorithm


def space_label(space: str) -> str:
    """A space as printed; a space that the paper does not know keeps its own name."""
    return SPACES.get(space, space)


def algorithm_label(algorithm: str) -> str:
    """An algorithm as printed; one that the paper does not know keeps its own name."""
    return ALGORITHMS.get(algorithm, algorithm)


def method_label(method: str) -> str:
    """``WRN ASHA`` for ``wrn-asha``."""
    space, algorithm = halves(method)
    return f"{space_label(space)} {algorithm_label(algorithm)}"

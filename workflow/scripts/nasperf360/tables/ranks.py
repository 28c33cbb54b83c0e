"""Ranks of methods on each task."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def ranks(errors: ArrayLike) -> NDArray[np.float64]:
    """Rank of each method among those of its task; ties share the mean of their ranks.

    Args:
        errors: (..., methods); infinite where a method failed, which then ranks behind all that did not; NaN where it
            has no result.

    Returns:
        ranks of the same shape, 1 for the lowest error; NaN where there is no result, and for all methods of a task
        that none of them solved.
    """
    errors = np.asarray(errors, float)
    one, other = errors[..., :, None], errors[..., None, :]
    places = (other < one).sum(axis=-1) + ((other == one).sum(axis=-1) + 1) / 2
    solved = np.isfinite(errors).any(axis=-1, keepdims=True)
    return np.where(np.isnan(errors) | ~solved, np.nan, places)

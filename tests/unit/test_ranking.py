"""Scores of rankings against scikit-learn's, ties and labels of one class included."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from nasperf360.tasks.shared.ranking import auroc, average_precision


@pytest.fixture(params=["distinct", "ties", "all tied"])
def ranking(request):
    """Scores and labels (300, 6), the first label without a positive, the last without a negative."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(300, 6)).astype(np.float32)
    positive = scores + rng.normal(size=scores.shape) > 0.7
    positive[:, 0], positive[:, -1] = False, True
    return {"distinct": scores, "ties": scores.round(1), "all tied": np.zeros_like(scores)}[request.param], positive


def test_auroc(ranking):
    scores, positive = ranking
    found = auroc(scores, positive)
    assert np.isnan(found).tolist() == [True, False, False, False, False, True]
    expected = roc_auc_score(positive[:, 1:-1], scores[:, 1:-1], average=None)
    np.testing.assert_allclose(found[1:-1], expected, rtol=1e-12)


def test_average_precision(ranking):
    scores, positive = ranking
    found = average_precision(scores, positive)
    assert np.isnan(found).tolist() == [True, False, False, False, False, False]
    expected = average_precision_score(positive[:, 1:], scores[:, 1:], average=None)
    np.testing.assert_allclose(found[1:], expected, rtol=1e-12)


def test_labels_as_bytes_and_scores_worth_a_wrong_order():
    y = np.array([[1], [1], [0]], dtype=np.uint8)
    assert auroc(np.array([[0.0], [1.0], [2.0]]), y) == 0
    assert auroc(np.array([[2.0], [1.0], [0.0]]), y) == 1
    assert average_precision(np.array([[0.0], [1.0], [2.0]]), y) == pytest.approx((1 / 2 + 2 / 3) / 2)

r"""Instance transfer by boosting: source samples that do not fit the target lose their weight.

Letters in shapes: N_S source and N_T target samples, D features.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.data.samples import Samples, check_samples
from course_utils.environment.arguments import check_number
from course_utils.environment.tensors import as_labels, as_rows

SMALLEST_ERROR = 1e-6  # of a round; a learner without any error would count without end


class TrAdaBoost:
    r"""Boosting over many source samples and few target samples, for two classes.

    In each round a learner is trained on all samples by their weights. Target samples that it gets
    wrong gain weight, as in AdaBoost; source samples that it gets wrong lose weight, since they
    speak of something else. The later half of the rounds votes.

    Parameters
    ----------
    num_rounds : int
        N, at least 1.
    learner : scikit-learn classifier, optional
        Takes ``sample_weight``. Default: logistic regression on standardised features.

    References
    ----------
    Dai et al. 2007, Boosting for transfer learning, doi:10.1145/1273496.1273521, figure 2.

    Examples
    --------
    >>> source = Samples(torch.linspace(-1, 1, 40)[:, None], torch.arange(40) // 20)
    >>> target = Samples(torch.tensor([[-0.5], [0.5]]), torch.tensor([0, 1]))
    >>> TrAdaBoost(3).fit(source, target).predict(torch.tensor([[-1.0], [1.0]])).tolist()
    [0, 1]
    """

    def __init__(self, num_rounds: int = 10, learner: Any = None):
        self.num_rounds = check_number("num_rounds", num_rounds, low=1, whole=True)
        if learner is not None and not all(hasattr(learner, n) for n in ("fit", "predict")):
            raise TypeError("learner has no fit and predict; give a classifier of scikit-learn")
        self.learner = learner
        self.learners: list = []
        self.betas: list[float] = []
        self.source_weights: list[Tensor] = []  # after each round, as shares of all weights

    def fit(self, source: Samples, target: Samples) -> "TrAdaBoost":
        """Train on source and target samples; both must have classes 0 and 1.

        A round whose learner is not better than chance on the target ends the training; one that
        comes first counts alone.

        Raises
        ------
        TypeError, ValueError
            If these are no tables with labels 0 and 1.
        """
        rows, labels, num_source = _together(source, target)
        weights = np.ones(len(rows))
        beta = 1 / (1 + np.sqrt(2 * np.log(num_source) / self.num_rounds))
        self.learners, self.betas, self.source_weights = [], [], []
        for _ in range(self.num_rounds):
            shares = weights / weights.sum()
            learner = _fitted(self.learner, rows, labels, shares)
            is_wrong = learner.predict(rows) != labels
            ours = shares[num_source:]
            error = max((ours * is_wrong[num_source:]).sum() / ours.sum(), SMALLEST_ERROR)
            if error >= 0.5 and self.learners:
                break
            self.learners.append(learner)
            self.betas.append(min(error, 0.5 - SMALLEST_ERROR) / (1 - min(error, 0.5)))
            weights[:num_source] = shares[:num_source] * beta ** is_wrong[:num_source]
            weights[num_source:] = ours * self.betas[-1] ** -is_wrong[num_source:].astype(float)
            self.source_weights.append(torch.from_numpy(weights[:num_source] / weights.sum()))
            if error >= 0.5:
                break
        return self

    def predict(self, inputs: Tensor) -> Tensor:
        """Return the class of each row (N, D): the weighted vote of the later half of the rounds.

        Raises
        ------
        RuntimeError
            If nothing has been trained.
        """
        if not self.learners:
            raise RuntimeError("nothing has been trained; call fit(source, target) first")
        rows = as_rows("inputs", inputs, ndim=2).numpy()
        first = len(self.learners) // 2
        says = np.log(1 / np.array(self.betas[first:]))
        votes = np.stack([learner.predict(rows) for learner in self.learners[first:]])
        return torch.from_numpy((says @ votes >= says.sum() / 2).astype(np.int64))


def _together(source, target):
    """Return rows (N, D) and labels of both, source first, and the number of source samples."""
    tables, labels = [], []
    for name, samples in (("source", source), ("target", target)):
        check_samples(name, samples)
        tables.append(as_rows(name, samples.inputs, ndim=2).detach().cpu().numpy())
        labels.append(as_labels(name, samples.labels, num_classes=2).cpu().numpy())
    if tables[0].shape[1] != tables[1].shape[1]:
        shapes = " and target ".join(str(table.shape) for table in tables)
        raise ValueError(f"source is {shapes}; give both the same features")
    return np.concatenate(tables), np.concatenate(labels), len(tables[0])


def _fitted(learner, rows, labels, shares):
    """Return a fresh learner, trained with a weight for each sample (mean 1)."""
    from sklearn.base import clone  # slow to import
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    weights = shares * len(shares)  # so that regularisation is as strong as usual
    if learner is not None:
        return clone(learner).fit(rows, labels, sample_weight=weights)
    scaler = StandardScaler().fit(rows)
    model = LogisticRegression(max_iter=1000).fit(scaler.transform(rows), labels, weights)
    return _Scaled(scaler, model)


class _Scaled:
    def __init__(self, scaler, model):
        self.scaler, self.model = scaler, model

    def predict(self, rows):
        return self.model.predict(self.scaler.transform(rows))

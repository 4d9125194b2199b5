"""The recipe for the published benchmark: nothing in the networks moves, a kernel machine decides.

Two frozen networks look at a cell. Of each channel in their middle only the maximum is kept: how
strong is it where it is strongest? A support vector machine, which needs only how alike two cells
are (a kernel), learns from these features.
"""

import time
from itertools import combinations

import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from torch import Tensor, nn

from course_utils.data.images import solar_cell_images
from course_utils.environment.machine import device, progress_bar
from course_utils.models.classifier import Classifier
from course_utils.models.imagenet import imagenet_classifier
from course_utils.models.inference import forward_batches
from course_utils.models.surgery import cut_after, folded

NETWORKS = ("EfficientNet-Lite2", "EfficientNet-Lite0")
SIZE = 192  # pixels
NUM_CELLS = 2624
AT_ONCE = 500  # cells whose images are in memory in single precision
# Files of one module lie side by side. Shuffled folds share modules, as the parts of a random split
# do; with folds of neighbours the probabilities would be too unsure there. What
# remains: the weights in the kernel know the levels of the fold that is held out, too.
SHUFFLED = StratifiedKFold(5, shuffle=True, random_state=0)
COST = 3.0  # C of the machine: what a cell on the wrong side costs. 1.5 and 6: no gain


class Middle(nn.Module):
    """The middle of an EfficientNet: a feature for each channel in stages 4 and 5.

    The channels are those inside of the blocks, where they are many, behind the first and the
    second convolution (with the narrow outputs of the blocks beside them: no gain); and those
    behind the first convolution of stage 6, which reads what stage 5 gives. They are looked at
    after BatchNorm and before ReLU6, which would cut the largest outputs down to 6.

    Parameters
    ----------
    model : Classifier
        An EfficientNet. It stays as it is.
    summary : {'max', 'mean'}
        Over height, width and two views: the image as it is, and turned by 180 degrees. With
        ``'mean'``, ReLU6 comes first.
    """

    def __init__(self, model: Classifier, summary: str = "max"):
        super().__init__()
        beginning, rest = cut_after(model, "stage5")
        self.beginning = folded(beginning).to(device())
        self.following = folded(rest.backbone.stage6[0][0]).conv_pw.to(device())
        self.summary = summary
        self._found = []
        blocks = [*self.beginning.stage4[0], *self.beginning.stage5[0]]
        inside = [layer for block in blocks for layer in (block.conv_pw, block.conv_dw)]
        for layer in [*inside, self.following]:
            layer.register_forward_hook(lambda _, inputs, outputs: self._sum_up(outputs))

    def _sum_up(self, outputs: Tensor) -> None:
        """Keep (N, C) of (N, C, H, W)."""
        # channels last, as they lie in memory: faster
        places = outputs.permute(0, 2, 3, 1).flatten(1, 2)
        self._found.append(places.amax(1) if self.summary == "max" else places.clamp(0, 6).mean(1))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 1, H, W), grey values from 0 to 1, to features (N, D)."""
        views, images = [], images.to(device())
        for view in (images, images.flip(2, 3)):
            self._found.clear()
            self.following(self.beginning(view))
            views.append(torch.cat(self._found, 1))
        both = torch.stack(views)
        return both.amax(0) if self.summary == "max" else both.mean(0)


def table_of_cells(
    architecture: str, summary: str = "max", *, pretrained: bool = True
) -> tuple[Tensor, float]:
    """Send all 2,624 cells through the `Middle` of a network.

    Parameters
    ----------
    architecture : str
        Of `course_utils.models.imagenet_classifier`.
    summary : {'max', 'mean'}
        Of `Middle`.
    pretrained : bool
        False: random weights, for a control.

    Returns
    -------
    torch.Tensor of shape (2624, D), float16
        Features of each cell, in the order of the data set.
    float
        How many seconds it took.
    """
    start = time.perf_counter()
    weights, seed = ("imagenet", None) if pretrained else ("random", 0)
    middle = Middle(imagenet_classifier(weights, seed, architecture=architecture), summary)
    rows = []
    with torch.inference_mode():
        for part in progress_bar(torch.arange(NUM_CELLS).split(AT_ONCE), "cells", unit="part"):
            for batch in forward_batches(solar_cell_images(SIZE, rows=part)):
                rows.append(middle(batch).half().cpu())
    return torch.cat(rows), time.perf_counter() - start


def separation(features: Tensor, levels: Tensor) -> Tensor:
    """Say how much more each feature differs between the levels than within them.

    Parameters
    ----------
    features : torch.Tensor of shape (M, D)
    levels : torch.Tensor of shape (M,), int64

    Returns
    -------
    torch.Tensor of shape (D,)
        Sum of squares between the levels over sum of squares within; 0 for a constant feature.
        Times (M - K) / (K - 1) it is the F statistic of an analysis of variance with K levels.
    """
    within = between = 0
    centre = features.mean(0)
    for level in levels.unique():
        group = features[levels == level]
        mean = group.mean(0)
        within = within + (group - mean).square().sum(0)
        between = between + len(group) * (mean - centre).square()
    return between / within.clamp_min(1e-9)


def kernel(tables: list[Tensor], train: Tensor, levels: Tensor, *, weigh: bool = True) -> Tensor:
    """Say how alike any two samples are, from 0 to 1: the mean over the tables of a Gaussian.

    Parameters
    ----------
    tables : list of torch.Tensor of shape (N, D)
        Features; D differs between tables.
    train : torch.Tensor of shape (M,), int64
        Rows whose mean and standard deviation bring all features to one scale.
    levels : torch.Tensor of shape (M,), int64
        Of these rows.
    weigh : bool
        Let a feature count by its `separation`; else all count alike.

    Returns
    -------
    torch.Tensor of shape (N, N)
        Of each table exp(-d): d is the weighted mean over features of the squared difference.
    """
    total = 0
    for table in tables:
        features = table.float()
        mean, spread = features[train].mean(0), features[train].std(0).clamp_min(1e-6)
        features = (features - mean) / spread
        if weigh:
            weights = separation(features[train], levels)
            features = features * (weights / weights.mean()).sqrt()
        squares = features.square().sum(1)
        distances = squares[:, None] + squares - 2 * features @ features.T
        total = total + torch.exp(-distances / features.shape[1])
    return total / len(tables)


def answers(alike: Tensor, train: Tensor, levels: Tensor, asked: Tensor) -> Tensor:
    """Learn the levels of some cells, and say how probable each level is for others.

    A support vector machine for each two levels says which of the two it is, and Platt's sigmoid
    turns that into a probability (scikit-learn, five folds). `coupled` makes one answer of these.

    Parameters
    ----------
    alike : torch.Tensor of shape (N, N)
        From `kernel`.
    train : torch.Tensor of shape (M,), int64
        Rows to learn from.
    levels : torch.Tensor of shape (M,), int64
        Their levels, from 0 to K - 1.
    asked : torch.Tensor of shape (A,), int64
        Rows to answer.

    Returns
    -------
    torch.Tensor of shape (A, K)
        Logarithms of the probabilities.
    """
    number = int(levels.max()) + 1
    shares = torch.zeros(len(asked), number, number, dtype=torch.float64)
    for one, other in combinations(range(number), 2):
        chosen = (levels == one) | (levels == other)
        rows, is_one = train[chosen], (levels[chosen] == one).numpy()
        machine = CalibratedClassifierCV(
            SVC(C=COST, kernel="precomputed"), cv=SHUFFLED, ensemble=False
        )
        machine.fit(alike[rows][:, rows].numpy(), is_one)
        found = torch.from_numpy(machine.predict_proba(alike[asked][:, rows].numpy()))[:, 1]
        shares[:, one, other], shares[:, other, one] = found, 1 - found
    return coupled(shares).float().clamp_min(1e-6).log()


def coupled(shares: Tensor) -> Tensor:
    """Find the probabilities of K classes that agree best with those of all pairs.

    Minimises the sum over pairs of (r_ji p_i - r_ij p_j)^2, with the sum of p being 1: Wu, Lin and
    Weng 2004 (JMLR 5), equation 21. libsvm minimises the same.

    Parameters
    ----------
    shares : torch.Tensor of shape (N, K, K)
        r_ij: the probability of class i if it is i or j. The diagonal is not looked at.

    Returns
    -------
    torch.Tensor of shape (N, K)
    """
    number = shares.shape[1]
    shares = shares * (1 - torch.eye(number, dtype=shares.dtype))
    system = torch.ones(len(shares), number + 1, number + 1, dtype=shares.dtype)
    system[:, -1, -1] = 0
    own = shares.square().sum(1)  # of class i: the sum over j of r_ji^2
    system[:, :-1, :-1] = torch.diag_embed(own) - shares * shares.transpose(1, 2)
    wanted = torch.zeros(number + 1, dtype=shares.dtype)
    wanted[-1] = 1
    return torch.linalg.solve(system, wanted.expand(len(shares), -1))[:, :-1].clamp_min(0)

"""The recipe for the published benchmark: nothing in the networks moves, a kernel machine decides.

What the filters in the middle of three frozen networks say about a cell is summed up by the mean,
the standard deviation and the maximum of each channel. A support vector machine learns from these.
"""

import time
from itertools import combinations

import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from torch import Tensor

from course_utils.backbones import Classifier, imagenet_classifier
from course_utils.batches import forward_batches
from course_utils.datasets import solar_cell_images
from course_utils.environment import device, progress_bar
from course_utils.stages import cut_after, folded

# architecture, image size in pixels, views; the largest images first, when memory is still free
NETWORKS = (
    ("EfficientNet-Lite0", 300, 1),
    ("EfficientNet-Lite2", 192, 2),
    ("EfficientNet-Lite0", 192, 2),
)
NUM_CELLS = 2624
AT_ONCE = 500  # cells whose images are in memory in single precision
SUMMED_UP = ("stage4", "stage5")  # stage3 and stage6 beside them: no gain on validation cells
# files of one module lie side by side: in folds of neighbours a machine would seem too unsure
SHUFFLED = StratifiedKFold(5, shuffle=True, random_state=0)
BORDER = 3.0  # C of the support vector machine: how much a cell on the wrong side costs


def channel_statistics(model: Classifier, images: Tensor, num_views: int = 2) -> Tensor:
    """Sum up each channel behind the spatial filters of all blocks of stages 4 and 5.

    Parameters
    ----------
    model : Classifier
        An EfficientNet. It stays as it is.
    images : torch.Tensor of shape (N, 1, H, W), float32
        Grey values from 0 to 1.
    num_views : {1, 2}
        1: each image as it is. 2: also upside down and mirrored, and the mean of both.

    Returns
    -------
    torch.Tensor of shape (N, D), float16
        Mean, standard deviation and maximum over height and width of D / 3 channels.
    """
    beginning = folded(cut_after(model, SUMMED_UP[-1])[0]).to(device())
    found = []
    for name in SUMMED_UP:
        for block in getattr(beginning, name)[0]:  # its spatial filters end with bn2
            block.bn2.register_forward_hook(lambda _, inputs, out: found.append(_summed_up(out)))
    rows = []
    with torch.inference_mode():
        for batch in progress_bar(forward_batches(images), "channel statistics", unit="batch"):
            views = []
            for view in [batch, batch.flip(2, 3)][:num_views]:
                found.clear()
                beginning(view.to(device()))
                views.append(torch.cat(found, 1).cpu())
            rows.append(torch.stack(views).mean(0))
    return torch.cat([row.half() for row in rows])


def _summed_up(outputs: Tensor) -> Tensor:
    """Turn (N, C, H, W) into (N, 3 C): mean, standard deviation and maximum of each channel."""
    places = outputs.permute(0, 2, 3, 1).flatten(1, 2)  # so memory is read in its order
    mean = places.mean(1)
    spread = (places.square().mean(1) - mean.square()).clamp_min(0).sqrt()
    return torch.cat([mean, spread, places.amax(1)], 1)


def statistics_of_cells(
    networks: tuple = NETWORKS, *, pretrained: bool = True
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Compute the statistics of all 2,624 cells with each network, and say how long it took."""
    tables, seconds = {}, {}
    for architecture, size, num_views in networks:
        start = time.perf_counter()
        weights, seed = ("imagenet", None) if pretrained else ("random", 0)
        model = imagenet_classifier(weights, seed, architecture=architecture)
        name = f"{architecture}, {size} px" + ("" if pretrained else ", random weights")
        parts = torch.arange(NUM_CELLS).split(AT_ONCE)
        tables[name] = torch.cat(
            [
                channel_statistics(model, solar_cell_images(size, rows=part), num_views)
                for part in parts
            ]
        )
        seconds[name] = time.perf_counter() - start
    return tables, seconds


def kernel(tables: list[Tensor], train: Tensor) -> Tensor:
    """Say how alike any two samples are, from 0 to 1: the mean over the tables of a Gaussian.

    Parameters
    ----------
    tables : list of torch.Tensor of shape (N, D)
        Features; D differs between tables.
    train : torch.Tensor of shape (M,), int64
        Rows whose mean and standard deviation bring all features to one scale.

    Returns
    -------
    torch.Tensor of shape (N, N)
    """
    total = 0
    for table in tables:
        features = table.float()
        mean, spread = features[train].mean(0), features[train].std(0).clamp_min(1e-6)
        features = (features - mean) / spread
        squares = features.square().sum(1)
        distances = squares[:, None] + squares - 2 * features @ features.T
        total = total + torch.exp(-distances / features.shape[1])
    return total / len(tables)


def answers(alike: Tensor, train: Tensor, levels: Tensor, asked: Tensor) -> Tensor:
    """Learn levels (M,) of the rows ``train``; return log probabilities of the rows ``asked``.

    A support vector machine for each two levels says which of the two it is, and Platt's sigmoid
    turns that into a probability (scikit-learn, five folds). `coupled` makes one answer of these.
    """
    number = int(levels.max()) + 1
    shares = torch.zeros(len(asked), number, number, dtype=torch.float64)
    for one, other in combinations(range(number), 2):
        chosen = (levels == one) | (levels == other)
        rows, is_one = train[chosen], (levels[chosen] == one).numpy()
        machine = CalibratedClassifierCV(
            SVC(C=BORDER, kernel="precomputed"), cv=SHUFFLED, ensemble=False
        )
        machine.fit(alike[rows][:, rows].numpy(), is_one)
        found = torch.from_numpy(machine.predict_proba(alike[asked][:, rows].numpy()))[:, 1]
        shares[:, one, other], shares[:, other, one] = found, 1 - found
    return coupled(shares).float().clamp_min(1e-6).log()


def coupled(shares: Tensor) -> Tensor:
    """Find the probabilities of K classes that agree best with those of all pairs.

    Minimises the sum over pairs of (r_ji p_i - r_ij p_j)^2, with the sum of p being 1: Wu, Lin and
    Weng 2004 (JMLR 5), equation 21, as libsvm does it.

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

"""What comes without transfer: the largest class, and counted words or colours.

Letters in shapes: N inputs, B pictures in a batch, K classes.
"""

import torch
from torch import Tensor

from course_utils.data.own import OwnData
from course_utils.environment.machine import progress_bar
from course_utils.transfer.streams import Pictures, picture_rows

COSTS = (0.01, 0.1, 1.0, 10.0, 100.0)  # C of logistic regression, to choose from
SHADES, LEVELS = 32, 4  # bins of a channel alone, and of a channel where all three count together
SIZE = 64  # pixels: for counting colours that is enough


def colour_histograms(pictures: Tensor) -> Tensor:
    """Count the colours of pictures: shares of shades in each channel, and of whole colours.

    Parameters
    ----------
    pictures : torch.Tensor of shape (B, 3, S, S), float32
        Values 0 to 1.

    Returns
    -------
    torch.Tensor of shape (B, 160), float32
        Square roots of the shares, so that rare colours count as well.

    Examples
    --------
    >>> histogram = colour_histograms(torch.zeros(1, 3, 8, 8))
    >>> histogram.shape, histogram[0, 0].item()
    (torch.Size([1, 160]), 1.0)
    """
    flat = pictures.flatten(2)  # (B, 3, pixels)
    shades = (flat * SHADES).long().clamp(max=SHADES - 1)
    counted = [_shares(shades[:, channel], SHADES) for channel in range(3)]
    red, green, blue = (flat * LEVELS).long().clamp(max=LEVELS - 1).unbind(1)
    counted.append(_shares((red * LEVELS + green) * LEVELS + blue, LEVELS**3))
    return torch.cat(counted, 1).sqrt()


def _shares(numbers: Tensor, bins: int) -> Tensor:
    counts = torch.zeros(len(numbers), bins)
    counts.scatter_add_(1, numbers, torch.ones_like(numbers, dtype=torch.float32))
    return counts / numbers.shape[1]


def classical(data: OwnData, parts: dict[str, Tensor]) -> dict:
    """Learn logistic regression on counted words or colours; C is chosen on validation.

    Parameters
    ----------
    data : OwnData
        The data.
    parts : dict of str to torch.Tensor
        Positions of each part.

    Returns
    -------
    dict
        Its name, C, accuracy on validation, and the predicted classes of ``"validation"`` and
        ``"test"``; nothing is measured on test here.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import

    counted = _counted(data, parts)
    labels = data.labels.numpy()
    train, validation = parts["train"].numpy(), parts["validation"].numpy()
    best: dict = {}
    for cost in progress_bar(COSTS, "baseline", unit="C"):
        model = LogisticRegression(C=cost, max_iter=2000)
        model.fit(counted[train], labels[train])
        right = model.score(counted[validation], labels[validation])
        if not best or right > best["validation"]:
            said = {p: model.predict(counted[parts[p].numpy()]).tolist() for p in ("test",)}
            best = {"C": cost, "validation": float(right), "said": said["test"]}
    words = {"image": "colour histogram", "text": "TF-IDF"}[data.kind]
    return {"name": f"{words} and logistic regression"} | best


def _counted(data: OwnData, parts: dict[str, Tensor]):
    """Return a row of numbers for each input; which words there are is learned on training."""
    if data.kind == "image":
        pictures = Pictures(data.root, data.values, SIZE)
        settings = (SHADES, LEVELS)
        rows = picture_rows("colours", settings, pictures, data.digests, colour_histograms)
        return rows.numpy()
    from sklearn.feature_extraction.text import TfidfVectorizer

    counter = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")
    try:
        counter.fit([data.values[place] for place in parts["train"].tolist()])
    except ValueError:  # no text has a word, such as rows of signs: count characters
        counter = TfidfVectorizer(sublinear_tf=True, analyzer="char")
        counter.fit([data.values[place] for place in parts["train"].tolist()])
    return counter.transform(data.values)


def majority(data: OwnData, parts: dict[str, Tensor]) -> dict:
    """Return the class that is most frequent in training. See `classical`."""
    counts = torch.bincount(data.labels[parts["train"]], minlength=len(data.classes))
    label = int(counts.argmax())
    right = (data.labels[parts["validation"]] == label).double().mean().item()
    return {"name": "always the largest class", "label": label, "validation": right}

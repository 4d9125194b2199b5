"""A head made of class means: no training, one or no label per class is enough."""

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from course_utils.environment.arguments import check_number
from course_utils.environment.door import checked
from course_utils.environment.tensors import as_labels


@checked(skip=("labels", "num_classes"))
def prototype_head(features: Tensor, labels: Tensor, num_classes: int | None = None) -> nn.Linear:
    r"""Return the linear head that answers with the class of the nearest prototype.

    The prototype :math:`\mu_c` of a class is the mean of its features. Of the squared distance
    :math:`\|x - \mu_c\|^2 = \|x\|^2 - 2 x^T \mu_c + \|\mu_c\|^2` the first part is the same for all
    classes, so the nearest prototype has the largest :math:`w_c^T x + b_c` with
    :math:`w_c = \mu_c` and :math:`b_c = -\|\mu_c\|^2 / 2`. Embeddings of one description per class
    make a head that needs no label.

    Parameters
    ----------
    features : torch.Tensor of shape (N, D)
        Of labelled samples, or of class descriptions.
    labels : torch.Tensor of shape (N,)
        Class numbers from 0 on; each class occurs.
    num_classes : int, optional
        K; by default the largest label + 1.

    Returns
    -------
    torch.nn.Linear
        D inputs, K outputs; it can be trained further.

    Raises
    ------
    TypeError, ValueError
        If the features are no table of numbers, or a class has no sample.

    References
    ----------
    Snell et al. 2017, Prototypical networks for few-shot learning, arXiv:1703.05175, eq. 1 and 8.

    Examples
    --------
    >>> features = torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 1.0]])
    >>> head = prototype_head(features, torch.tensor([0, 0, 1]))
    >>> head(torch.tensor([[0.5, 1.0], [3.0, 0.0]])).argmax(1).tolist()
    [0, 1]
    """
    if features.ndim != 2:
        what = f"features has shape {tuple(features.shape)}"
        raise ValueError(f"{what}; give a table of shape (samples, features)")
    features = features if features.is_floating_point() else features.float()
    labels = as_labels("labels", labels).to(features.device)
    if len(labels) != len(features):
        what = f"features has {len(features)} samples and labels {len(labels)}"
        raise ValueError(f"{what}; give one label for each sample")
    most = int(labels.max()) + 1
    num_classes = most if num_classes is None else num_classes
    num_classes = check_number("num_classes", num_classes, low=most, whole=True)
    counts = torch.bincount(labels, minlength=num_classes)
    if (counts == 0).any():
        missing = int((counts == 0).nonzero()[0, 0])
        raise ValueError(f"labels has no sample of class {missing}; give at least one per class")
    head = skip_init(nn.Linear, features.shape[1], num_classes)  # draws no random numbers
    head = head.to(features.device, features.dtype)
    with torch.no_grad():
        sums = torch.zeros_like(head.weight).index_add_(0, labels, features.detach())
        head.weight.copy_(sums / counts[:, None])
        head.bias.copy_(-head.weight.square().sum(1) / 2)
    return head

"""Tasks: what is to be learned, and from which samples.

Letters in shapes: N samples, C channels, H and W height and width in pixels, K classes.
"""

import base64
import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from course_utils.texts import Texts


def stable_order(indices: Tensor, key: str) -> Tensor:
    """Order positions as if at random, the same on each machine and with each library version.

    The positions are sorted by the SHA-256 of ``key`` and index, so no random number generator,
    whose stream may change between versions, decides who is in the test set.

    Parameters
    ----------
    indices : torch.Tensor of shape (N,), int64
        Positions of the samples in their complete data set.
    key : str
        Another key gives another order.

    Returns
    -------
    torch.Tensor of shape (N,), int64
        Places 0 to N - 1 in ``indices``, in the new order.

    Examples
    --------
    >>> stable_order(torch.arange(5), key="a").tolist()
    [0, 1, 3, 4, 2]
    """
    digests = [hashlib.sha256(f"{key}:{index}".encode()).digest() for index in indices.tolist()]
    return torch.tensor(sorted(range(len(digests)), key=digests.__getitem__), dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs with their labels.

    Parameters
    ----------
    inputs : torch.Tensor of shape (N, C, H, W) or (N, D), float32, or Texts of length N
        Images with grey values or colours from 0 to 1, or features. Texts, or their tokens as
        int64 of shape (N, T).
    labels : torch.Tensor of shape (N,), int64
        Class of each sample, 0 to K - 1; -1 if nobody knows it.
    weights : torch.Tensor of shape (N,), float32, optional
        How much each label counts, more than 0 and up to 1. None: all count the same.
    indices : torch.Tensor of shape (N,), int64, optional
        Position of each sample in its complete data set. Default: 0 to N - 1.

    Raises
    ------
    ValueError
        If the lengths differ.

    Examples
    --------
    >>> samples = Samples(torch.zeros(4, 1, 8, 8), torch.tensor([0, 0, 1, 1]))
    >>> len(samples), samples.few_shot(1, seed=0).labels.tolist()
    (4, [0, 1])
    """

    inputs: Tensor | Texts
    labels: Tensor
    weights: Tensor | None = None
    indices: Tensor | None = None

    def __post_init__(self):
        if self.indices is None:
            object.__setattr__(self, "indices", torch.arange(len(self.labels)))
        for name in ("inputs", "weights", "indices"):
            value = getattr(self, name)
            if value is not None and len(value) != len(self.labels):
                raise ValueError(
                    f"{name} has {len(value)} entries and labels has {len(self.labels)}; "
                    f"give one entry of {name} for each label"
                )

    def __len__(self):
        return len(self.labels)

    def __repr__(self):
        return f"Samples({len(self)} inputs of {self.form}, labels {self.class_counts()})"

    @property
    def form(self) -> str:
        """What one input is: its shape, such as ``"1 x 28 x 28"``, or ``"text"``."""
        if isinstance(self.inputs, Texts):
            return "text"
        return " x ".join(str(side) for side in self.inputs.shape[1:])

    def class_counts(self) -> dict[int, int]:
        """Count the samples of each class that occurs."""
        classes, counts = self.labels.unique(return_counts=True)
        return dict(zip(classes.tolist(), counts.tolist(), strict=True))

    def select(self, positions: Tensor) -> "Samples":
        """Return the samples at these positions (integers, or booleans of shape (N,))."""
        weights = None if self.weights is None else self.weights[positions]
        return Samples(
            self.inputs[positions], self.labels[positions], weights, self.indices[positions]
        )

    def with_inputs(self, inputs: Tensor) -> "Samples":
        """Return the same labels with other inputs, for example features instead of images."""
        return replace(self, inputs=inputs)

    def unlabelled(self) -> "Samples":
        """Return the same inputs with labels of -1, nobody knows, and without weights.

        Labels that are numbers with decimals become NaN, since there -1 could be true. A weight
        says how much a label counts, so it would tell something about the label.
        """
        unknown = torch.nan if self.labels.is_floating_point() else -1
        return replace(self, labels=torch.full_like(self.labels, unknown), weights=None)

    def few_shot(self, per_class: int, seed: int) -> "Samples":
        """Draw the same number of samples from each class.

        Draws with one seed are nested: the 5 of a class are among its 20.

        Parameters
        ----------
        per_class : int
            Labelled samples per class, at least 1.
        seed : int
            Another seed gives another draw.

        Raises
        ------
        ValueError
            If a class has fewer samples than asked for.
        """
        counts = self.class_counts()
        available = min(counts.values(), default=0)
        if not 1 <= per_class <= available:
            raise ValueError(
                f"per_class is {per_class}; the rarest class has {available} samples, so "
                + (f"ask for 1 to {available}" if available else "there is nothing to draw from")
            )
        order = stable_order(self.indices, key=f"few-shot {seed}")
        chosen = [order[self.labels[order] == label][:per_class] for label in counts]
        return self.select(torch.cat(chosen))


@dataclass(frozen=True, eq=False)
class Task:
    """A task: classes to tell apart, and samples to learn it, to choose by, and to test on.

    Parameters
    ----------
    name : str
        What is asked, in a few words.
    classes : tuple of str
        Names of the K classes, in the order of the labels.
    train, validation, test : Samples
        Disjoint samples: learn from the first, choose on the second, report on the third once.
    units : str
        Meaning and range of one number of an input.
    licence : str
        Licence of the data.
    source : str
        Where the data come from, with a reference.
    """

    name: str
    classes: tuple[str, ...]
    train: Samples
    validation: Samples
    test: Samples
    units: str
    licence: str
    source: str

    @property
    def parts(self) -> dict[str, Samples]:
        """The three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return len(self.classes)

    def map_parts(self, function, name: str | None = None) -> "Task":
        """Return the task with ``function`` applied to train, validation and test."""
        parts = {part: function(samples) for part, samples in self.parts.items()}
        return replace(self, name=name or self.name, **parts)

    def few_shot(self, per_class: int, seed: int) -> "Task":
        """Return the task with only ``per_class`` training samples of each class.

        Validation and test stay complete. See `Samples.few_shot`.
        """
        return replace(self, train=self.train.few_shot(per_class, seed))

    def __repr__(self):
        lines = [f"Task: {self.name}", f"  classes     {', '.join(self.classes)}"]
        lines.append(f"  input       {self.train.form}, {self.units}")
        for part, samples in self.parts.items():
            counts = samples.class_counts()
            each = ", ".join(f"{name} {counts.get(k, 0)}" for k, name in enumerate(self.classes))
            lines.append(f"  {part:<12}{len(samples):,} ({each})")
        return "\n".join([*lines, f"  licence     {self.licence}", f"  source      {self.source}"])

    def _repr_mimebundle_(self, include=None, exclude=None):
        if self.train.form.count(" x ") != 2:  # no images
            return {"text/plain": repr(self)}
        from course_utils.plotting import task_picture  # drawing comes last in the data flow

        picture = base64.b64encode(task_picture(self)).decode()
        return {"text/plain": repr(self), "image/png": picture}


def subset_of_classes(task: Task, classes: tuple[str, ...] | list[str]) -> Task:
    """Return the task restricted to some of its classes, which are renumbered from 0.

    Parameters
    ----------
    task : Task
        The task to restrict.
    classes : sequence of str
        Names of the classes to keep; their order gives the new labels.

    Raises
    ------
    ValueError
        If a class is unknown, named twice, or fewer than two are kept, or a sample has no label.
    """
    unknown = [name for name in classes if name not in task.classes]
    if unknown or len(set(classes)) != len(classes) or len(classes) < 2:
        raise ValueError(
            f"classes is {list(classes)}; name at least two different ones of {list(task.classes)}"
        )
    new_label = torch.full((task.num_classes,), -1)
    for label, name in enumerate(classes):
        new_label[task.classes.index(name)] = label

    def restrict(samples: Samples) -> Samples:
        if (samples.labels < 0).any():  # -1 would count from the end and become the last class
            raise ValueError("task has unlabelled samples; choose the classes before the labels go")
        kept = samples.select(new_label[samples.labels] >= 0)
        return replace(kept, labels=new_label[kept.labels])

    restricted = task.map_parts(restrict, name=f"{task.name} ({', '.join(classes)})")
    return replace(restricted, classes=tuple(classes))

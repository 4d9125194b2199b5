"""Tasks: what is to be learned, and from which samples.

Letters in shapes: N samples, C channels, H and W height and width in pixels, K classes.
"""

import base64
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from itertools import combinations

import torch

from course_utils.data.gallery import class_picture
from course_utils.data.samples import Samples
from course_utils.environment.arguments import described
from course_utils.environment.door import checked
from course_utils.environment.tensors import as_labels


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

    Raises
    ------
    TypeError
        If a part is no `Samples`.
    ValueError
        If a class is named twice, a label is beyond the classes, or two parts share an index.
    """

    name: str
    classes: tuple[str, ...]
    train: Samples
    validation: Samples
    test: Samples
    units: str
    licence: str
    source: str

    def __post_init__(self):
        is_unordered = isinstance(self.classes, str | Mapping | Set)
        if is_unordered or not isinstance(self.classes, Iterable):
            raise TypeError(
                f"classes is {described(self.classes)}; give a list with a name for each class"
            )
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes names a class twice: {list(self.classes)}; name each once")
        if not self.classes:
            raise ValueError("classes is empty; give a name for each class")
        for name, part in self.parts.items():
            if not isinstance(part, Samples):
                raise TypeError(f"{name} is {described(part)}; give Samples")
            if len(part) and not part.labels.is_floating_point():
                as_labels(name, part.labels, num_classes=self.num_classes, unknown=True)
        for first, second in combinations(self.parts, 2):
            shared = torch.isin(self.parts[first].indices, self.parts[second].indices)
            if shared.any():
                raise ValueError(
                    f"{first} and {second} share {int(shared.sum())} indices, so a table would "
                    "give both the same rows; give each part the positions of its samples in the "
                    "complete data set: Samples(inputs, labels, indices=...)"
                )

    @property
    def parts(self) -> dict[str, Samples]:
        """The three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return len(self.classes)

    def map_parts(self, function, name: str | None = None) -> "Task":
        """Return the task with ``function`` applied to train, validation and test.

        Raises
        ------
        TypeError
            If it is no function, or one that does not return `Samples`.
        """
        if not callable(function):
            raise TypeError(f"function is {described(function)}; give one that takes Samples")
        parts = {part: function(samples) for part, samples in self.parts.items()}
        return replace(self.with_parts(parts), name=name or self.name)

    def with_parts(self, parts: dict[str, Samples]) -> "Task":
        """Return the task with other samples in its parts, by their names.

        Raises
        ------
        ValueError
            If it is no dict of train, validation and test.
        """
        if not isinstance(parts, Mapping) or parts.keys() != self.parts.keys():
            raise ValueError(f"parts is {described(parts)}; give a dict of {list(self.parts)}")
        train, validation, test = (parts[part] for part in self.parts)
        return replace(self, train=train, validation=validation, test=test)

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
        shown = self.train
        picture = class_picture(shown.inputs, shown.labels, self.classes, self.name)
        return {"text/plain": repr(self), "image/png": base64.b64encode(picture).decode()}


@checked
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
        if samples.labels.is_floating_point():
            raise TypeError(
                "task has labels with decimals, which are no classes; give whole numbers"
            )
        if (samples.labels < 0).any():  # -1 would count from the end and become the last class
            raise ValueError("task has unlabelled samples; choose the classes before the labels go")
        kept = samples.select(new_label[samples.labels] >= 0)
        return replace(kept, labels=new_label[kept.labels])

    parts = {name: restrict(part) for name, part in task.parts.items()}
    name = f"{task.name} ({', '.join(classes)})"
    train, validation, test = parts.values()
    return replace(
        task, name=name, classes=tuple(classes), train=train, validation=validation, test=test
    )

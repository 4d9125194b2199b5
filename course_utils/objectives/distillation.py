r"""A teacher's answers as an L or an R: soft targets and hints.

The teacher is asked once, before training. Its answers are a table with a row for each sample of
the complete data set, and a batch finds its rows by its indices. So the teacher may read other
inputs than the student, larger images for example, and no label is needed.
`course_utils.objectives.forgetting` makes such tables.

Letters in shapes: N samples in a batch, M in the complete data set, K classes, D features.
"""

from torch import Tensor, nn

from course_utils.environment.arguments import check_number
from course_utils.environment.door import checked
from course_utils.environment.machine import seeded
from course_utils.objectives.base import Batch, Term, features_in
from course_utils.objectives.losses import mean_over_samples
from course_utils.objectives.teacher import as_table, rows_for


def check_temperature(temperature: float) -> float:
    """Raise unless the temperature is a finite number above 0; return it."""
    return check_number("temperature", temperature, above=0, high=1e15)  # T^2 in float32


def features_for(term: Term, batch: Batch, num_features: int) -> Tensor:
    """Return the features (N, D) of a batch, where ``term`` needs D to be ``num_features``.

    Raises
    ------
    ValueError
        If there are none, or D is another number.
    """
    features = features_in(term, batch)
    if features.ndim != 2 or features.shape[1] != num_features:
        raise ValueError(
            f"{term.text} needs features of shape (N, {num_features}) and the backbone gives "
            f"{tuple(features.shape)}; give the term the number that the backbone has"
        )
    return features


@checked(skip=("temperature",))
def soften(logits: Tensor, temperature: float) -> Tensor:
    """Turn logits into probabilities that are flatter the higher the temperature.

    Parameters
    ----------
    logits : torch.Tensor of shape (N, K), float
        Unnormalised scores.
    temperature : float
        T, above 0. With 1 it is the softmax; the limit of large T is 1/K for each class.

    Returns
    -------
    torch.Tensor of shape (N, K)
        ``softmax(logits / T)``; each row adds up to 1.

    Raises
    ------
    ValueError
        If the temperature is no finite number above 0.

    References
    ----------
    Hinton, Vinyals and Dean 2015, arXiv:1503.02531, equation 1.

    Examples
    --------
    >>> import torch
    >>> soften(torch.tensor([[4.0, 0.0]]), temperature=1)
    tensor([[0.9820, 0.0180]])
    >>> soften(torch.tensor([[4.0, 0.0]]), temperature=4)
    tensor([[0.7311, 0.2689]])
    """
    check_temperature(temperature)
    return (logits / temperature).softmax(-1)


@checked(skip=("temperature",))
def distillation_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    r"""Compute T^2 KL(teacher || student) of softened answers, one number for each sample.

    Parameters
    ----------
    student_logits : torch.Tensor of shape (N, K), float
        What the student answers.
    teacher_logits : torch.Tensor of shape (N, K), float
        What the teacher answers. No gradient flows into it.
    temperature : float
        T, above 0.

    Returns
    -------
    torch.Tensor of shape (N,)
        Losses from 0 on; 0 where both answer the same.

    Raises
    ------
    ValueError
        If the shapes differ, K is 1, or the temperature is no finite number above 0.

    Notes
    -----
    The gradient for the student's logits is T (softmax(s / T) - softmax(t / T)), the difference of
    the answers at T = 1. Without the factor T^2 it would shrink as 1 / T^2, and another temperature
    would need another lambda. For large T it tends to (s - t) / K, each minus its mean: the student
    then matches logits. The cross-entropy with soft targets has the same gradient, but is not 0
    where both answer the same.

    References
    ----------
    Hinton, Vinyals and Dean 2015, arXiv:1503.02531, sections 2 and 2.1.

    Examples
    --------
    The teacher gives 3/4 and 1/4, the student 1/2 and 1/2: 3/4 log(3/2) + 1/4 log(1/2).

    >>> import torch
    >>> teacher_logits = torch.tensor([[3.0, 1.0]]).log()
    >>> distillation_loss(torch.zeros(1, 2), teacher_logits, temperature=1)
    tensor([0.1308])
    """
    check_temperature(temperature)
    shape = student_logits.shape
    if len(shape) != 2 or shape != teacher_logits.shape or shape[1] < 2:
        raise ValueError(
            f"student_logits has shape {tuple(shape)} and teacher_logits "
            f"{tuple(teacher_logits.shape)}; both need the same (N, K), with K of 2 or more"
        )
    student = (student_logits / temperature).log_softmax(1)
    teacher = (teacher_logits.detach() / temperature).log_softmax(1)
    return temperature**2 * (teacher.exp() * (teacher - student)).sum(1)


class Distillation(Term):
    r"""L for a student: how far its answers are from those of a teacher.

    Labels are never looked at, so unlabelled samples can be learned from. The weights of the
    samples count as in `course_utils.objectives.CrossEntropy`.

    Parameters
    ----------
    teacher_logits : torch.Tensor of shape (M, K), float
        The teacher's answers, a row for each index of the complete data set. They are copied now.
        A row of NaN stands for a sample that the teacher was not asked about. See
        `course_utils.objectives.answers_by_index`.
    temperature : float
        T, above 0. The higher, the more the small probabilities count.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If ``teacher_logits`` is no table, or the temperature is no finite number above 0.

    References
    ----------
    Hinton, Vinyals and Dean 2015, arXiv:1503.02531.

    Examples
    --------
    >>> import torch
    >>> 0.1 * Distillation(torch.zeros(5, 2), temperature=4)
    0.1 * Distillation(teacher_logits, temperature=4)
    """

    name = "distillation"
    role = "L"
    latex = (
        r"\frac{1}{n}\sum_i T^2\,\mathrm{KL}\big(\sigma(t_i / T)\,\Vert\,\sigma(f_w(x_i) / T)\big)"
    )

    def __init__(self, teacher_logits: Tensor, *, temperature: float):
        self.teacher_logits = as_table(teacher_logits, "teacher_logits")
        self.temperature = check_temperature(temperature)

    def check(self, batch: Batch) -> None:
        """Raise if the teacher's answers do not fit the batch. See `value`."""
        self._rows(batch)

    def value(self, batch: Batch) -> Tensor:
        """Compute the weighted mean over the batch.

        Raises
        ------
        ValueError
            If the teacher has no answer for a sample, or answers for other classes than the model.
        """
        losses = distillation_loss(batch.outputs, self._rows(batch), self.temperature)
        return mean_over_samples(losses, batch.weights, (batch.data or batch).weights)

    def _rows(self, batch: Batch) -> Tensor:
        """Return the teacher's answers for the batch."""
        rows = rows_for(self, batch, self.teacher_logits)
        if rows.shape != batch.outputs.shape:
            raise ValueError(
                f"teacher_logits has {rows.shape[1]} columns and the model gives outputs of shape "
                f"{tuple(batch.outputs.shape)}; teacher and student need the same classes: replace "
                "a head, or choose the columns"
            )
        return rows

    @property
    def text(self) -> str:
        """How the term is written without mathematics."""
        return f"Distillation(teacher_logits, temperature={self.temperature:g})"


class Hint(Term):
    r"""R for a student: half the squared distance of a teacher's features and a guess at them.

    The guess is a linear function of the student's features, since the two have different lengths.
    It learns with the model, under the name ``"regressor"``, and is not needed afterwards. The head
    gets no gradient from a hint. All samples count the same: no label is looked at, whose weight
    could matter.

    Parameters
    ----------
    teacher_features : torch.Tensor of shape (M, D), float
        The teacher's features, a row for each index of the complete data set. They are copied now.
        A row of NaN stands for a sample that the teacher has not seen.
    num_features : int
        Length of the student's features, ``model.backbone.num_features``.
    seed : int
        Makes the random start of the regressor reproducible.

    Raises
    ------
    TypeError
        If ``teacher_features`` is no tensor.
    ValueError
        If ``teacher_features`` is no table, or ``num_features`` is below 1.

    Notes
    -----
    The squares are added over the D features, not averaged, so the value grows with D and with the
    scale of the teacher's features: choose lambda by the values in the history.

    References
    ----------
    Romero et al. 2015, arXiv:1412.6550, equation 3. They train with the hint first, and then with
    soft targets.

    Examples
    --------
    >>> import torch
    >>> hint = Hint(torch.zeros(5, 8), num_features=3)
    >>> hint, hint.own_helpers()
    (Hint(teacher_features, 3), {'regressor': Linear(in_features=3, out_features=8, bias=True)})
    """

    name = "hint"
    role = "R"
    latex = r"\frac{1}{n}\sum_i \tfrac{1}{2}\lVert u_i - r(\phi_w(x_i))\rVert^2"

    def __init__(self, teacher_features: Tensor, num_features: int, *, seed: int = 0):
        self.teacher_features = as_table(teacher_features, "teacher_features")
        num_features = check_number("num_features", num_features, low=1, whole=True)
        self.seed = seed
        with seeded(seed):
            self.regressor = nn.Linear(num_features, self.teacher_features.shape[1])

    def check(self, batch: Batch) -> None:
        """Raise if the teacher has no features for a sample. See `value`."""
        rows_for(self, batch, self.teacher_features)

    def own_helpers(self) -> dict[str, nn.Module]:
        """Return the linear function from the student's features to the teacher's."""
        return {"regressor": self.regressor}

    def value(self, batch: Batch) -> Tensor:
        """Compute the mean over the batch.

        Raises
        ------
        ValueError
            If the teacher has no features for a sample, or the model gives no features of the
            right length.
        """
        rows = rows_for(self, batch, self.teacher_features)
        features = features_for(self, batch, self.regressor.in_features)
        return (rows - self.regressor(features)).square().sum(1).mean() / 2

    @property
    def text(self) -> str:
        """How the term is written without mathematics."""
        seed = f", seed={self.seed}" if self.seed else ""
        return f"Hint(teacher_features, {self.regressor.in_features}{seed})"

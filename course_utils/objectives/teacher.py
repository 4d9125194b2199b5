"""What a teacher answers: tables with a row for each sample of the complete data set.

A sample keeps its index when it is drawn or shuffled, so a batch finds its rows by its indices.

Letters in shapes: N samples, M in the complete data set, K numbers in an answer.
"""

import torch
from torch import Tensor, nn

from course_utils.data.samples import Samples
from course_utils.environment.door import checked
from course_utils.environment.tensors import as_tensor
from course_utils.models.inference import predict
from course_utils.objectives.base import Batch, Term


def table_by_index(values: Tensor, indices: Tensor, *, size: int | None = None) -> Tensor:
    """Put answers where their samples stand in the complete data set.

    Parameters
    ----------
    values : torch.Tensor of shape (N, K), float
        Answers, a row for each sample.
    indices : torch.Tensor of shape (N,), int64
        ``samples.indices``; each at most once.
    size : int, optional
        M, the number of rows. Default: as many as the largest index needs.

    Returns
    -------
    torch.Tensor of shape (M, K)
        Row i has the answer for the sample with index i; NaN where there is none.

    Raises
    ------
    TypeError
        If ``values`` is no tensor.
    ValueError
        If ``values`` is no table of finite numbers, or the indices do not fit.

    Examples
    --------
    >>> table_by_index(torch.tensor([[0.5], [0.25]]), torch.tensor([2, 0]))
    tensor([[0.2500],
            [   nan],
            [0.5000]])
    """
    values = as_table(values, "values")
    if indices.dtype != torch.int64 or indices.shape != values.shape[:1]:
        raise ValueError(
            f"indices has shape {tuple(indices.shape)} and type {indices.dtype} for {len(values)} "
            "values; give an int64 for each, see Samples.indices"
        )
    broken = indices[values.isnan().any(1)]
    if len(broken):
        raise ValueError(f"values has no number for the index {broken[0]}; give finite numbers")
    found, counts = indices.unique(return_counts=True)
    if counts.max() > 1:
        raise ValueError(
            f"indices has {found[counts > 1][0]} more than once, and which answer counts is not "
            "clear; give each sample once, and samples of one data set only"
        )
    size = int(found.max()) + 1 if size is None else size
    if found.min() < 0 or found.max() >= size:
        raise ValueError(
            f"indices has values from {found.min()} to {found.max()} and the table {size} rows; "
            "give a size above all indices, and no index below 0"
        )
    table = torch.full((size, values.shape[1]), torch.nan, dtype=values.dtype)
    table[indices] = values
    return table


def as_table(values: Tensor, name: str) -> Tensor:
    """Copy answers (M, K) to the CPU, without gradient; ``name`` is used in messages.

    Raises
    ------
    TypeError
        If ``values`` is no tensor.
    ValueError
        If there is no row or column, or a row is neither finite nor NaN throughout.
    """
    values = as_tensor(name, values, finite=False)  # a row of NaN stands for no answer
    if values.ndim != 2 or not values.is_floating_point() or values.numel() == 0:
        raise ValueError(
            f"{name} has shape {tuple(values.shape)} and type {values.dtype}; give numbers with "
            "decimals, a row for each sample"
        )
    # a clone: whoever made the tensor may go on changing it
    table = values.detach().cpu().clone()
    broken = ~(table.isfinite().all(1) | table.isnan().all(1))
    if broken.any():
        raise ValueError(
            f"{name} has numbers that are not finite in row {int(broken.nonzero()[0])}; only a "
            "whole row of NaN is allowed, it stands for no answer"
        )
    return table


def rows_for(term: Term, batch: Batch, table: Tensor) -> Tensor:
    """Return the rows of a table for the samples of a batch, on the device of the batch.

    Parameters
    ----------
    term : Term
        Whose table it is; messages begin with it.
    batch : Batch
        Its indices choose the rows.
    table : torch.Tensor of shape (M, K)
        On the CPU; only the rows of the batch are moved.

    Raises
    ------
    ValueError
        If the batch is empty or has no indices, or there is no answer for one of them.
    """
    if batch.indices is None:
        raise ValueError(
            f"{term.text} looks answers up by index and the batch has no indices; give it "
            "samples.indices"
        )
    if batch.indices.dtype != torch.int64 or batch.indices.shape != batch.outputs.shape[:1]:
        raise ValueError(
            f"{term.text} got indices of shape {tuple(batch.indices.shape)} and type "
            f"{batch.indices.dtype} for {len(batch.outputs)} outputs; it needs an int64 for each"
        )
    if len(batch.indices) == 0:
        raise ValueError(f"{term.text} got an empty batch; a mean needs at least one sample")
    indices = batch.indices.cpu()
    # an index below 0 would count from the end of the table
    outside = indices[(indices < 0) | (indices >= len(table))]
    if len(outside):
        raise ValueError(
            f"{term.text} has a table for the indices 0 to {len(table) - 1} and the batch has "
            f"{outside[0]}; ask the teacher about all samples, those of validation too"
        )
    rows = table[indices]
    unasked = indices[rows.isnan().any(1)]
    if len(unasked):
        raise ValueError(
            f"{term.text} has no answer for the index {unasked[0]}, its row is NaN; ask the "
            "teacher about all samples, those of validation too"
        )
    return rows.to(batch.outputs)


@checked
def answers_by_index(model: nn.Module, *samples: Samples, size: int | None = None) -> Tensor:
    """Ask a model about samples, and put its answers where these stand in their data set.

    The model runs in evaluation mode without gradients, and stays unchanged.

    Parameters
    ----------
    model : torch.nn.Module
        A teacher for its logits, or its backbone for its features.
    *samples : Samples
        Disjoint parts of one data set, for example training and validation. Their inputs may have
        another size than those of the student, see `course_utils.data.Samples.with_inputs`.
    size : int, optional
        M, the number of rows. Default: as many as the largest index needs.

    Returns
    -------
    torch.Tensor of shape (M, K)
        Row i has the answer for the sample with index i; NaN where the model was not asked.

    Raises
    ------
    TypeError
        If an argument is no `Samples`.
    ValueError
        If there is no sample, an index occurs twice, or an answer is no row of finite numbers.

    Examples
    --------
    >>> samples = Samples(torch.rand(4, 2), torch.tensor([0, 1, 0, 1]))
    >>> some, other = samples.select(torch.tensor([3])), samples.select(torch.tensor([1]))
    >>> answers_by_index(nn.Linear(2, 5), some, other).isnan().all(1)
    tensor([ True, False,  True, False])
    """
    asked = [part for part in samples if len(part)]
    if not asked:
        raise ValueError("samples is empty; give at least one sample to ask about")
    answers = torch.cat([predict(model, part.inputs) for part in asked])
    return table_by_index(answers, torch.cat([part.indices for part in asked]), size=size)

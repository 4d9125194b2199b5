"""Ask a network: batches without gradients, in evaluation mode, on the best device.

Letters in shapes: N samples, K classes.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from course_utils.data.samples import Samples, is_text
from course_utils.environment.arguments import check_module, described
from course_utils.environment.door import checked
from course_utils.environment.machine import device, keep_freed_memory
from course_utils.environment.tensors import as_rows


@checked
@contextmanager
def evaluation_mode(model: nn.Module):
    """Put a model into evaluation mode for a while, then give each part its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield model.eval()
    finally:
        for module, was_training in modes:
            module.training = was_training


@contextmanager
def answering(model: nn.Module) -> Iterator[str]:
    """Take a model to the best device, in evaluation mode and without gradients, for a while.

    Its modes, buffers and device are given back at the end. What is computed inside are inference
    tensors, which cannot take part in training.

    Yields
    ------
    str
        The device, to which the inputs have to go as well.

    Raises
    ------
    ValueError
        If weights have no shape or no numbers yet: made here, they could never learn.
    """
    tensors = itertools.chain(model.parameters(), model.buffers())
    if any(is_lazy(tensor) or tensor.is_meta for tensor in tensors):
        raise ValueError(
            "model has lazy layers without a shape, or weights without numbers (meta); run it once "
            "on a batch first: model(batch), or load its weights"
        )
    first = next(itertools.chain(model.parameters(), model.buffers()), None)
    home, place = first.device if first is not None else torch.device("cpu"), device()
    try:
        with evaluation_mode(model.to(place)), _buffers_stay(model), torch.inference_mode():
            yield place
    finally:
        model.to(home)


@contextmanager
def _buffers_stay(model: nn.Module):
    """Give each buffer back as it was: some layers move theirs in evaluation mode as well."""
    kept = [
        (owner._buffers, name, buffer, None if buffer is None else buffer.clone())
        for owner in model.modules()
        for name, buffer in owner._buffers.items()
    ]
    try:
        yield
    finally:
        for buffers, name, buffer, old in kept:
            buffers[name] = buffer
            if buffer is None or old is None:
                continue
            if buffer.shape != old.shape or buffer.is_inference():
                buffers[name] = old
            elif not buffer.equal(old):
                buffer.copy_(old)


# Numbers in a batch that needs no gradient: four images of 192 x 192 pixels. What the layers of a
# network make of such a batch fits into the caches of a processor. Batches of 64 images ran 1.7 to
# 3 times slower, much of it spent in getting and clearing memory (make bench measures it again).
NUMBERS_AT_ONCE = 4 * 192 * 192


# Tokens are whole numbers, and the layers make hundreds of numbers of each: count them apart. On
# one core a BERT of width 384 read 512 to 4,096 tokens at once equally fast; more need more memory.
TOKENS_AT_ONCE = 2048


ACCELERATOR_FACTOR = 16  # a graphics card is busy only with larger batches


def forward_batches(inputs: Tensor) -> tuple[Tensor, ...]:
    """Cut inputs into batches for a pass without gradients: large inputs, small batches.

    Parameters
    ----------
    inputs : torch.Tensor of shape (N, ...)
        Images, activations or features of N samples; tokens of N texts, int64.

    Raises
    ------
    TypeError, ValueError
        If the inputs are no numbers, or there is none.

    Examples
    --------
    >>> [len(batch) for batch in forward_batches(torch.zeros(10, 1, 192, 192))]
    [4, 4, 2]
    """
    inputs = as_inputs(inputs)
    keep_freed_memory()
    at_once = TOKENS_AT_ONCE if inputs.dtype == torch.int64 else NUMBERS_AT_ONCE
    return inputs.split(_batch_size(at_once, inputs[:1].numel()))


def _batch_size(at_once: int, numbers_each: int) -> int:
    """Return how many samples to take at once, more of them on a graphics card; at least one."""
    at_once *= 1 if device() == "cpu" else ACCELERATOR_FACTOR
    return max(1, at_once // max(1, numbers_each))


def bucket_by_length(lengths: Tensor) -> list[Tensor]:
    """Group texts of like length, the longest first, for a pass without gradients.

    Parameters
    ----------
    lengths : torch.Tensor of shape (N,), int64
        Number of tokens of each text.

    Returns
    -------
    list of torch.Tensor of int64
        Positions of the texts; each group has about as many tokens as the others.

    Examples
    --------
    >>> bucket_by_length(torch.tensor([3, 1500, 900, 1000]))
    [tensor([1]), tensor([3, 2]), tensor([0])]
    """
    keep_freed_memory()
    order, groups = lengths.argsort(descending=True, stable=True), []
    while len(order):
        size = _batch_size(TOKENS_AT_ONCE, int(lengths[order[0]]))
        groups.append(order[:size])
        order = order[size:]
    return groups


def as_inputs(inputs: Any) -> Tensor:
    """Return inputs of a network as a tensor, at least one.

    Raises
    ------
    TypeError, ValueError
        If these are texts or no numbers, or there is none.
    """
    if is_text(inputs):
        raise TypeError(
            f"inputs has {len(inputs)} texts, and a network reads tensors; turn texts into tokens "
            "first: token_task(task, backbone, max_tokens)"
        )
    if isinstance(inputs, Samples):
        raise TypeError(f"inputs is {described(inputs)}; give its inputs: samples.inputs")
    return as_rows("inputs", inputs)


def ask(model: nn.Module, inputs: Tensor) -> Tensor:
    """Run a model on a batch, and check what it gives.

    Parameters
    ----------
    model : torch.nn.Module
        Gets a copy of the inputs on its device and, where both are decimals, in its precision: what
        it changes in place is not the caller's.
    inputs : torch.Tensor of shape (N, ...)
        As `as_inputs` returns them.

    Returns
    -------
    torch.Tensor of shape (N, ...)
        One row of decimals for each input.

    Raises
    ------
    TypeError
        If the model gives no tensor of decimals.
    ValueError
        If it cannot read the inputs, or gives another number of rows.
    """
    weights = [weight for weight in model.parameters() if weight.is_floating_point()]
    place, dtype = inputs.device, inputs.dtype
    if weights:
        place, kinds = weights[0].device, {weight.dtype for weight in weights}
        is_clear = len(kinds) == 1 or torch.float64 in (weights[0].dtype, dtype)
        if is_clear and inputs.is_floating_point():
            dtype = weights[0].dtype
    try:
        outputs = model(inputs.to(place, dtype, copy=True))
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, TypeError | ValueError) and not _is_of_torch(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"model cannot read inputs of shape {tuple(inputs.shape)} and type {inputs.dtype}: "
            f"{reason}; give inputs of the form that it was built for"
        ) from error
    is_plain = isinstance(outputs, Tensor) and outputs.layout == torch.strided
    if not is_plain or not outputs.is_floating_point():
        raise TypeError(
            f"model returns {described(outputs)}; give a model that returns a tensor of decimals, "
            "a row for each input: for a library's model a small nn.Module that takes it out"
        )
    if outputs.ndim == 0 or len(outputs) != len(inputs):
        raise ValueError(
            f"model returns shape {tuple(outputs.shape)} for {len(inputs)} inputs; give a model "
            "that returns one row for each"
        )
    return outputs


def _is_of_torch(error: Exception) -> bool:
    """Whether an error was raised inside of torch, in words for its own developers."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and "torch" in last.tb_frame.f_globals.get("__name__", "").split(".")


def predict(model: nn.Module, inputs: Any) -> Tensor:
    """Compute outputs (N, K) in evaluation mode, without gradients, on the CPU.

    Parameters
    ----------
    model : torch.nn.Module
        Stays unchanged.
    inputs : torch.Tensor of shape (N, ...), or array or list of numbers
        Stay unchanged, also where the model works in place.

    Raises
    ------
    TypeError, ValueError
        If model and inputs do not fit together.

    Examples
    --------
    >>> predict(nn.Linear(4, 2), torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """
    check_module("model", model)
    with answering(model):
        outputs = [ask(model, part).cpu() for part in forward_batches(inputs)]
    # joined outside of inference mode: such tensors could not be targets of a loss (distillation)
    return torch.cat(outputs)

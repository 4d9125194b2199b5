"""Counted language models: what a network has to beat.

Letters in shapes: N rows of text, T tokens of a row, V tokens that are known.
"""

import torch
from torch import Tensor

from course_utils.environment.arguments import check_number
from course_utils.models.tokenizer import check_tokens


def unigram_table(tokens: Tensor, num_tokens: int, *, pad_id: int = 0) -> Tensor:
    """Count how often each token occurs, and make probabilities of that.

    One is added to each count, so that what never occurred is possible (Laplace).

    Parameters
    ----------
    tokens : torch.Tensor of shape (N, T), int64
        Training text; padding is not counted.
    num_tokens : int
        V.
    pad_id : int
        Number of the token for padding; it gets no probability.

    Returns
    -------
    torch.Tensor of shape (V,), float64
        Probabilities with a sum of 1.

    Raises
    ------
    ValueError
        If a token is no number from 0 to V - 1.

    Examples
    --------
    >>> unigram_table(torch.tensor([[1, 1, 2], [1, 0, 0]]), num_tokens=4)
    tensor([0.0000, 0.5714, 0.2857, 0.1429], dtype=torch.float64)
    """
    num_tokens = check_number("num_tokens", num_tokens, low=1, whole=True)
    pad_id = check_number("pad_id", pad_id, low=0, high=num_tokens - 1, whole=True)
    check_tokens(tokens, num_tokens)
    counts = torch.bincount(tokens[tokens != pad_id], minlength=num_tokens).double() + 1
    counts[pad_id] = 0
    return counts / counts.sum()


def bigram_table(
    tokens: Tensor, num_tokens: int, *, strength: float = 50.0, pad_id: int = 0
) -> Tensor:
    """Count which token follows which, and make probabilities of that.

    P(next | last) = (count(last, next) + strength P(next)) / (count(last) + strength): after a
    frequent token the counts decide, after a rare one the unigram does.

    Parameters
    ----------
    tokens : torch.Tensor of shape (N, T), int64
        Training text.
    num_tokens : int
        V.
    strength : float
        How many counts the unigram is worth, above 0.
    pad_id : int
        Number of the token for padding.

    Returns
    -------
    torch.Tensor of shape (V, V), float64
        Row: the last token. Each row has a sum of 1.

    Raises
    ------
    ValueError
        If a token is no number from 0 to V - 1, or ``strength`` is not above 0.

    References
    ----------
    MacKay and Peto 1995, doi:10.1017/S1351324900000218.
    """
    strength = check_number("strength", strength, above=0)
    check_tokens(tokens, right_of=pad_id)
    unigram = unigram_table(tokens, num_tokens, pad_id=pad_id)
    last, following = tokens[:, :-1], tokens[:, 1:]
    is_pair = (last != pad_id) & (following != pad_id)
    pairs = last[is_pair] * num_tokens + following[is_pair]
    counts = torch.bincount(pairs, minlength=num_tokens**2).double().view(num_tokens, num_tokens)
    return (counts + strength * unigram) / (counts.sum(1, keepdim=True) + strength)


def table_loss(table: Tensor, tokens: Tensor, *, pad_id: int = 0) -> float:
    """Measure how well a table guesses the next token: nats per token.

    The same tokens are predicted as by `course_utils.objectives.language_loss`: all but the first
    of each row, and no padding.

    Parameters
    ----------
    table : torch.Tensor of shape (V,) or (V, V)
        From `unigram_table` or `bigram_table`.
    tokens : torch.Tensor of shape (N, T), int64
        Text that the table was not counted on.
    pad_id : int
        Number of the token for padding.

    Raises
    ------
    ValueError
        If a token is no number from 0 to V - 1, or there is none to predict.
    """
    check_tokens(tokens, len(table), right_of=pad_id)
    last, following = tokens[:, :-1], tokens[:, 1:]
    is_counted = following != pad_id
    if not is_counted.any():
        raise ValueError("tokens has no token to predict: give rows of two or more tokens")
    last, following = last[is_counted], following[is_counted]
    probabilities = table[following] if table.ndim == 1 else table[last, following]
    return -probabilities.log().mean().item()

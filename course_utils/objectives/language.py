"""Language modelling: what comes next in a text, how well it is guessed, and guesses made aloud.

Letters in shapes: N rows of text, T tokens of a row, V tokens that are known.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from torch import Tensor, nn

from course_utils.data.samples import Samples
from course_utils.environment.arguments import check_number
from course_utils.environment.door import checked
from course_utils.models.inference import answering, ask, forward_batches
from course_utils.models.tokenizer import END, Tokenizer, check_tokens
from course_utils.objectives.base import Batch, Term

NOT_COUNTED = -100  # marks a place in the targets that no loss looks at


class LanguageModelLoss(Term):
    r"""L for texts: minus the logarithm of the probability given to the token that comes next.

    The text is its own label: the answer at each place is compared with the token one place later.
    Labels of the batch are not looked at. Padding is neither predicted nor counted.

    Parameters
    ----------
    pad_id : int
        Number of the token for padding.

    Notes
    -----
    In nats per token, each counted as often as the weight of its text says. It is divided by the
    mean count of a row in *all* samples, not in the batch, so that a batch of short or light texts
    does not count as much as one of long ones, and the mean over batches is that of all. For the
    loss of a whole set use `language_loss`: ``fit(validation=...)`` would keep the logits
    of all texts in memory.

    Examples
    --------
    >>> LanguageModelLoss()
    LanguageModelLoss()
    """

    name = "next token"
    role = "L"
    latex = r"\frac{1}{n}\sum_{i,t} L_{\mathrm{CE}}\big(x_{i,t+1}, f_w(x_{i,1},\dots,x_{i,t})\big)"

    def __init__(self, *, pad_id: int = 0):
        self.pad_id = check_number("pad_id", pad_id, low=0, whole=True)
        self._counted: tuple[Samples, Tensor] | None = None  # samples, and the mean count of a row

    @property
    def text(self) -> str:
        """How the term is written without mathematics."""
        return f"LanguageModelLoss({f'pad_id={self.pad_id}' if self.pad_id else ''})"

    def value(self, batch: Batch) -> Tensor:
        """Compute the mean over the tokens of the batch that have a token before them.

        Raises
        ------
        ValueError
            If inputs and outputs do not belong together, or there is no token to predict.
        """
        self.check(batch)
        rows = _token_losses(batch.outputs, batch.inputs, self.pad_id)[0].sum(1)
        rows = rows if batch.weights is None else rows * batch.weights
        return rows.mean() / self._mean_count(batch.data or batch).to(rows)

    def check(self, batch: Batch) -> None:
        """Raise if these are no tokens with an answer for each. See `value`."""
        _check_shapes(batch.inputs, batch.outputs)
        if not self._mean_count(batch.data or batch) > 0:
            raise ValueError("inputs has no token to predict: give rows of two or more tokens")

    def _mean_count(self, samples: Batch | Samples) -> Tensor:
        """Return how many tokens a row has to predict, on average and weighted; once for a set."""
        if self._counted is None or self._counted[0] is not samples:
            counts = (samples.inputs[:, 1:] != self.pad_id).sum(1).float()
            weighted = counts if samples.weights is None else counts * samples.weights
            mean = weighted.mean()
            if isinstance(samples, Batch):  # there is another one in the next step
                return mean
            self._counted = (samples, mean)
        return self._counted[1]


def _token_losses(logits: Tensor, tokens: Tensor, pad_id: int) -> tuple[Tensor, Tensor]:
    """Compute losses (N, T - 1), zero where padding is to be predicted, and what counts as 1."""
    _check_shapes(tokens, logits)
    check_tokens(tokens, logits.shape[2], right_of=pad_id)
    targets = tokens[:, 1:]
    counts = targets != pad_id
    targets = targets.masked_fill(~counts, NOT_COUNTED)
    losses = F.cross_entropy(
        logits[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=NOT_COUNTED, reduction="none"
    )
    return losses.unflatten(0, targets.shape), counts.to(logits.dtype)


def _check_shapes(tokens: Tensor, logits: Tensor) -> None:
    """Raise if these are no tokens (N, T) with logits (N, T, V)."""
    if (
        tokens.ndim != 2
        or tokens.dtype != torch.int64
        or logits.ndim != 3
        or logits.shape[:2] != tokens.shape
    ):
        raise ValueError(
            f"inputs has shape {tuple(tokens.shape)} and type {tokens.dtype}, and outputs "
            f"{tuple(logits.shape)}; give tokens (N, T) of torch.int64 and logits (N, T, V)"
        )


@checked
def pack_texts(texts: Iterable[str], tokenizer: Tokenizer, length: int) -> Samples:
    """Write texts one after the other, each followed by ``"<end>"``, and cut this into rows.

    Parameters
    ----------
    texts : iterable of str
        What to learn from, or to measure on.
    tokenizer : Tokenizer
        From `course_utils.models.train_tokenizer`.
    length : int
        T, tokens in a row, at least 2; at most the context of the network.

    Returns
    -------
    Samples
        Tokens (N, T) without labels (-1); the last row is filled with padding.

    Raises
    ------
    TypeError
        If ``texts`` is one text, or has an entry that is none.
    ValueError
        If ``length`` is below 2, or there is no text.
    """
    length = check_number("length", length, low=2, whole=True)  # one to read and one to guess
    end = tokenizer.number_of(END)
    stream = [number for text in texts for number in (*tokenizer.encode(text), end)]
    if len(stream) < 2:
        raise ValueError("texts is empty; give at least one text with a word")
    num_rows = -(-(len(stream) - 1) // length)  # no row for one last token: nothing to guess there
    rows = torch.full((num_rows * length,), tokenizer.pad_id)
    stream = torch.tensor(stream)[: len(rows)]
    rows[: len(stream)] = stream
    return Samples(rows.unflatten(0, (num_rows, length)), torch.full((num_rows,), -1))


@checked
def language_loss(model: nn.Module, tokens: Tensor, *, pad_id: int = 0) -> float:
    """Measure how well a model guesses the next token: nats per token. It stays unchanged.

    Parameters
    ----------
    model : torch.nn.Module
        Maps tokens (N, T) to logits (N, T, V).
    tokens : torch.Tensor of shape (N, T), int64
        Rows of text. The first token of a row is not predicted, nor is padding.
    pad_id : int
        Number of the token for padding.

    Returns
    -------
    float
        Sum over all predicted tokens, divided by their number. ``exp`` of it is the perplexity.

    Raises
    ------
    ValueError
        If there is no token to predict, one is unknown, or padding stands before a token.
    """
    check_tokens(tokens, right_of=pad_id)
    total, number = 0.0, 0.0
    with answering(model) as place:
        for part in forward_batches(tokens):
            if (part[:, 1:] != pad_id).any():
                rows = part.to(place)
                losses, counts = _token_losses(ask(model, rows), rows, pad_id)
                total, number = total + losses.sum().item(), number + counts.sum().item()
    if number == 0:
        raise ValueError("tokens has no token to predict: give rows of two or more tokens")
    return total / number

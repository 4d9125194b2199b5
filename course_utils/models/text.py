"""Networks that turn texts into features: a real BERT from an installed package, or another one.

Letters in shapes: N texts, T tokens of a text, D features.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from course_utils.data.tasks import Task
from course_utils.environment.arguments import check_module, check_number, described
from course_utils.environment.door import checked
from course_utils.models.tokenizer import Tokenizer, check_tokens


class TextBackbone(nn.Module):
    """The part of a network that turns tokens of texts into features.

    Parameters
    ----------
    name : str
        Name of the architecture, and of the source task if it has learned one.
    body : torch.nn.Module
        An encoder of the library transformers: for each token a vector.
    num_features : int
        D, the length of these vectors.
    tokenizer : Tokenizer
        The one that the weights were trained with.
    pooling : {'mean', 'cls'}
        Features of a text: the mean of its vectors, or the vector of its first token.
    longest : int, optional
        Most tokens that a text may have. Default, and at most: as many as the body has positions.

    Raises
    ------
    ValueError
        If ``pooling`` is not one of the allowed values, or the body does not say how many positions
        it has and ``longest`` does not either.
    """

    POOLINGS = ("mean", "cls")

    def __init__(
        self,
        name: str,
        body: nn.Module,
        num_features: int,
        tokenizer: Tokenizer,
        *,
        pooling: str = "mean",
        longest: int | None = None,
    ):
        check_module("body", body)
        if not isinstance(tokenizer, Tokenizer):
            raise TypeError(f"tokenizer is {described(tokenizer)}; give the Tokenizer of the body")
        if pooling not in self.POOLINGS:
            allowed = " or ".join(map(repr, self.POOLINGS))
            raise ValueError(f"pooling is {pooling!r}; give {allowed}")
        if _position_starts(body) - {tokenizer.pad_id}:
            raise ValueError(
                f"tokenizer has {tokenizer.pad_id} for padding, from which the body counts its "
                f"positions by {min(_position_starts(body))}; give the tokenizer of these weights"
            )
        super().__init__()
        self.name = name
        self.body = body
        self.num_features = num_features
        self.tokenizer = tokenizer
        self.pooling = pooling
        self.longest = _longest(body, longest)

    @property
    def num_tokens(self) -> int:
        """V, the number of tokens that the weights know."""
        return self.body.config.vocab_size

    def tokenize(self, texts: Sequence[str], max_tokens: int) -> Tensor:
        """Turn N texts into tokens, int64 of shape (N, max_tokens). See `Tokenizer`.

        Raises
        ------
        ValueError
            If ``max_tokens`` is more than the network has positions, or too few.
        """
        max_tokens = check_number("max_tokens", max_tokens, low=1, whole=True)
        if max_tokens > self.longest:
            raise ValueError(
                f"max_tokens is {max_tokens}; {self.name} reads {self.longest} at most"
            )
        return self.tokenizer(texts, max_tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (N, T) to features (N, D). Padding has no influence, wherever it stands.

        Raises
        ------
        TypeError, ValueError
            If these are no tokens, or more than the network reads; a row has nothing but padding.
        """
        check_tokens(tokens, self.num_tokens)
        tokens, mask = without_padding(tokens, self.tokenizer.pad_id)
        if tokens.shape[1] > self.longest:
            raise ValueError(
                f"tokens has a text of {tokens.shape[1]} tokens; {self.name} reads {self.longest} "
                "at most"
            )
        return _pool(self.vectors(tokens, mask), mask, self.pooling)

    def vectors(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Map tokens (N, T), and where they are no padding, to a vector for each: (N, T, D)."""
        return self.body(input_ids=tokens, attention_mask=mask.long()).last_hidden_state

    def __repr__(self):
        count = sum(parameter.numel() for parameter in self.parameters())
        kind = type(self).__name__
        return f"{kind}({self.name!r}, {count:,} parameters, {self.num_features} features)"


def _pool(vectors: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Make one vector of those of all tokens: (N, T, D) to (N, D)."""
    if pooling == "cls":
        return vectors[:, 0]
    if pooling == "last":
        return vectors[torch.arange(len(mask), device=mask.device), mask.sum(1) - 1]
    weights = mask.to(vectors.dtype) / mask.sum(1, keepdim=True)  # (N, T), rows sum to 1
    return torch.einsum("nt,ntd->nd", weights, vectors)


def _position_starts(body: nn.Module) -> set[int]:
    """Return the number of the padding in each table of positions that depends on it."""
    tables = [part for name, part in body.named_modules() if name.endswith("position_embeddings")]
    starts = (getattr(table, "padding_idx", None) for table in tables)
    return {start for start in starts if start is not None}


def _longest(body: nn.Module, longest: int | None) -> int:
    """Return how many tokens a body reads, or fewer if that is asked for."""
    limits = [] if longest is None else [check_number("longest", longest, low=1, whole=True)]
    if (positions := getattr(getattr(body, "config", None), "max_position_embeddings", 0)) > 0:
        # RoBERTa and its kin number positions from that of the padding on: the first ones are lost
        limits.append(positions - max((start + 1 for start in _position_starts(body)), default=0))
    if not limits:
        raise ValueError("longest is None, and the body does not name its positions; give longest")
    return min(limits)


def without_padding(tokens: Tensor, pad_id: int) -> tuple[Tensor, Tensor]:
    """Move texts to the left and cut off what is padding in all rows: short texts make short work.

    So a text gets the same positions, and the same features, wherever its padding stands.

    Parameters
    ----------
    tokens : torch.Tensor of shape (N, T), int64
        Rows filled with ``pad_id``.
    pad_id : int
        Number of the token for padding.

    Returns
    -------
    torch.Tensor of shape (N, length of the longest text), int64
        The tokens.
    torch.Tensor of the same shape, bool
        True where a token is no padding.

    Raises
    ------
    ValueError
        If these are no tokens, or a row has nothing but padding.

    Examples
    --------
    >>> without_padding(torch.tensor([[5, 6, 0, 0], [7, 0, 0, 0]]), pad_id=0)[1]
    tensor([[ True,  True],
            [ True, False]])
    """
    check_tokens(tokens)
    mask = tokens != pad_id
    if not mask.any(1).all():
        row = int((~mask.any(1)).nonzero()[0])
        raise ValueError(f"tokens has nothing but padding in row {row}; leave empty texts out")
    if (mask[:, 1:] & ~mask[:, :-1]).any():
        order = mask.byte().argsort(dim=1, descending=True, stable=True)
        tokens, mask = tokens.gather(1, order), mask.gather(1, order)
    longest = int(mask.any(0).nonzero()[-1]) + 1
    return tokens[:, :longest], mask[:, :longest]


@checked
def token_task(task: Task, backbone: TextBackbone, max_tokens: int) -> Task:
    """Return the task with tokens instead of texts: what `fit` and `predict` need.

    Parameters
    ----------
    task : Task
        A task with texts, such as `course_utils.data.load_bbc_news` gives.
    backbone : TextBackbone
        The network that is to read the tokens.
    max_tokens : int
        Longer texts are cut off.

    Raises
    ------
    ValueError
        If ``max_tokens`` does not fit the network.
    """
    tokens = task.map_parts(lambda s: s.with_inputs(backbone.tokenize(s.inputs, max_tokens)))
    return replace(tokens, units=f"tokens of {task.units}, {backbone.tokenizer.pad_id} is padding")

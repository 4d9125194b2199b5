"""A GPT of one's own: a network that reads a text from left to right and guesses what comes next.

Letters in shapes: N texts, T tokens of a text, W width, H heads, V tokens that are known.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from torch import Tensor, nn

from course_utils.environment.arguments import check_module, check_number
from course_utils.environment.machine import seeded
from course_utils.models.text import TextBackbone
from course_utils.models.tokenizer import Tokenizer, check_tokens


class Attention(nn.Module):
    """Each token looks at itself and at the tokens before it, never at later ones.

    Parameters
    ----------
    width : int
        W, a multiple of ``heads``.
    heads : int
        H, how many looks are taken side by side, each W / H numbers wide.
    causal : bool
        See `GPT`.
    """

    def __init__(self, width: int, heads: int, causal: bool = True):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(width, 3 * width)  # what is asked, what answers, what is handed on
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map vectors (N, T, W) to vectors (N, T, W)."""
        query, key, value = (self._cut(part) for part in self.qkv(x).chunk(3, dim=-1))
        # softmax(query key^T / sqrt(W / H)), with minus infinity wherever key is later than query
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        return self.out(mixed.transpose(1, 2).flatten(2))  # (N, H, T, W / H) to (N, T, W)

    def _cut(self, part: Tensor) -> Tensor:
        """Cut vectors (N, T, W) into heads: (N, H, T, W / H)."""
        return part.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """One layer: tokens exchange what they know, then each thinks for itself.

    Both times the result is added to what was there, and what goes in is normalised (pre-norm).

    Parameters
    ----------
    width, heads : int
        See `GPT`.
    dropout : float
        See `GPT`.
    causal : bool
        See `GPT`.
    """

    def __init__(self, width: int, heads: int, dropout: float, causal: bool = True):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads, causal)
        self.thinking_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map vectors (N, T, W) to vectors (N, T, W)."""
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        # GPT-2 uses this approximation of GELU
        thought = F.gelu(self.widen(self.thinking_norm(x)), approximate="tanh")
        return x + self.dropout(self.narrow(thought))


class GPT(nn.Module):
    """A decoder-only transformer in the exact form of GPT-2, of any size.

    Parameters
    ----------
    num_tokens : int
        V.
    width : int
        W, numbers in the vector of a token; a multiple of ``heads``.
    depth : int
        Number of blocks.
    heads : int
        H, heads of each attention.
    context : int
        Most tokens that are read at once.
    dropout : float
        Share of the numbers that is set to zero in training, 0 to below 1.
    seed : int, optional
        Makes the random start reproducible. Without it, the start comes from torch's global
        random numbers.
    causal : bool
        False lets each token look at later ones, too. Such a network can read the answer that it
        should guess, and is no language model: it shows what the mask is for.

    Raises
    ------
    ValueError
        If a size is below 1, ``width`` is no multiple of ``heads``, or ``dropout`` is out of its
        range.

    References
    ----------
    Vaswani et al. 2017, arXiv:1706.03762; Radford et al. 2019, the report on GPT-2.

    Examples
    --------
    >>> gpt = GPT(num_tokens=500, width=32, depth=2, heads=4, context=16, seed=0)
    >>> gpt(torch.tensor([[3, 4, 5]])).shape
    torch.Size([1, 3, 500])
    """

    def __init__(
        self,
        num_tokens: int,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        context: int = 128,
        *,
        dropout: float = 0.0,
        seed: int | None = None,
        causal: bool = True,
    ):
        sizes = {"num_tokens": num_tokens, "width": width, "depth": depth}
        sizes |= {"heads": heads, "context": context}
        checked = [check_number(name, size, low=1, whole=True) for name, size in sizes.items()]
        num_tokens, width, depth, heads, context = checked
        if width % heads:
            raise ValueError(f"width is {width} and heads is {heads}; give a multiple of the heads")
        dropout = check_number("dropout", dropout, low=0, below=1)
        if seed is not None:
            seed = check_number("seed", seed, low=0, whole=True)
        super().__init__()
        self.context, self.causal = context, causal
        with seeded(seed):
            self.token_embedding = nn.Embedding(num_tokens, width)
            self.position_embedding = nn.Embedding(context, width)
            self.dropout = nn.Dropout(dropout)
            self.blocks = nn.ModuleList(Block(width, heads, dropout, causal) for _ in range(depth))
            self.norm = nn.LayerNorm(width)
            self._start()

    def _start(self) -> None:
        """Start as GPT-2: small weights, smaller ones where each block adds to the sum."""
        depth = len(self.blocks)
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                is_added = name.endswith(("attention.out.weight", "narrow.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * depth) if is_added else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def vectors(self, tokens: Tensor) -> Tensor:
        """Map tokens (N, T) to a vector for each, (N, T, W), which knows what came before.

        Raises
        ------
        ValueError
            If these are no tokens, one is unknown, or the texts are longer than the context.
        """
        check_tokens(tokens, self.token_embedding.num_embeddings)
        length = tokens.shape[1]
        if length > self.context:
            raise ValueError(
                f"tokens has {length} columns and the context is {self.context}; cut the texts"
            )
        positions = torch.arange(length, device=tokens.device)
        x = self.dropout(self.token_embedding(tokens) + self.position_embedding(positions))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (N, T) to logits (N, T, V): at each place, scores of the next token."""
        # weight tying: a token is scored by how well its own embedding fits
        return F.linear(self.vectors(tokens), self.token_embedding.weight)

    def extra_repr(self) -> str:
        """Say in the text of the network what its parts do not."""
        return f"heads={self.blocks[0].attention.heads}, context={self.context}"


class GPTBackbone(TextBackbone):
    """A GPT as the backbone of a classifier: the features of a text are made of its vectors.

    Parameters
    ----------
    name : str
        Name of the network, and of the source task if it has learned one.
    body : GPT
        The network; used, not copied.
    tokenizer : Tokenizer
        The one that the network was trained with.
    pooling : {'last', 'mean'}
        The vector of the last token, the only one that has read the whole text, or the mean of
        all vectors.

    Raises
    ------
    ValueError
        If ``pooling`` is not one of the allowed values, or the body is not causal: it would look
        at the padding.
    """

    POOLINGS = ("last", "mean")

    def __init__(self, name: str, body: GPT, tokenizer: Tokenizer, *, pooling: str = "last"):
        check_module("body", body, "token_embedding", "context")
        if not getattr(body, "causal", True):
            raise ValueError("body has causal=False and would look at padding; give a causal GPT")
        width = body.token_embedding.embedding_dim
        super().__init__(name, body, width, tokenizer, pooling=pooling, longest=body.context)

    @property
    def num_tokens(self) -> int:
        """V, the number of tokens that the weights know."""
        return self.body.token_embedding.num_embeddings

    def vectors(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Map tokens (N, T) to vectors (N, T, W); padding is later than the text, so unseen."""
        return self.body.vectors(tokens)

"""Tokens: texts cut into numbered pieces, and back.

Letters in shapes: N texts, T tokens of a text, V tokens that a tokenizer knows.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from course_utils.data.texts import one_text
from course_utils.environment.arguments import check_number, check_texts, described

PAD, END = "<pad>", "<end>"  # fills short rows; stands after each text


NUMBER_OF_BYTES = 256  # the smallest pieces of byte-pair tokens


class Tokenizer:
    """Turns texts into rows of token numbers. It belongs to the weights, which know its numbers.

    Parameters
    ----------
    rules : tokenizers.Tokenizer
        How texts are cut, from the library tokenizers.
    pad_token : str
        The token that fills short rows.

    Raises
    ------
    ValueError
        If ``pad_token`` is no token of the rules.

    Examples
    --------
    >>> from course_utils.models import text_encoder
    >>> tokenizer = text_encoder().tokenizer
    >>> tokenizer.tokenize("Rain delays the hovercraft.")
    ['[CLS]', 'rain', 'delays', 'the', 'hove', '##rc', '##raf', '##t', '.', '[SEP]']
    >>> tokenizer(["Rain.", "No more rain!"], max_tokens=6)
    tensor([[ 101, 4542, 1012,  102,    0,    0],
            [ 101, 2053, 2062, 4542,  999,  102]])
    """

    def __init__(self, rules, pad_token: str):
        rules.no_padding()
        rules.no_truncation()
        rules.encode_special_tokens = True  # "<pad>" inside a text is text, not padding
        self.rules = rules
        self.pad_id = rules.token_to_id(pad_token)
        if self.pad_id is None:
            raise ValueError(f"pad_token is {pad_token!r}, which the tokenizer does not know")

    @property
    def num_tokens(self) -> int:
        """V, the number of different tokens."""
        return self.rules.get_vocab_size()

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of a text as texts, to look at."""
        return self.rules.encode(one_text("text", text)).tokens

    def encode(self, text: str) -> list[int]:
        """Return the numbers of all tokens of a text."""
        return self.rules.encode(one_text("text", text)).ids

    def __call__(self, texts: Sequence[str], max_tokens: int) -> Tensor:
        """Turn N texts into token numbers, int64 of shape (N, max_tokens).

        Long texts are cut off, the tokens that mark start and end stay. Short ones are filled
        with ``pad_id``.

        Raises
        ------
        TypeError
            If it is one text instead of several, or an entry is no text.
        ValueError
            If ``max_tokens`` leaves no room for a token of the text itself.
        """
        texts = check_texts("texts", texts)
        marks = self.rules.num_special_tokens_to_add(False)
        max_tokens = check_number("max_tokens", max_tokens, low=marks + 1, whole=True)
        self.rules.enable_truncation(max_tokens)
        try:
            rows = [self.rules.encode(text).ids for text in texts]
        finally:
            self.rules.no_truncation()
        filled = [row + [self.pad_id] * (max_tokens - len(row)) for row in rows]
        return torch.tensor(filled, dtype=torch.int64).view(len(texts), max_tokens)

    def decode(self, numbers: Tensor | Sequence[int]) -> str:
        """Turn the numbers of one text back into a text; tokens for padding and marks vanish.

        Raises
        ------
        TypeError, ValueError
            If these are no whole numbers, or one is no token.
        """
        if isinstance(numbers, str | bytes) or not isinstance(numbers, Iterable):
            raise TypeError(f"numbers is {described(numbers)}; give the tokens of one text")
        row = numbers.tolist() if isinstance(numbers, Tensor) else numbers
        checked = [check_number("numbers", number, low=0, whole=True) for number in row]
        for number in set(checked):
            if self.rules.id_to_token(number) is None:
                raise ValueError(f"numbers has {number}; {self.num_tokens} tokens are known")
        return self.rules.decode(checked)

    def number_of(self, token: str) -> int:
        """Return the number of a token.

        Raises
        ------
        ValueError
            If there is no such token.
        """
        number = self.rules.token_to_id(token)
        if number is None:
            raise ValueError(f"token is {token!r}, which the tokenizer does not know")
        return number

    def __deepcopy__(self, memo):
        return self  # a copy of a model shares it: nothing in it changes

    def __reduce__(self):
        # built anew in the other process: the library's own way forgets a setting
        return Tokenizer, (self.rules, self.rules.id_to_token(self.pad_id))

    def __repr__(self):
        return f"Tokenizer({self.num_tokens:,} tokens)"


def train_tokenizer(texts: Iterable[str], num_tokens: int = 2000) -> Tokenizer:
    """Learn byte-pair tokens from texts, and from nothing else.

    At the start each byte is a token. Then, again and again, the pair of neighbours that occurs
    most becomes a new token. Any text can be cut, and is found again letter by letter.

    Parameters
    ----------
    texts : iterable of str
        What to learn from: training texts only.
    num_tokens : int
        V: 256 bytes, ``"<pad>"`` (number 0), ``"<end>"`` (number 1), and the pairs. Fewer if the
        texts have not so many different pairs.

    Raises
    ------
    TypeError
        If ``texts`` is one text, or has an entry that is none.
    ValueError
        If ``num_tokens`` has no room for the bytes and the two marks.

    References
    ----------
    Sennrich, Haddow and Birch 2016, doi:10.18653/v1/P16-1162; with bytes: Radford et al. 2019,
    the report on GPT-2.

    Examples
    --------
    >>> tokenizer = train_tokenizer(["low lower lowest slow slower"] * 2, num_tokens=263)
    >>> tokenizer.tokenize("slowest")
    ['s', 'lowe', 's', 't']
    >>> tokenizer.decode(tokenizer.encode("Any text, 5 £"))
    'Any text, 5 £'
    """
    texts = check_texts("texts", texts)
    num_tokens = check_number("num_tokens", num_tokens, low=NUMBER_OF_BYTES + 2, whole=True)
    from tokenizers import Tokenizer as Rules
    from tokenizers import decoders, models, pre_tokenizers, trainers

    rules = Rules(models.BPE())
    rules.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rules.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=num_tokens,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rules.train_from_iterator(texts, trainer)
    return Tokenizer(rules, PAD)


def check_tokens(
    tokens: Any, num_tokens: int | None = None, *, right_of: int | None = None
) -> None:
    """Raise if these are no rows of tokens, before a table of embeddings is asked for them.

    Parameters
    ----------
    tokens : torch.Tensor of shape (N, T), int64
        What to look at.
    num_tokens : int, optional
        V: tokens are numbers from 0 to V - 1. None: only negative numbers are refused.
    right_of : int, optional
        Number of the token for padding; it may stand only to the right of a text.

    Raises
    ------
    TypeError, ValueError
        With what was found.
    """
    if not isinstance(tokens, Tensor):
        raise TypeError(f"tokens is {described(tokens)}; give a tensor, from tokenize")
    if tokens.ndim != 2 or tokens.dtype != torch.int64 or tokens.numel() == 0:
        raise ValueError(
            f"tokens has shape {tuple(tokens.shape)} and type {tokens.dtype}; give (N, T) of "
            "torch.int64, from tokenize"
        )
    lowest, highest = (int(end) for end in tokens.aminmax())
    if lowest < 0 or (num_tokens is not None and highest >= num_tokens):
        known = "" if num_tokens is None else f"{num_tokens} are known, "
        most = "more" if num_tokens is None else num_tokens - 1
        raise ValueError(f"tokens has numbers from {lowest} to {highest}; {known}0 to {most}")
    if right_of is not None:
        is_padding = tokens == right_of
        gaps = (is_padding[:, :-1] & ~is_padding[:, 1:]).any(1)
        if gaps.any():
            raise ValueError(
                f"tokens has padding before a token in row {int(gaps.nonzero()[0])}; fill rows on "
                "the right only"
            )

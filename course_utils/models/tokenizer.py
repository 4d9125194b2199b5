"""Tokens: texts cut into numbered pieces, and back.

Letters in shapes: N texts, T tokens of a text, V tokens that a tokenizer knows.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from course_utils.environment.packages import verify_package

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
    >>> tokenizer = bert_tokenizer()
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
        return self.rules.encode(text).tokens

    def encode(self, text: str) -> list[int]:
        """Return the numbers of all tokens of a text."""
        return self.rules.encode(text).ids

    def __call__(self, texts: Sequence[str], max_tokens: int) -> Tensor:
        """Turn N texts into token numbers, int64 of shape (N, max_tokens).

        Long texts are cut off, the tokens that mark start and end stay. Short ones are filled
        with ``pad_id``.

        Raises
        ------
        TypeError
            If it is one text instead of several.
        ValueError
            If ``max_tokens`` leaves no room for a token of the text itself.
        """
        if isinstance(texts, str):
            raise TypeError(f"texts is one text, {texts[:40]!r}; give a list of texts: [text]")
        marks = self.rules.num_special_tokens_to_add(False)
        if max_tokens < marks + 1:
            raise ValueError(f"max_tokens is {max_tokens}; give {marks + 1} or more")
        table = torch.full((len(texts), max_tokens), self.pad_id, dtype=torch.int64)
        self.rules.enable_truncation(max_tokens)
        try:
            for row, text in zip(table, texts, strict=True):
                numbers = self.encode(text)
                row[: len(numbers)] = torch.tensor(numbers, dtype=torch.int64)
        finally:
            self.rules.no_truncation()
        return table

    def decode(self, numbers: Tensor | Sequence[int]) -> str:
        """Turn the numbers of one text back into a text; tokens for padding and marks vanish."""
        return self.rules.decode([int(number) for number in numbers])

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


def bert_tokenizer() -> Tokenizer:
    """Return the tokenizer of MiniLM: WordPiece of BERT, 30,522 tokens, lower case.

    Raises
    ------
    course_utils.environment.PackageError
        If the package is missing or its file has another checksum.
    """
    import tokenizers

    file = verify_package("minilm").with_name("tokenizer.json")
    return Tokenizer(tokenizers.Tokenizer.from_file(str(file)), "[PAD]")


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
    smallest = NUMBER_OF_BYTES + 2
    if num_tokens < smallest:
        raise ValueError(f"num_tokens is {num_tokens}; give {smallest} or more: each byte is one")
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

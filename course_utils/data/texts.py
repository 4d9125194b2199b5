"""Texts as inputs of samples: a sequence of strings that tensors can index."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

SHOWN = 40  # letters of the first text in a repr


class Texts(Sequence):
    """Texts that stand where a tensor of images would stand: `Samples` selects from them.

    Parameters
    ----------
    texts : iterable of str
        The texts. They are copied and do not change.

    Raises
    ------
    TypeError
        If it is one text instead of several, or something in it is no text.

    Examples
    --------
    >>> texts = Texts(["rain in May", "a new record", "sun in June"])
    >>> texts[torch.tensor([2, 0])]
    Texts(2 texts, first 'sun in June')
    >>> texts[torch.tensor([False, True, False])][0]
    'a new record'
    """

    def __init__(self, texts: Iterable[str]):
        if isinstance(texts, str):
            raise TypeError(f"texts is the text {texts[:SHOWN]!r}; give a list of texts: [text]")
        self._texts = tuple(texts)
        for number, text in enumerate(self._texts):
            if not isinstance(text, str):
                raise TypeError(f"texts[{number}] is {text!r}; give texts only")

    def __len__(self):
        return len(self._texts)

    def __getitem__(self, chosen):
        """Return a text for a whole number, and `Texts` for a slice, a list or a tensor."""
        if isinstance(chosen, int):
            return self._texts[chosen]
        if isinstance(chosen, slice):
            return Texts(self._texts[chosen])
        if isinstance(chosen, Tensor):
            chosen = _positions(chosen, len(self))
        return Texts(self._texts[position] for position in chosen)

    def __eq__(self, other):
        return isinstance(other, Texts) and self._texts == other._texts

    def __hash__(self):
        return hash(self._texts)

    def __repr__(self):
        if not self._texts:
            return "Texts(0 texts)"
        first = self._texts[0]
        shown = first if len(first) <= SHOWN else first[:SHOWN] + "..."
        return f"Texts({len(self)} texts, first {shown!r})"


def _positions(chosen: Tensor, number: int) -> list[int]:
    """Turn a tensor of positions, or of booleans for all texts, into a list of positions."""
    if chosen.ndim != 1 or chosen.dtype not in (torch.int64, torch.bool):
        raise TypeError(
            f"the index is a tensor of {chosen.dtype} and shape {tuple(chosen.shape)}; give "
            "torch.int64 or torch.bool in one dimension"
        )
    if chosen.dtype == torch.bool:
        if len(chosen) != number:
            raise IndexError(f"the index has {len(chosen)} booleans for {number} texts")
        chosen = chosen.nonzero()[:, 0]
    return chosen.tolist()

"""Texts as inputs of samples: an array of strings that tensors can index."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.environment.arguments import check_texts, described


class Texts(np.ndarray):
    """Texts that stand where a tensor of images would stand: `Samples` selects from them.

    An array of numpy: a position gives a text, and a slice, a list, a tensor of positions or of
    booleans gives `Texts`.

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
    Texts(2 texts)
    >>> texts[torch.tensor([False, True, False])][0]
    'a new record'
    """

    def __new__(cls, texts: Iterable[str]):
        """Check and copy the texts."""
        made = np.array(check_texts("texts", texts), dtype=object).view(cls)
        made.flags.writeable = False  # texts of a data set are shared by all who ask for them
        return made

    def __getitem__(self, chosen):
        """Return a text for a position, and `Texts` for several, as a tensor would."""
        if isinstance(chosen, Tensor):  # numpy takes a tensor of one position for the position
            if chosen.dtype not in (torch.int64, torch.bool):
                raise IndexError(f"the index has the type {chosen.dtype}; give int64 or bool")
            chosen = chosen.cpu().numpy()
        return super().__getitem__(chosen)

    def __repr__(self):
        return f"Texts({len(self)} texts)"

    __str__ = __repr__


def one_text(name: str, text: Any) -> str:
    """Return the text if it is one.

    Raises
    ------
    TypeError
        If it is something else, such as a list of texts.
    """
    if not isinstance(text, str):
        raise TypeError(f"{name} is {described(text)}; give one text")
    return text

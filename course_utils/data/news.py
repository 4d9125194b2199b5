"""BBC News: 2,225 articles of 2004 and 2005 in five classes, from an installed package."""

from functools import lru_cache

import torch
from torch import Tensor

from course_utils.data.samples import Samples
from course_utils.data.splits import split_parts
from course_utils.data.tasks import Task
from course_utils.data.texts import Texts
from course_utils.environment.arguments import check_texts
from course_utils.environment.packages import package_path

CLASSES = ("business", "entertainment", "politics", "sports", "tech")  # the folders of the package


UNITS = {"headline": "the headline of an article", "article": "headline and article"}


def load_bbc_news(
    part: str = "headline", *, remove_duplicates: bool = True, split_seed: int = 0
) -> Task:
    """Load news of the BBC as texts, to tell five classes apart.

    98 of the 2,225 articles are exact copies of another one. They are removed before the split,
    or some would stand in the training and in the test part. Headline and article of one seed are
    cut from the same split.

    Parameters
    ----------
    part : {'headline', 'article'}
        The first line only, or the whole text with its headline.
    remove_duplicates : bool
        False keeps the copies: a leak from training to test, shown in lesson 07.
    split_seed : int
        Another seed gives another split.

    Raises
    ------
    ValueError
        If ``part`` is not one of the allowed values.
    course_utils.environment.PackageError
        If the package is missing.

    Notes
    -----
    Not removed: two more copies that differ by an empty line, and 31 articles whose headline
    another one has as well, most of them a slightly edited copy.

    Examples
    --------
    >>> load_bbc_news().train.few_shot(8, seed=0)
    Samples(40 inputs of text, labels {0: 8, 1: 8, 2: 8, 3: 8, 4: 8})
    """
    texts = news_texts(part)
    articles, labels = _articles()
    kept = first_places(articles) if remove_duplicates else torch.arange(len(articles))
    samples = Samples(texts, labels).select(kept)
    parts = split_parts(samples.labels, split_seed)
    return Task(
        f"which section of the news ({part})",
        CLASSES,
        **{name: samples.select(positions) for name, positions in parts.items()},
        units=UNITS[part],
        licence="copyright BBC, offered for research use",
        source="Greene and Cunningham 2006, doi:10.1145/1143844.1143892",
    )


def news_texts(part: str = "headline") -> Texts:
    """Return all 2,225 headlines or articles in the order of the data set, copies included.

    Compute features for these once; each task of `load_bbc_news` then finds its rows.

    Raises
    ------
    ValueError
        If ``part`` is neither ``'headline'`` nor ``'article'``.
    """
    if part not in UNITS:
        raise ValueError(f"part is {part!r}; give 'headline' or 'article'")
    articles, _ = _articles()
    if part == "article":
        return articles
    return Texts(article.partition("\n")[0].strip() for article in articles)


def first_places(texts: Texts) -> Tensor:
    """Return where each different text stands for the first time, in order: int64.

    Examples
    --------
    >>> first_places(Texts(["a", "b", "a", "c", "b"])).tolist()
    [0, 1, 3]
    """
    places: dict[str, int] = {}
    for place, text in enumerate(check_texts("texts", texts)):
        places.setdefault(text, place)
    return torch.tensor(list(places.values()), dtype=torch.int64)


def decode(content: bytes) -> str:
    r"""Decode the bytes of an article: UTF-8, or Latin-1 where it is not (one article is).

    Examples
    --------
    >>> decode("5 £".encode("utf-8")) == decode("5 £".encode("latin-1")) == "5 £"
    True
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    # on some systems files are unpacked with other line ends
    return text.replace("\r\n", "\n").strip()


@lru_cache(maxsize=1)
def _articles() -> tuple[Texts, Tensor]:
    """Read all articles: the texts, and the number of the class of each."""
    folder = package_path("bbc_news")
    files = [sorted((folder / name).glob("*.txt")) for name in CLASSES]
    texts = Texts(decode(file.read_bytes()) for group in files for file in group)
    counts = torch.tensor([len(group) for group in files])
    return texts, torch.arange(len(CLASSES)).repeat_interleave(counts)

"""Features: what a frozen backbone says about an image or a text.

Letters in shapes: N samples, D features.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.environment.arguments import check_module, described
from course_utils.environment.door import checked
from course_utils.environment.machine import device, progress_bar
from course_utils.environment.tensors import as_images, as_rows
from course_utils.features.keys import cached_answer
from course_utils.models.classifier import Backbone
from course_utils.models.inference import answering, bucket_by_length, forward_batches
from course_utils.models.surgery import folded, stages
from course_utils.models.text import TextBackbone


@checked
def extract_features(
    backbone: Backbone, images: Tensor, *, layer: str | None = None, use_cache: bool = True
) -> Tensor:
    """Compute the features of images with a frozen backbone, once.

    The result is kept in the cache directory under a key made of the backbone with everything in
    it (see `course_utils.features.keys`), the layer and the images; a change in one of them gives
    another key. Where that cannot be told, nothing is stored.

    Parameters
    ----------
    backbone : Backbone
        Used in evaluation mode without gradients; its own mode is restored.
    images : torch.Tensor of shape (N, C, H, W), float
        Grey values or colours from 0 to 1; whole numbers from 0 to 255 are refused.
    layer : str, optional
        Name of a module inside the backbone, such as ``"body.blocks.2"``. Its output is averaged
        over height and width. Default: the output of the backbone.
    use_cache : bool
        False computes anew and stores nothing.

    Returns
    -------
    torch.Tensor of shape (N, D), float32, on the CPU

    Raises
    ------
    TypeError, ValueError
        If there is no backbone, no image from 0 to 1, or no such layer; if the layer does not run
        once for each image, or gives numbers that are not finite.
    """
    images = images_for(backbone, images)
    modules = dict(backbone.named_modules())
    if layer is not None and layer not in modules:
        raise ValueError(f"layer is {layer!r}; give one of {', '.join(filter(None, modules))}")
    compute = partial(_compute, backbone, images, layer)
    return cached_answer("features", backbone, (layer, images), compute, use_cache=use_cache)


def stage_features(
    backbone: Backbone, images: Tensor, *, use_cache: bool = True
) -> dict[str, Tensor]:
    """Compute the features of all stages of a frozen backbone in one pass over the images.

    What a stage gives is averaged over height and width. Kept in the cache directory like the
    result of `extract_features`.

    Parameters
    ----------
    backbone : Backbone
        Used in evaluation mode without gradients; it stays as it is.
    images : torch.Tensor of shape (N, C, H, W), float
        Grey values or colours from 0 to 1; whole numbers from 0 to 255 are refused.
    use_cache : bool
        False computes anew and stores nothing.

    Returns
    -------
    dict of str to torch.Tensor of shape (N, D), float32
        Features by name of the stage, see `course_utils.models.stages`; D differs between them.

    Raises
    ------
    TypeError, ValueError
        If there is no backbone, no image from 0 to 1, a stage gives numbers that are not finite,
        or the stages of the architecture are unknown.

    Examples
    --------
    >>> from course_utils.models import small_cnn
    >>> found = stage_features(small_cnn().backbone, torch.zeros(2, 1, 28, 28), use_cache=False)
    >>> {name: tuple(features.shape) for name, features in found.items()}
    {'stage1': (2, 16), 'stage2': (2, 32), 'last': (2, 64)}
    """
    check_module("backbone", backbone, "body", "preprocessing")
    images = images_for(backbone, images)
    parts = {name: folded(part).to(device()) for name, part in stages(backbone).items()}
    compute = partial(_compute_stages, backbone, parts, images)
    widths = [part.shape[1] for part in _run_stages(backbone, parts, images[:1])]
    table = cached_answer("stages", backbone, images, compute, use_cache=use_cache)
    # copies: the stages are no longer one piece of memory, of which saving one would save all
    return {name: part.clone() for name, part in zip(parts, table.split(widths, 1), strict=True)}


@torch.no_grad()
def _run_stages(backbone: Backbone, parts: dict, images: Tensor) -> list[Tensor]:
    """Run the stages over a batch and pool what each gives."""
    outputs = backbone.preprocessing(images).contiguous(memory_format=torch.channels_last)
    outputs, pooled = outputs.to(device()), []
    for part in parts.values():
        outputs = part(outputs)
        pooled.append(_pool(outputs))
    return pooled


def _compute_stages(backbone: Backbone, parts: dict, images: Tensor) -> Tensor:
    """Run the stages over all images: the features of all stages side by side, (N, sum of D)."""
    batches = progress_bar(forward_batches(images), "features of all stages", unit="batch")
    rows = [torch.cat(_run_stages(backbone, parts, batch), 1) for batch in batches]
    return _finite(torch.cat(rows))


@checked
def text_features(
    backbone: TextBackbone, texts: Sequence[str], *, max_tokens: int = 128, use_cache: bool = True
) -> Tensor:
    """Compute the features of texts with a frozen backbone, once.

    Texts of like length are read together, since what fills up a short one is work for nothing.
    Kept in the cache directory like the result of `extract_features`.

    Parameters
    ----------
    backbone : TextBackbone
        Used in evaluation mode without gradients; its own mode is restored.
    texts : sequence of N str
        For example all texts of a data set, from `course_utils.data.news_texts`.
    max_tokens : int
        Longer texts are cut off. Twice the tokens take twice the time.
    use_cache : bool
        False computes anew and stores nothing.

    Returns
    -------
    torch.Tensor of shape (N, D), float32, on the CPU

    Raises
    ------
    TypeError
        If ``texts`` is one text, or has an entry that is none.
    ValueError
        If there is no text, one is empty for a network that needs a token, or ``max_tokens``
        does not fit the network.
    """
    if not texts:
        raise ValueError("texts is empty; give at least one text")
    tokens = backbone.tokenize(texts, max_tokens)
    compute = partial(_compute_texts, backbone, tokens)
    return cached_answer("texts", backbone, tokens, compute, use_cache=use_cache)


def _compute_texts(backbone: TextBackbone, tokens: Tensor) -> Tensor:
    """Run the backbone over all tokens, and put the features into the order of the texts."""
    lengths = (tokens != backbone.tokenizer.pad_id).sum(1)
    features = torch.empty(len(tokens), backbone.num_features)
    with answering(backbone) as place:
        for group in progress_bar(bucket_by_length(lengths), "features of texts", unit="batch"):
            features[group] = backbone(tokens[group].to(place)).float().cpu()
    return features


@checked
def feature_task(task: Task, table: Tensor) -> Task:
    """Return the task with features instead of images: a frozen backbone leaves only the head.

    Features are shifted by their mean over the training samples, and then all divided by one
    number, the standard deviation of what is left there. So lambda means the same for each
    backbone. Labels play no part in this.

    Parameters
    ----------
    task : Task
        A task with images.
    table : torch.Tensor of shape (N, D), or a numpy array or a list of rows
        Features of all N images of the complete data set, in its order; the samples of the task
        know their rows. One table serves all tasks that are cut from one data set.

    Raises
    ------
    TypeError, ValueError
        If the table has no finite numbers or no row for a sample of the task, or the features of
        the training samples are all the same.
    """
    table = as_rows("table", table.detach().float().cpu(), ndim=2)  # too large for float: refused
    rows = {name: rows_of(table, part) for name, part in task.parts.items()}
    mean = (train_features := rows["train"]).mean(0)
    scale = (train_features - mean).std()
    if not scale > 0:
        raise ValueError(
            f"table has a standard deviation of {scale:g} over the {len(task.train)} training "
            "samples; give features that differ, and two or more samples"
        )
    made = {n: part.with_inputs((rows[n] - mean) / scale) for n, part in task.parts.items()}
    return task.with_parts(made)


def images_for(module: nn.Module, images: Tensor) -> Tensor:
    """Return images from 0 to 1 in the precision of a module's weights.

    Raises
    ------
    TypeError, ValueError
        If there is no image (N, C, H, W) with values from 0 to 1.
    """
    images = as_images("images", images)
    weight = next((w for w in module.parameters() if w.is_floating_point()), None)
    return images if weight is None else images.to(weight.dtype)


def rows_of(table: Tensor, samples: Samples) -> Tensor:
    """Return the rows of a table over a complete data set that belong to these samples: a copy.

    Raises
    ------
    ValueError
        If the table has no row for one of them.
    """
    last = int(samples.indices.max()) if len(samples) else -1
    if last >= len(table):
        raise ValueError(
            f"table has {len(table)} rows and there is a sample with index {last}; compute the "
            "features of the complete data set"
        )
    return table[samples.indices]


def _compute(backbone: Backbone, images: Tensor, layer: str | None) -> Tensor:
    """Run the backbone over all images and collect its output, or that of a layer."""
    outputs: list[Tensor] = []
    hook = backbone.get_submodule(layer or "").register_forward_hook(
        lambda _, inputs, output: outputs.append(_pool(output))
    )
    try:
        with answering(backbone) as place:
            for batch in progress_bar(forward_batches(images), "features", unit="batch"):
                backbone(batch.to(place))
    finally:
        hook.remove()
    rows = sum(map(len, outputs))
    if rows != len(images):
        raise ValueError(
            f"layer {layer!r} gave {rows} rows for {len(images)} images; choose one that "
            "the backbone runs once for each image"
        )
    return _finite(torch.cat(outputs))


def _pool(output: Tensor) -> Tensor:
    """Average (N, D, H, W) over height and width: a copy, float32 on the CPU."""
    if not isinstance(output, Tensor) or output.ndim < 2:
        raise ValueError(
            f"layer gives {described(output)}; choose one that gives a tensor with a row for each "
            "image"
        )
    pooled = output.mean(dim=tuple(range(2, output.ndim))) if output.ndim > 2 else output
    return pooled.to("cpu", torch.float32, copy=True)  # a layer behind may change it in place


def _finite(features: Tensor) -> Tensor:
    """Return the features, or raise where they are no numbers to learn from."""
    if not features.isfinite().all():
        raise ValueError(
            "backbone gives features that are infinite or not a number; look at its weights, and "
            "at the precision it computes in"
        )
    return features

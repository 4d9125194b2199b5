"""Features: what a frozen backbone says about an image or a text.

Letters in shapes: N samples, D features.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from course_utils.data.tasks import Task
from course_utils.environment.arguments import check_texts
from course_utils.environment.cache import cached_tensor, fingerprint, weights_fingerprint
from course_utils.environment.machine import device, progress_bar
from course_utils.models.classifier import Backbone
from course_utils.models.inference import answering, bucket_by_length, forward_batches
from course_utils.models.surgery import folded, stages
from course_utils.models.text import TextBackbone


def extract_features(
    backbone: Backbone, images: Tensor, *, layer: str | None = None, use_cache: bool = True
) -> Tensor:
    """Compute the features of images with a frozen backbone, once.

    The result is kept in the cache directory under a key made of the architecture, all weights,
    the preprocessing, the layer and the images; a change in one of them gives another key.

    Parameters
    ----------
    backbone : Backbone
        Used in evaluation mode without gradients; its own mode is restored.
    images : torch.Tensor of shape (N, C, H, W), float32
        Grey values or colours from 0 to 1.
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
    ValueError
        If there is no image, no such layer, or the layer does not run once for each image.
    """
    modules = dict(backbone.named_modules())
    if layer is not None and layer not in modules:
        raise ValueError(f"layer is {layer!r}; give one of {', '.join(filter(None, modules))}")
    if len(images) == 0:
        raise ValueError("images is empty; give at least one image")
    compute = partial(_compute, backbone, images, layer)
    if not use_cache:
        return compute()
    # the body's text has what is no weight: activations, strides, pooling
    network = f"{backbone.body} {backbone.preprocessing}"
    key = fingerprint(network, weights_fingerprint(backbone), str(layer), images)
    return cached_tensor(f"features-{key}", compute)


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
    images : torch.Tensor of shape (N, C, H, W), float32
        Grey values or colours from 0 to 1.
    use_cache : bool
        False computes anew and stores nothing.

    Returns
    -------
    dict of str to torch.Tensor of shape (N, D), float32
        Features by name of the stage, see `course_utils.models.stages`; D differs between them.

    Raises
    ------
    ValueError
        If there is no image, or the stages of the architecture are unknown.

    Examples
    --------
    >>> from course_utils.models import small_cnn
    >>> found = stage_features(small_cnn().backbone, torch.zeros(2, 1, 28, 28), use_cache=False)
    >>> {name: tuple(features.shape) for name, features in found.items()}
    {'stage1': (2, 16), 'stage2': (2, 32), 'last': (2, 64)}
    """
    if len(images) == 0:
        raise ValueError("images is empty; give at least one image")
    parts = {name: folded(part).to(device()) for name, part in stages(backbone).items()}
    compute = partial(_compute_stages, backbone, parts, images)
    widths = [part.shape[1] for part in _run_stages(backbone, parts, images[:1])]
    if use_cache:
        network = f"{backbone.body} {backbone.preprocessing}"
        key = fingerprint(network, weights_fingerprint(backbone), images)
        table = cached_tensor(f"stages-{key}", compute)
    else:
        table = compute()
    return dict(zip(parts, table.split(widths, dim=1), strict=True))


@torch.no_grad()
def _run_stages(backbone: Backbone, parts: dict, images: Tensor) -> list[Tensor]:
    """Run the stages over a batch and pool what each gives."""
    outputs = backbone.preprocessing(images).contiguous(memory_format=torch.channels_last)
    outputs, pooled = outputs.to(device()), []
    for part in parts.values():
        outputs = part(outputs)
        pooled.append(_pool(outputs).float().cpu())
    return pooled


def _compute_stages(backbone: Backbone, parts: dict, images: Tensor) -> Tensor:
    """Run the stages over all images: the features of all stages side by side, (N, sum of D)."""
    batches = progress_bar(forward_batches(images), "features of all stages", unit="batch")
    return torch.cat([torch.cat(_run_stages(backbone, parts, batch), 1) for batch in batches])


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
    if not (texts := check_texts("texts", texts)):
        raise ValueError("texts is empty; give at least one text")
    tokens = backbone.tokenize(texts, max_tokens)
    compute = partial(_compute_texts, backbone, tokens)
    if not use_cache:
        return compute()
    key = fingerprint(backbone.description, weights_fingerprint(backbone), tokens)
    return cached_tensor(f"texts-{key}", compute)


def _compute_texts(backbone: TextBackbone, tokens: Tensor) -> Tensor:
    """Run the backbone over all tokens, and put the features into the order of the texts."""
    lengths = (tokens != backbone.tokenizer.pad_id).sum(1)
    features = torch.empty(len(tokens), backbone.num_features)
    with answering(backbone) as place:
        for group in progress_bar(bucket_by_length(lengths), "features of texts", unit="batch"):
            features[group] = backbone(tokens[group].to(place)).float().cpu()
    return features


def feature_task(task: Task, table: Tensor) -> Task:
    """Return the task with features instead of images: a frozen backbone leaves only the head.

    Features are shifted by their mean over the training samples, and then all divided by one
    number, the standard deviation of what is left there. So lambda means the same for each
    backbone. Labels play no part in this.

    Parameters
    ----------
    task : Task
        A task with images.
    table : torch.Tensor of shape (N, D), float32
        Features of all N images of the complete data set, in its order; the samples of the task
        know their rows. One table serves all tasks that are cut from one data set.

    Raises
    ------
    ValueError
        If the task has a sample without a row in the table, or the features of the training
        samples are all the same.
    """
    last = int(torch.cat([samples.indices for samples in task.parts.values()]).max())
    if last >= len(table):
        raise ValueError(
            f"table has {len(table)} rows and the task has a sample with index {last}; "
            "compute the features of the complete data set"
        )
    train_features = table[task.train.indices]
    mean = train_features.mean(0)
    scale = (train_features - mean).std()
    if not scale > 0:
        raise ValueError(
            f"table has a standard deviation of {scale:g} over the {len(task.train)} training "
            "samples; give features that differ, and two or more samples"
        )
    return task.map_parts(lambda part: part.with_inputs((table[part.indices] - mean) / scale))


def _compute(backbone: Backbone, images: Tensor, layer: str | None) -> Tensor:
    """Run the backbone over all images and collect its output, or that of a layer."""
    outputs: list[Tensor] = []
    hook = backbone.get_submodule(layer or "").register_forward_hook(
        lambda _, inputs, output: outputs.append(_pool(output).float().cpu())
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
    return torch.cat(outputs)


def _pool(output: Tensor) -> Tensor:
    """Average (N, D, H, W) over height and width; leave (N, D) as it is."""
    return output.mean(dim=tuple(range(2, output.ndim))) if output.ndim > 2 else output

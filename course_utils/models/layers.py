"""The layers of a network for texts, from input to output, and a learning rate for each."""

from collections.abc import Iterator

from torch import nn

from course_utils.environment.arguments import check_module, check_number
from course_utils.environment.door import checked

ULMFIT_FACTOR = 2.6  # Howard and Ruder 2018, section 3.2


@checked
def text_layers(backbone: nn.Module) -> dict[str, nn.Module]:
    """Return the layers of a backbone for texts by name, from input to output.

    To freeze the first ones, call `freeze` on each; to unfreeze gradually, go through them from
    the end.

    Parameters
    ----------
    backbone : torch.nn.Module
        A network with one list of layers (`torch.nn.ModuleList`), such as any BERT or GPT.

    Returns
    -------
    dict of str to torch.nn.Module
        Embeddings, then each layer, then what comes after the last one.

    Raises
    ------
    ValueError
        If there is no list of layers.

    Examples
    --------
    >>> from course_utils.models import text_encoder
    >>> list(text_layers(text_encoder("random", seed=0)))[:3]
    ['body.embeddings', 'body.encoder.layer.0', 'body.encoder.layer.1']
    """
    if not any(isinstance(module, nn.ModuleList) for module in backbone.modules()):
        raise ValueError(
            f"backbone is {type(backbone).__name__}, which has no list of layers (ModuleList); "
            "give a network for texts"
        )
    return dict(_pieces(backbone, ""))


def layer_rates(
    model: nn.Module, top_rate: float, factor: float = ULMFIT_FACTOR
) -> dict[str, float]:
    """Return a learning rate for each layer of a text classifier: the lower, the smaller.

    The head gets ``top_rate``, and each layer that of the layer above it divided by ``factor``.
    What is frozen gets none. Give the result to `course_utils.training.fit`.

    Parameters
    ----------
    model : torch.nn.Module
        With the parts ``backbone`` and ``head``, such as a `Classifier`.
    top_rate : float
        Rate of the head, above 0.
    factor : float
        At least 1; with 1 all layers learn alike.

    Raises
    ------
    ValueError
        If ``top_rate`` or ``factor`` is out of its range, or the backbone has no list of layers.

    References
    ----------
    Howard and Ruder 2018, doi:10.18653/v1/P18-1031 (ULMFiT), section 3.2.

    Examples
    --------
    >>> from course_utils.models import Classifier, freeze
    >>> from course_utils.models import text_encoder
    >>> model = Classifier(text_encoder("random", seed=0), nn.Linear(384, 5))
    >>> for layer in list(text_layers(model.backbone).values())[:5]:
    ...     _ = freeze(layer)
    >>> for prefix, rate in layer_rates(model, 1e-3).items():
    ...     print(f"{prefix:<32}{rate:.5f}")
    backbone.body.encoder.layer.4   0.00015
    backbone.body.encoder.layer.5   0.00038
    head                            0.00100
    """
    check_module("model", model, "backbone")
    top_rate = check_number("top_rate", top_rate, above=0)
    factor = check_number("factor", factor, low=1)
    layers = text_layers(model.backbone)
    steps = _steps_below_the_head(model.backbone, layers)
    rates = {f"backbone.{name}": top_rate / factor ** steps[name] for name in layers}
    rates["head"] = top_rate
    return {prefix: rate for prefix, rate in rates.items() if _learns(model, prefix)}


def _pieces(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Take a module apart as far as its list of layers, and each item of that list."""
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            yield from ((f"{prefix}{name}.{number}", layer) for number, layer in enumerate(child))
        elif any(isinstance(part, nn.ModuleList) for part in child.modules()):
            yield from _pieces(child, f"{prefix}{name}.")
        elif any(True for _ in child.parameters()):
            yield f"{prefix}{name}", child


def _steps_below_the_head(backbone: nn.Module, layers: dict[str, nn.Module]) -> dict[str, int]:
    """Count how many layers each piece is below the head: 1 for the last layer.

    Pieces before the list of layers, the embeddings, share one level; pieces after it, such as a
    last normalisation, share that of the last layer.
    """
    listed = [part for part in backbone.modules() if isinstance(part, nn.ModuleList)]
    inside = {id(layer) for part in listed for layer in part}
    is_layer = [id(layer) in inside for layer in layers.values()]
    number = sum(is_layer)
    steps, level = {}, number + 1
    for name, counts in zip(layers, is_layer, strict=True):
        level -= counts
        steps[name] = level
    return steps


def _learns(model: nn.Module, prefix: str) -> bool:
    """Say whether a parameter whose name starts with the prefix is trainable."""
    named = model.named_parameters()
    return any(p.requires_grad for name, p in named if name.startswith(prefix + "."))

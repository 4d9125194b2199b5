"""The weights of GPT-2 in our own GPT: the same network, with other names."""

from torch import Tensor

from course_utils.models.gpt import GPT

# our words for those of GPT-2; the longer ones first
GPT2_WORDS = {
    "mlp.c_fc": "widen",
    "mlp.c_proj": "narrow",
    "attn.c_attn": "attention.qkv",
    "attn.c_proj": "attention.out",
    "wte": "token_embedding",
    "wpe": "position_embedding",
    "h": "blocks",
    "ln_1": "attention_norm",
    "ln_2": "thinking_norm",
    "ln_f": "norm",
}


# in old files: a table of who may look at whom, which we compute
NOT_NEEDED = (".attn.bias", ".attn.masked_bias")


def load_gpt2_weights(gpt: GPT, weights: dict[str, Tensor]) -> GPT:
    """Change the network: give it the weights of a GPT-2 of the library transformers.

    Parameters
    ----------
    gpt : GPT
        Of the same size. For the smallest GPT-2 that is ``GPT(50257, 768, 12, 12, 1024)``.
    weights : dict of str to torch.Tensor
        ``GPT2LMHeadModel.state_dict()``, or that of a ``GPT2Model``.

    Raises
    ------
    ValueError
        If a tensor is missing, left over, has another shape, or is not finite. Then nothing is
        loaded.

    Notes
    -----
    The number of heads stands in no tensor: a GPT with other heads takes the weights and gives
    wrong answers.
    """
    renamed = {}
    for name, tensor in weights.items():
        # lm_head is the embeddings once more: tied
        if not name.startswith("lm_head.") and not name.endswith(NOT_NEEDED):
            renamed[our_name(name)] = tensor
    own = gpt.state_dict()
    if own.keys() != renamed.keys():
        name = min(own.keys() ^ renamed.keys())
        holder = "the network" if name in own else "weights"
        raise ValueError(f"only {holder} has {name}; give a GPT of as many blocks")
    for name, ours in own.items():
        if name.startswith("blocks.") and renamed[name].ndim == 2:
            renamed[name] = renamed[name].T  # GPT-2 stores matrices as (inputs, outputs)
        if renamed[name].shape != ours.shape:
            raise ValueError(
                f"{name} has shape {tuple(ours.shape)} in the network and "
                f"{tuple(renamed[name].shape)} in weights; give a GPT of the same size"
            )
        if not renamed[name].isfinite().all():
            raise ValueError(f"{name} in weights is not finite; take sound weights")
    gpt.load_state_dict(renamed)
    return gpt


def our_name(name: str) -> str:
    """Translate the name of a tensor of GPT-2.

    Examples
    --------
    >>> our_name("transformer.h.3.attn.c_proj.weight")
    'blocks.3.attention.out.weight'
    """
    dotted = f".{name.removeprefix('transformer.')}."
    for theirs, ours in GPT2_WORDS.items():
        dotted = dotted.replace(f".{theirs}.", f".{ours}.")
    return dotted.strip(".")

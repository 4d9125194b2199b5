"""The weights of GPT-2 in our own GPT: the same network, with other names."""

import json
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from course_utils.environment.arguments import check_choice
from course_utils.models.folders import FROM_FOLDER, load_words, silence, tokenizer_of
from course_utils.models.gpt import GPT, GPTBackbone

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


def is_gpt2(folder: Path) -> bool:
    """Say whether a folder of the library transformers holds a GPT-2."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "gpt2"


# what our GPT does, and a GPT-2 may be told to do otherwise
SETTINGS = {
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "n_inner": None,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
}


def load_gpt2(folder: str | Path, *, pooling: str = "last") -> GPTBackbone:
    """Load a GPT-2 that the library transformers has saved, as a backbone of our own GPT.

    Parameters
    ----------
    folder : str or pathlib.Path
        Has ``config.json``, ``model.safetensors`` and ``tokenizer.json``.
    pooling : {'last', 'mean'}
        See `GPTBackbone`.

    Returns
    -------
    GPTBackbone
        In evaluation mode. Short texts are filled with GPT-2's token for the end of a text, since
        it has none for padding.

    Raises
    ------
    ValueError
        If the files are not those of a GPT-2, or a weight is missing, left over, of another shape
        or not finite.
    """
    check_choice("pooling", pooling, GPTBackbone.POOLINGS)
    folder = Path(folder)
    try:
        from transformers import AutoConfig  # takes seconds to import

        with silence():
            config = AutoConfig.from_pretrained(folder, **FROM_FOLDER)
        for name, value in SETTINGS.items():
            if getattr(config, name, value) != value:
                raise ValueError(f"config.json has another {name} than {value!r}")
        weights = load_file(folder / "model.safetensors")
        sizes = (config.vocab_size, config.n_embd, config.n_layer, config.n_head)
        gpt = GPT(*sizes, config.n_positions, seed=0)
        load_gpt2_weights(gpt, {name: tensor.float() for name, tensor in weights.items()})
        words = load_words(folder)
        words.pad_token = words.pad_token or words.eos_token
        tokenizer = tokenizer_of(words, config)
        return GPTBackbone(folder.name, gpt, tokenizer, pooling=pooling).eval()
    except Exception as error:  # the library has no common class for what is wrong with a folder
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise ValueError(
            f"folder is {str(folder)!r}, where no sound GPT-2 is ({reason}); give a folder with "
            "config.json, model.safetensors and tokenizer.json"
        ) from error

"""An encoder in a folder, as the library transformers saves it: loaded whole, or refused.

The library puts random numbers where a weight is missing, and says so in a warning. Here what it
reports is judged, so that its warnings can be silenced.
"""

import math
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from course_utils.environment.machine import seeded
from course_utils.models.tokenizer import Tokenizer

# nothing is asked of the internet, and no code of a folder is run
FROM_FOLDER = {"local_files_only": True, "trust_remote_code": False}


# in old files: tables of 0, 1, 2, ... and of 0, 0, 0, ..., which are computed
COMPUTED = ("position_ids", "token_type_ids")


def load_folder(folder: Path) -> tuple[nn.Module, Any]:
    """Load network and tokenizer of a folder.

    Raises
    ------
    OSError, ValueError
        If a file is missing or odd, or not every weight of the network is in the folder.
    """
    from transformers import AutoConfig, AutoModel  # takes seconds to import

    for file in ("config.json", "tokenizer.json"):
        # without one the library makes up a tokenizer that knows no word
        if not (folder / file).is_file() and not (file[0] == "t" and any(folder.glob("vocab.*"))):
            raise ValueError(f"{file} is missing")
    with silence(), seeded(0):
        config = AutoConfig.from_pretrained(folder, **FROM_FOLDER)
        stored = _stored_tensors(folder)
        _check_config(config, stored)
        body, report = AutoModel.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            dtype="float32",
            ignore_mismatched_sizes=True,  # refused below, by name
            output_loading_info=True,
            **FROM_FOLDER,
        )
        _check_weights(body, report, stored)
        return body, load_words(folder)


def load_words(folder: Path) -> Any:
    """Load the tokenizer of a folder."""
    from transformers import AutoTokenizer

    with silence():
        return AutoTokenizer.from_pretrained(folder, **FROM_FOLDER)


def _stored_tensors(folder: Path) -> dict[str, int]:
    """Read how many numbers each stored tensor has, without reading them."""
    from safetensors import safe_open

    stored = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            names = opened.keys()
            stored |= {name: math.prod(opened.get_slice(name).get_shape()) for name in names}
    if not stored:
        raise ValueError("model.safetensors is missing")
    return stored


def _check_config(config: Any, stored: dict[str, int]) -> None:
    """Raise if a network cannot be what the files hold, before anything large is built."""
    from transformers import AutoModel
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    kind, total = config.model_type, sum(stored.values())
    if (
        kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
        or config.is_encoder_decoder
        or getattr(config, "is_decoder", False)
    ):
        raise ValueError(f"config.json is of {kind} and no encoder of texts such as BERT")
    limits = dict.fromkeys(("vocab_size", "hidden_size", "intermediate_size"), total)
    limits |= {"max_position_embeddings": total, "num_attention_heads": total}
    for size, most in (limits | {"num_hidden_layers": len(stored)}).items():
        value = getattr(config, size, 1)
        if type(value) is not int or not 1 <= value <= most:
            raise ValueError(
                f"config.json has the {size} {value!r}; with these weights, 1 to {most}"
            )
    with torch.device("meta"):  # shapes only
        named = list(AutoModel.from_config(config).named_parameters())
    needed = sum(tensor.numel() for name, tensor in named if not _is_pooler(name))
    if needed > 2 * total:  # a few missing ones are named later
        raise ValueError(f"config.json asks for {needed} numbers and the weights have {total}")


def _check_weights(body: nn.Module, report: dict, stored: dict[str, int]) -> None:
    """Raise if a tensor is missing, left over, of another shape or not finite; drop the pooler."""
    prefix = f"{body.base_model_prefix}."
    has_head = any(name.startswith(prefix) for name in stored)  # that of the source task is left
    left = {n for n in report["unexpected_keys"] if not n.endswith(COMPUTED)}
    faults = {
        "missing": report["missing_keys"],
        "not part of it": {n for n in left if n.startswith(prefix) or not has_head},
        "of another shape": {key[0] for key in report["mismatched_keys"]},
    }
    if getattr(body, "pooler", None) is not None:
        body.pooler = None  # a layer that only a head for whole texts of the source task needs
    state = body.state_dict().items()
    faults["not finite"] = {name for name, tensor in state if not tensor.isfinite().all()}
    for fault, names in faults.items():
        if names := sorted(name for name in names if not _is_pooler(name)):
            raise ValueError(f"{len(names)} tensors are {fault}, such as {names[0]}")


def _is_pooler(name: str) -> bool:
    return ".pooler." in f".{name}"


def tokenizer_of(words: Any, config: Any) -> Tokenizer:
    """Take the rules out of a tokenizer of transformers, and check that they fit the weights.

    Raises
    ------
    ValueError
        If they do not.
    """
    rules = getattr(words, "backend_tokenizer", None)
    if rules is None or words.pad_token is None:
        raise ValueError("the tokenizer is no fast one, or has no token for padding")
    tokenizer = Tokenizer(rules, words.pad_token)
    if tokenizer.num_tokens > config.vocab_size:
        raise ValueError(
            f"the tokenizer has {tokenizer.num_tokens} tokens and the weights know "
            f"{config.vocab_size}"
        )
    return tokenizer


@contextmanager
def silence(*, keep_bars: bool = False):
    """Keep advice and bars of the libraries out of a stored output; give them back at the end."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging

    levels = hub.get_verbosity(), logging.get_verbosity()
    had_bars = logging.is_progress_bar_enabled()
    hub.set_verbosity_error()
    logging.set_verbosity_error()
    if not keep_bars:
        logging.disable_progress_bar()  # of both libraries
    try:
        yield
    finally:
        hub.set_verbosity(levels[0])
        logging.set_verbosity(levels[1])
        if had_bars:
            logging.enable_progress_bar()

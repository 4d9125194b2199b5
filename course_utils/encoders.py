"""Any other text encoder: from a folder, or from the Hugging Face hub where the internet is there.

The course itself needs none of this. It is the door to larger networks.
"""

import os
from contextlib import contextmanager
from pathlib import Path

from course_utils.text import TextBackbone
from course_utils.tokens import Tokenizer

# no file whose reading could run code, and no second copy of the weights in another format
PATTERNS = ["*.json", "*.txt", "*.safetensors"]


def load_encoder(
    name: str = "bert-base-uncased", *, allow_download: bool = False, pooling: str = "mean"
) -> TextBackbone:
    """Load a text encoder that somebody else has trained.

    Parameters
    ----------
    name : str
        A folder with ``config.json``, ``model.safetensors`` and ``tokenizer.json``, or the name
        of such a model on the Hugging Face hub.
    allow_download : bool
        True fetches a model that is not on this machine yet, some hundred megabytes. Without it
        no connection is tried.
    pooling : {'mean', 'cls'}
        See `course_utils.text.TextBackbone`.

    Returns
    -------
    TextBackbone
        In evaluation mode; ``layer_rates``, ``add_lora`` and ``text_features`` take it as they
        take `course_utils.text.text_encoder`.

    Raises
    ------
    OSError
        If the model is not on this machine, or could not be fetched; the message says what to do.
    ValueError
        If the files are there and are no encoder that the course can use.
    """
    folder = Path(name) if Path(name).is_dir() else _fetch(name, allow_download)
    from transformers import AutoModel, AutoTokenizer  # takes seconds to import

    try:
        with _silence():
            # a name, and not a folder, would be looked up in the internet even here
            body = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype="float32"
            )
            words = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the library has no common class for what is wrong with a folder
        raise ValueError(
            f"name is {name!r}, where no sound encoder is ({_first_line(error)}); give a folder "
            "with config.json, model.safetensors and tokenizer.json"
        ) from error
    tokenizer = _tokenizer(name, words, body)
    if getattr(body, "pooler", None) is not None:
        body.pooler = None  # a layer that only a head for whole texts of the source task needs
    longest = min(body.config.max_position_embeddings, words.model_max_length)
    backbone = TextBackbone(
        Path(name).name, body, body.config.hidden_size, tokenizer, pooling=pooling, longest=longest
    )
    return backbone.eval()


def _fetch(name: str, allow_download: bool) -> Path:
    """Return the folder of a model of the hub: fetched earlier, or now if that is allowed."""
    import huggingface_hub
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True  # nobody needs to hear of it
    try:
        with _silence(keep_bars=not _is_set("TQDM_DISABLE")):
            folder = huggingface_hub.snapshot_download(
                name, allow_patterns=PATTERNS, local_files_only=not allow_download
            )
    except (OSError, ValueError) as error:
        if not allow_download:
            state = "is not on this machine"
            cure = (
                "where the internet is there, give allow_download=True; else give the folder of "
                "a saved encoder, or take text_encoder(), which is installed"
            )
        elif _is_set("HF_HUB_OFFLINE"):
            state = "may not be fetched"
            cure = "HF_HUB_OFFLINE is set: unset it and start Python again"
        else:
            state = f"could not be fetched ({_first_line(error)})"
            cure = "check the name and the connection, or take text_encoder(), which needs neither"
        raise OSError(f"name is {name!r}, which {state}: {cure}") from error
    return Path(folder)


def _tokenizer(name, words, body) -> Tokenizer:
    """Take the rules out of a tokenizer of transformers, and check that they fit the weights."""
    rules = getattr(words, "backend_tokenizer", None)
    if rules is None or words.pad_token is None or body.config.is_encoder_decoder:
        raise ValueError(
            f"name is {name!r}, which has no fast tokenizer, no token for padding, or a decoder; "
            "give an encoder such as BERT, RoBERTa or MiniLM"
        )
    tokenizer = Tokenizer(rules, words.pad_token)
    if tokenizer.num_tokens > body.config.vocab_size:
        raise ValueError(
            f"name is {name!r}, where the tokenizer has {tokenizer.num_tokens} tokens and the "
            f"weights know {body.config.vocab_size}; give the tokenizer of these weights"
        )
    return tokenizer


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "0") not in ("", "0")


@contextmanager
def _silence(*, keep_bars: bool = False):
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

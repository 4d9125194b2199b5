"""Any other text encoder: from a folder, or from the Hugging Face hub where the internet is there.

The course itself needs none of this. It is the door to larger networks.
"""

import os
from contextlib import contextmanager
from pathlib import Path

from course_utils.environment.machine import seeded
from course_utils.environment.packages import verify_package
from course_utils.models.text import TextBackbone
from course_utils.models.tokenizer import Tokenizer, bert_tokenizer

# what MiniLM-L6 has less of than BERT-base (Wang et al. 2020, arXiv:2002.10957)
MINILM = {
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}


# stored in the file, and no part of the encoder: a table of 0, 1, 2, ..., and a layer for another
# use of the first token, which sentence features do not need
NOT_NEEDED = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")


def text_encoder(
    weights: str = "minilm", seed: int | None = None, *, pooling: str = "mean"
) -> TextBackbone:
    """Build MiniLM-L6, a BERT of 6 layers, with its tokenizer.

    Parameters
    ----------
    weights : {'minilm', 'random'}
        Weights from an installed package, checked by SHA-256: a language model of BERT's kind
        that then learned which sentences belong together. Or a random start.
    seed : int, optional
        Makes the random start reproducible; not allowed with ``'minilm'``. Without it, the start
        comes from torch's global random numbers.
    pooling : {'mean', 'cls'}
        See `TextBackbone`. The weights were trained with the mean.

    Returns
    -------
    TextBackbone
        In evaluation mode, 22,565,376 parameters, features (N, 384).

    Raises
    ------
    ValueError
        If an argument is not allowed.
    course_utils.environment.PackageError
        If the package is missing or a file has another checksum.

    References
    ----------
    Devlin et al. 2019, doi:10.18653/v1/N19-1423 (BERT); Wang et al. 2020, arXiv:2002.10957;
    Reimers and Gurevych 2019, doi:10.18653/v1/D19-1410.
    """
    if weights not in ("minilm", "random"):
        raise ValueError(f"weights is {weights!r}; give 'minilm' or 'random'")
    if weights == "minilm" and seed is not None:
        raise ValueError(
            f"seed is {seed}, but the weights of MiniLM are always the same; "
            "leave it out, or give weights='random'"
        )
    from transformers import BertConfig, BertModel  # takes seconds to import

    tokenizer = bert_tokenizer()
    # without a seed the global numbers move on, or two random starts would be the same
    with seeded(0 if weights == "minilm" else seed):
        body = BertModel(BertConfig(**MINILM), add_pooling_layer=False)
    if weights == "minilm":
        from safetensors.torch import load_file

        stored = load_file(verify_package("minilm"))
        body.load_state_dict({k: v for k, v in stored.items() if k not in NOT_NEEDED})
    name = f"MiniLM-L6, {'sentence' if weights == 'minilm' else weights} weights"
    return TextBackbone(name, body, MINILM["hidden_size"], tokenizer, pooling=pooling).eval()


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
        See `course_utils.models.TextBackbone`.

    Returns
    -------
    TextBackbone
        In evaluation mode; ``layer_rates``, ``add_lora`` and ``text_features`` take it as they
        take `course_utils.models.text_encoder`.

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

"""Text encoders: MiniLM from an installed package, or any other from a folder or the hub."""

import os
from pathlib import Path

import torch

from course_utils.environment.arguments import check_choice, check_number, described
from course_utils.environment.machine import seeded
from course_utils.environment.packages import verify_package
from course_utils.models.folders import FROM_FOLDER, load_folder, load_words, silence, tokenizer_of
from course_utils.models.text import TextBackbone


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
    check_choice("weights", weights, ("minilm", "random"))
    if weights == "minilm" and seed is not None:
        raise ValueError(
            f"seed is {seed}, but the weights of MiniLM are always the same; "
            "leave it out, or give weights='random'"
        )
    check_choice("pooling", pooling, TextBackbone.POOLINGS)
    if seed is not None:
        seed = check_number("seed", seed, low=0, whole=True)
    folder = verify_package("minilm").parent
    if weights == "minilm":
        body, words = load_folder(folder)
    else:
        from transformers import AutoConfig, AutoModel  # takes seconds to import

        config = AutoConfig.from_pretrained(folder, **FROM_FOLDER)
        with seeded(seed):
            body, words = AutoModel.from_config(config, add_pooling_layer=False), load_words(folder)
    name = f"MiniLM-L6, {'sentence' if weights == 'minilm' else weights} weights"
    tokenizer = tokenizer_of(words, body.config)
    return TextBackbone(name, body, body.config.hidden_size, tokenizer, pooling=pooling).eval()


# no file whose reading could run code, and no second copy of the weights in another format
PATTERNS = ["*.json", "*.txt", "*.safetensors"]


def load_encoder(
    name: str = "bert-base-uncased", *, allow_download: bool = False, pooling: str = "mean"
) -> TextBackbone:
    """Load a text encoder that somebody else has trained.

    Parameters
    ----------
    name : str or pathlib.Path
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
        If the files are there and are no encoder of texts, or a tensor is missing, left over, of
        another shape or not finite. A pooler, and the head of the source task, may be there or not.
    """
    check_choice("pooling", pooling, TextBackbone.POOLINGS)
    folder = find_folder(name, allow_download)
    try:
        body, words = load_folder(folder)
        backbone = TextBackbone(
            Path(name).name,
            body,
            body.config.hidden_size,
            tokenizer_of(words, body.config),
            pooling=pooling,
            longest=words.model_max_length,
        ).eval()
        _check_answer(backbone)
    except Exception as error:  # the library has no common class for what is wrong with a folder
        raise ValueError(
            f"name is {str(name)!r}, where no sound encoder is ({_first_line(error)}); give a "
            "folder with config.json, model.safetensors and tokenizer.json"
        ) from error
    return backbone


@torch.inference_mode()
def _check_answer(backbone: TextBackbone) -> None:
    """Raise if the features of a text are no numbers: some settings show only in an answer."""
    features = backbone(backbone.tokenize(["a"], min(8, backbone.longest)))
    if features.shape != (1, backbone.num_features) or not features.isfinite().all():
        raise ValueError("its features of a text are not finite, or of another number")


def find_folder(name: str, allow_download: bool) -> Path:
    """Return the folder of a network: the one that is named, or that of a model of the hub.

    Raises
    ------
    OSError
        If a model of the hub is not on this machine, or could not be fetched.
    TypeError, ValueError
        If it is no text or path, empty or a file.
    """
    if not isinstance(name, str | Path):
        raise TypeError(f"name is {described(name)}; give a folder, or the name of a model")
    if not str(name):
        raise ValueError("name is empty; give a folder, or the name of a model")
    if Path(name).is_file():
        raise ValueError(f"name is {str(name)!r}, which is a file; give the folder it is in")
    return Path(name) if Path(name).is_dir() else _fetch(str(name), allow_download)


def _fetch(name: str, allow_download: bool) -> Path:
    """Return the folder of a model of the hub: fetched earlier, or now if that is allowed."""
    import huggingface_hub
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True  # nobody needs to hear of it
    try:
        with silence(keep_bars=not _is_set("TQDM_DISABLE")):
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


def _first_line(error: Exception) -> str:
    line = (str(error).splitlines() or [""])[0].rstrip(".")
    return line if " " in line else f"{type(error).__name__} {line}".strip()


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "0") not in ("", "0")

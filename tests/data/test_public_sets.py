"""Tests of course_utils.data.public_sets, on small files of the true form."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from itertools import pairwise

import numpy as np
import pytest
import torch
from torchvision import datasets

from course_utils.data.public_sets import load_cifar10, load_fashion_mnist

CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship"]
CIFAR_CLASSES += ["truck"]
PER_FILE = 40


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """Write batches as the authors do: rows of 3,072 bytes, red first; return what is in them."""
    inside, rng = tmp_path / "cifar-10-batches-py", np.random.default_rng(0)
    inside.mkdir()
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    rows = rng.integers(0, 256, (len(names), PER_FILE, 3072), dtype=np.uint8)
    labels = np.arange(PER_FILE) % 10
    for name, data in zip(names, rows, strict=True):
        batch = {"data": data, "labels": labels.tolist(), "batch_label": name, "filenames": []}
        (inside / name).write_bytes(pickle.dumps(batch, protocol=2))
    meta = {"label_names": CIFAR_CLASSES, "num_cases_per_batch": PER_FILE, "num_vis": 3072}
    (inside / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    sums = [[name, md5(inside / name)] for name in names]
    monkeypatch.setattr(datasets.CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", sums[5:])
    known = datasets.CIFAR10.meta | {"md5": md5(inside / "batches.meta")}
    monkeypatch.setattr(datasets.CIFAR10, "meta", known)
    return rows.reshape(-1, 3, 32, 32)


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    """Write the four packed files: a head of whole numbers, then bytes; return the images."""
    raw, rng, images, sums = tmp_path / "FashionMNIST" / "raw", np.random.default_rng(0), [], []
    raw.mkdir(parents=True)
    for part, number in (("train", 80), ("t10k", 20)):
        pixels = rng.integers(0, 256, (number, 28, 28), dtype=np.uint8)
        labels = (np.arange(number) % 10).astype(np.uint8)
        images.append(pixels)
        heads = {"images-idx3": (pixels, 3), "labels-idx1": (labels, 1)}
        for kind, (data, ndim) in heads.items():
            head = struct.pack(">HBB", 0, 8, ndim) + struct.pack(f">{ndim}I", *data.shape)
            file = raw / f"{part}-{kind}-ubyte.gz"
            file.write_bytes(gzip.compress(head + data.tobytes()))
            sums.append((file.name, md5(file)))
    monkeypatch.setattr(datasets.FashionMNIST, "resources", sums)
    return np.concatenate(images)[:, None]


@pytest.fixture(params=["CIFAR10", "FashionMNIST"])
def public(request, tmp_path):
    """Return the loader of a set, its pixels, its folder and one of its files."""
    if request.param == "CIFAR10":
        pixels, loader = request.getfixturevalue("cifar"), load_cifar10
        file = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    else:
        pixels, loader = request.getfixturevalue("fashion"), load_fashion_mnist
        file = tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte.gz"
    return loader, pixels, tmp_path, file


def listed(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def test_each_picture_is_that_of_the_files_with_its_label(public):
    loader, pixels, folder, _ = public
    before = listed(folder)
    task = loader(folder)
    for samples in task.parts.values():
        expected = torch.from_numpy(pixels)[samples.indices].float() / 255
        assert samples.inputs.equal(expected)
        assert samples.labels.equal(samples.indices % 10)
    assert listed(folder) == before


def test_test_is_the_official_one_and_validation_a_share_of_each_class_of_the_others(public):
    loader, pixels, folder, _ = public
    task = loader(folder)
    number = 200 if loader is load_cifar10 else 80
    assert task.test.indices.tolist() == list(range(number, len(pixels)))
    counts = task.validation.class_counts().values()
    assert (sum(counts), len(counts)) == (0.15 * number, 10)
    assert max(counts) - min(counts) <= 1
    assert len(task.train) + len(task.validation) == number
    other = loader(folder, split_seed=1)
    assert not other.validation.indices.equal(task.validation.indices)
    assert loader(folder).validation.indices.equal(task.validation.indices)


def test_classes_have_their_names(cifar, tmp_path):
    assert load_cifar10(tmp_path).classes == tuple(CIFAR_CLASSES)
    assert all(first < second for first, second in pairwise(CIFAR_CLASSES))


def test_a_changed_byte_is_noticed_and_nothing_is_read(public):
    loader, _, folder, file = public
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(OSError, match="is not whole, or damaged; delete .* and fetch it anew"):
        loader(folder, download=True)


def test_a_damaged_file_that_was_unpacked_earlier_is_not_read(fashion, tmp_path):
    unpacked = tmp_path / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte"
    unpacked.write_bytes(b"\0" * 28)
    assert load_fashion_mnist(tmp_path).test.labels.tolist() == [k % 10 for k in range(20)]


@pytest.mark.parametrize("loader", [load_cifar10, load_fashion_mnist])
def test_without_files_one_line_says_what_to_do_and_nothing_is_asked(loader, tmp_path, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *given: pytest.fail("it asked"))
    with pytest.raises(FileNotFoundError, match=r"missing; .* give download=True \(\d+ MB\), els"):
        loader(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder; make it first"):
        loader(tmp_path / "none", download=True)
    assert listed(tmp_path) == []


class Answer(io.BytesIO):
    """What a site answers: some bytes, and then more or an error."""

    def __init__(self, url, data, is_broken):
        super().__init__(data)
        self.url, self.length, self.is_broken = url, len(data), is_broken

    def read(self, number=-1):
        data = super().read(number)
        if self.is_broken and not data:
            raise ConnectionResetError("reset by peer")
        return data


def answers(monkeypatch, data, *, is_broken=False):
    def urlopen(request, **options):
        return Answer(request.full_url, data, is_broken)

    monkeypatch.setattr("urllib.request.urlopen", urlopen)


@pytest.mark.parametrize("loader", [load_cifar10, load_fashion_mnist])
def test_a_connection_that_breaks_leaves_nothing_half_written(loader, tmp_path, monkeypatch):
    answers(monkeypatch, b"half", is_broken=True)
    with pytest.raises(OSError, match="missing and could not be fetched .*; check the connection"):
        loader(tmp_path, download=True)
    assert listed(tmp_path) == []


def test_what_was_fetched_takes_its_place_whole(cifar, tmp_path, monkeypatch):
    there, packed = tmp_path / "there", tmp_path / "cifar-10-python.tar.gz"
    there.mkdir()
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(packed))
    answers(monkeypatch, packed.read_bytes())
    assert len(load_cifar10(there, download=True).test) == PER_FILE
    assert [path.name for path in there.iterdir()] == ["cifar-10-batches-py"]

"""Pictures are read while they are needed, by workers, and each chunk is kept."""

import shutil

import pytest
import torch
from own_inputs import noise

from course_utils.data.findings import DataError
from course_utils.transfer.streams import CHUNK, Pictures, batches, picture_rows

NUMBER = CHUNK + 44


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TQDM_DISABLE", "1")


@pytest.fixture
def pictures(tmp_path):
    names = [f"{place % 3}.png" for place in range(NUMBER)]
    for seed in range(3):
        noise(seed).save(tmp_path / f"{seed}.png")
    return Pictures(tmp_path, names, 16)


def means(batch):
    return batch.mean((2, 3))


def test_workers_hand_pictures_over_in_order(pictures):
    found = torch.cat([means(batch) for batch in batches(pictures)])
    assert len(found) == NUMBER
    assert all(row.equal(found[place % 3]) for place, row in enumerate(found))


def test_a_picture_that_is_gone_is_one_line_also_from_a_worker(pictures, tmp_path):
    (tmp_path / "2.png").unlink()
    with pytest.raises(DataError, match="2.png has changed since") as caught:
        list(batches(pictures))
    assert "\n" not in str(caught.value)


def test_what_was_broken_off_goes_on_with_the_next_chunk(pictures, tmp_path):
    digests, seen = pictures.names, []

    def count(batch):
        seen.append(len(batch))
        if sum(seen) > CHUNK:
            raise KeyboardInterrupt
        return means(batch)

    with pytest.raises(KeyboardInterrupt):
        picture_rows("demo", ("means",), pictures, digests, count)
    seen.clear()

    def count_on(batch):
        seen.append(len(batch))
        return means(batch)

    found = picture_rows("demo", ("means",), pictures, digests, count_on)
    assert sum(seen) == NUMBER - CHUNK
    shutil.rmtree(tmp_path / "cache")
    assert found.equal(picture_rows("demo", ("means",), pictures, digests, means))


def test_other_content_is_computed_anew(pictures):
    first = picture_rows("demo", ("means",), pictures, pictures.names, means)
    noise(9).save(pictures.root / "0.png")
    digests = [name.replace("0", "new") for name in pictures.names]
    assert not first.equal(picture_rows("demo", ("means",), pictures, digests, means))

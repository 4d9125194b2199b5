"""Tests of course_utils.data.images."""

import gzip
import hashlib

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits as load_uci_digits
from toys import one_thread  # noqa: F401, a fixture that works by being there

from course_utils.data.images import load_digits, load_mnist, load_solar_cells, solar_cell_images
from course_utils.data.splits import split_parts
from course_utils.environment.packages import package_path

SIZE = 8  # pixels: the smallest, all tests share one reading of the files
# METHODS 1.1, counted in labels.csv: cells with probability 0, 1/3, 2/3, 1
COUNTS = {"mono": [588, 117, 56, 313], "poly": [920, 178, 50, 402]}


def digest(task):
    """Checksum of all three index lists."""
    lists = (",".join(map(str, part.indices.tolist())) for part in task.parts.values())
    return hashlib.sha256(";".join(lists).encode()).hexdigest()


def index_sets(task):
    return {name: set(part.indices.tolist()) for name, part in task.parts.items()}


def levels(part):
    """Tell 0, 1/3, 2/3, 1 apart as 0, 1, 2, 3 by label and weight."""
    return torch.where(part.labels == 1, (part.weights * 3).round(), 0).long()


def split_by_hand(strata, seed=0):
    """Sort by stratum and checksum, take every fourth, then every fifth of the rest."""
    named = [
        (stratum, hashlib.sha256(f"split {seed}:{i}".encode()).hexdigest(), i)
        for i, stratum in enumerate(strata)
    ]
    order = [i for _, _, i in sorted(named)]
    test = order[3::4]
    rest = [i for place, i in enumerate(order) if place % 4 != 3]
    validation = rest[4::5]
    train = [i for place, i in enumerate(rest) if place % 5 != 4]
    return {"train": sorted(train), "validation": sorted(validation), "test": sorted(test)}


@pytest.fixture(scope="module")
def mnist():
    return load_mnist()


@pytest.fixture(scope="module")
def cells():
    return load_solar_cells(size=SIZE)


class TestSplitParts:
    @pytest.mark.parametrize("number", [1, 2, 7, 60, 2624])
    def test_parts_are_disjoint_and_complete(self, number):
        parts = split_parts(torch.arange(number) % 3)
        together = torch.cat(list(parts.values()))
        assert sorted(together.tolist()) == list(range(number))

    def test_second_implementation_gives_the_same_parts(self):
        strata = [(7 * i) % 5 for i in range(333)]
        parts = split_parts(torch.tensor(strata), seed=2)
        found = {name: part.tolist() for name, part in parts.items()}
        assert found == split_by_hand(strata, seed=2)

    def test_each_stratum_has_its_share_within_one(self):
        strata = torch.tensor([0] * 13 + [1] * 101 + [2] * 4 + [3] * 550)
        parts = split_parts(strata)
        for stratum, number in ((0, 13), (1, 101), (2, 4), (3, 550)):
            for name, share in (("train", 0.6), ("validation", 0.15), ("test", 0.25)):
                found = int((strata[parts[name]] == stratum).sum())
                assert abs(found - share * number) <= 1, (stratum, name, found)

    def test_another_seed_gives_another_split(self):
        strata = torch.zeros(100, dtype=torch.int64)
        assert not torch.equal(split_parts(strata, 0)["test"], split_parts(strata, 1)["test"])

    @pytest.mark.parametrize("strata", [np.arange(40) % 2, (torch.arange(40) % 2)[:, None]])
    def test_arrays_and_columns_mean_the_same(self, strata):
        expected = split_parts(torch.arange(40) % 2)["test"]
        assert split_parts(strata)["test"].equal(expected)

    @pytest.mark.parametrize("strata", [[], torch.zeros(4, 2), "strata", None])
    def test_what_are_no_strata_is_refused(self, strata):
        with pytest.raises((TypeError, ValueError), match="strata (is|has) .*; give"):
            split_parts(strata)

    def test_torch_seed_plays_no_part(self):
        strata = torch.zeros(100, dtype=torch.int64)
        torch.manual_seed(1)
        first = split_parts(strata)["test"]
        torch.manual_seed(2)
        assert torch.equal(first, split_parts(strata)["test"])


class TestLoadMnist:
    def test_split_is_pinned_by_its_checksum(self, mnist):
        assert digest(mnist) == "99e934de82389c7db036956c36d6f4223b0b22931e8ecc94df854a49c251cdd5"

    def test_each_digit_has_the_same_share(self, mnist):
        for name, count in (("train", 300), ("validation", 75), ("test", 125)):
            assert mnist.parts[name].class_counts() == dict.fromkeys(range(10), count)

    def test_images_are_those_of_the_file(self, mnist):
        with gzip.open(package_path("mnist"), "rt", encoding="ascii") as file:
            rows = [[float(value) for value in next(file).split(",")] for _ in range(20)]
        for index, image, label in zip(
            mnist.train.indices, mnist.train.inputs, mnist.train.labels, strict=True
        ):
            if index < len(rows):
                assert label == rows[index][-1]
                assert torch.equal(image.flatten(), torch.tensor(rows[index][:-1]) / 255)

    def test_images_have_one_channel_and_values_from_0_to_1(self, mnist):
        assert mnist.train.inputs.shape == (3000, 1, 28, 28)
        assert mnist.train.inputs.dtype == torch.float32
        assert mnist.train.inputs.min() == 0
        assert mnist.train.inputs.max() == 1

    def test_a_digit_is_20_pixels_long_with_its_mass_in_the_middle(self, mnist):
        """Lessons 01, 05 and 06 say so. The border around the middle 20 pixels is not empty."""
        images = torch.cat([part.inputs for part in mnist.parts.values()])[:, 0]
        sides = []
        for along in (1, 2):
            ink = images.sum(along)
            has_ink = (ink > 0).int()  # argmax finds the first
            sides.append(28 - has_ink.argmax(1) - has_ink.flip(1).argmax(1))
            middle = (ink * torch.arange(28)).sum(1) / ink.sum(1)
            assert (middle - 14).abs().max() < 1
        longer = torch.maximum(*sides)
        assert longer.max() == 20
        assert (longer == 20).float().mean() > 0.999
        assert (images.sum((1, 2)) > images[:, 4:24, 4:24].sum((1, 2))).float().mean() > 0.5

    def test_another_seed_gives_another_split(self, mnist):
        other = load_mnist(split_seed=1)
        assert index_sets(other)["test"] != index_sets(mnist)["test"]


class TestLoadDigits:
    def test_split_is_pinned_by_its_checksum(self):
        assert (
            digest(load_digits())
            == "696c8ab1aa11968f6bd63708275746b6d11d922ebe1081c819bfedc412f4acb6"
        )

    def test_images_are_those_of_sklearn_divided_by_16(self):
        table, task = load_uci_digits(), load_digits()
        for part in task.parts.values():
            expected = torch.tensor(table.images[part.indices.numpy()] / 16).float()
            assert torch.equal(part.inputs[:, 0], expected)
            assert part.labels.tolist() == table.target[part.indices.numpy()].tolist()

    def test_margin_is_black_and_the_digit_fills_the_rest(self):
        images = load_digits(size=28, margin=4).train.inputs
        assert images.shape == (1079, 1, 28, 28)
        frame = images.clone()
        frame[..., 4:24, 4:24] = 0
        assert frame.abs().max() == 0
        assert (images[..., 4, 4:24].amax() > 0) and (images[..., 4:24, 23].amax() > 0)
        assert 0 <= images.min() and images.max() <= 1

    def test_each_digit_fills_its_frame_from_top_to_bottom(self):
        rows = torch.cat([part.inputs for part in load_digits().parts.values()]).sum((1, 3))
        assert (rows[:, [0, -1]] > 0).all()

    def test_margin_without_resizing_keeps_the_pixels(self):
        plain, framed = load_digits().test, load_digits(size=12, margin=2).test
        assert torch.equal(framed.inputs[..., 2:10, 2:10], plain.inputs)

    def test_size_does_not_move_the_split(self):
        assert index_sets(load_digits(size=16)) == index_sets(load_digits())

    @pytest.mark.parametrize(("size", "margin"), [(8, 4), (8, 5), (8, -1), (0, 0)])
    def test_no_room_is_refused(self, size, margin):
        message = f"size is {size} and margin is {margin}; give a margin of 0 or more, and a size"
        with pytest.raises(ValueError, match=message):
            load_digits(size=size, margin=margin)


class TestLoadSolarCells:
    def test_split_is_pinned_by_its_checksum(self, cells):
        assert digest(cells) == "c90f32323eaac54b7f78f4ecdca94285772d758105592065293289376a145743"

    @pytest.mark.parametrize("kind", ["mono", "poly"])
    def test_counts_of_kind_and_probability_are_the_published_ones(self, kind):
        task = load_solar_cells(kind, size=SIZE)
        found = torch.cat([levels(part) for part in task.parts.values()])
        assert found.bincount().tolist() == COUNTS[kind]

    def test_weight_is_p_or_1_for_functional_cells(self, cells):
        for part in cells.parts.values():
            assert (part.weights[part.labels == 0] == 1).all()
            values = part.weights[part.labels == 1].unique()
            torch.testing.assert_close(values, torch.tensor([1 / 3, 2 / 3, 1]))

    def test_sum_of_all_weights_is_that_of_the_published_metric(self, cells):
        total = sum(part.weights.double().sum() for part in cells.parts.values())
        # METHODS 1.2: 1508 + 295/3 + 106 * 2/3 + 715 = 2392
        assert float(total) == pytest.approx(2392, abs=1e-3)

    def test_kind_tasks_are_cut_from_the_same_split(self, cells):
        whole = index_sets(cells)
        mono, poly = (index_sets(load_solar_cells(kind, size=SIZE)) for kind in ("mono", "poly"))
        for name, members in whole.items():
            assert mono[name] | poly[name] == members
            assert not mono[name] & poly[name]

    def test_question_of_kind_has_the_same_cells_and_no_weights(self, cells):
        task = load_solar_cells(question="kind", size=SIZE)
        poly = index_sets(load_solar_cells("poly", size=SIZE))
        assert task.classes == ("mono", "poly")
        assert index_sets(task) == index_sets(cells)
        for name, part in task.parts.items():
            assert part.weights is None
            assert set(part.indices[part.labels == 1].tolist()) == poly[name]

    def test_certain_only_drops_thirds_and_keeps_the_split(self, cells):
        certain = load_solar_cells(certain_only=True, size=SIZE)
        for name, part in certain.parts.items():
            whole = cells.parts[name]
            is_certain = (levels(whole) == 0) | (levels(whole) == 3)
            assert torch.equal(part.indices, whole.indices[is_certain])
            assert (part.weights == 1).all()
        assert sum(map(len, certain.parts.values())) == 1508 + 715

    def test_no_block_of_60_files_is_in_two_parts(self):
        task = load_solar_cells(split="blocks", size=SIZE)
        blocks = [set((part.indices // 60).tolist()) for part in task.parts.values()]
        assert sum(map(len, blocks)) == len(set.union(*blocks)) == 44
        assert len(blocks[2]) == 11  # a quarter
        together = torch.cat([part.indices for part in task.parts.values()])
        assert sorted(together.tolist()) == list(range(2624))

    def test_block_test_has_both_kinds_in_their_shares(self):
        task = load_solar_cells(question="kind", split="blocks", size=SIZE)
        mono, poly = task.test.class_counts().values()
        # 18 to 26 modules; one block more or less of 11 is 60 cells
        assert abs(mono - 0.25 * 1074) <= 60
        assert abs(poly - 0.25 * 1550) <= 60

    def test_random_split_does_tear_blocks_apart(self, cells):
        blocks = [set((part.indices // 60).tolist()) for part in cells.parts.values()]
        assert blocks[0] & blocks[2]

    def test_few_shot_takes_the_weights_along(self, cells):
        few = cells.few_shot(5, seed=0).train
        weight_of = dict(zip(cells.train.indices.tolist(), cells.train.weights, strict=True))
        assert [weight_of[index] for index in few.indices.tolist()] == few.weights.tolist()

    def test_name_says_which_cells(self):
        assert load_solar_cells("mono", size=SIZE).name == "is this mono cell defective"
        assert load_solar_cells(question="kind", size=SIZE).name == "which kind of solar cell"

    def test_licence_says_non_commercial(self, cells):
        assert "CC BY-NC-SA 4.0 (non-commercial)" in repr(cells)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"kind": "multi"}, "kind is 'multi'; give one of None, 'mono', 'poly'"),
            ({"question": "p"}, "question is 'p'; give one of 'defective', 'kind'"),
            ({"split": "module"}, "split is 'module'; give one of 'random', 'blocks'"),
            ({"size": 7}, "size is 7; give 8 to 300 pixels"),
            ({"size": 301}, "size is 301; give 8 to 300 pixels"),
            ({"kind": "mono", "question": "kind"}, "kind is 'mono' and question is 'kind'; ask"),
        ],
    )
    def test_bad_argument_is_refused_with_what_is_allowed(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            load_solar_cells(**arguments)


class TestLoaders:
    LOADERS = (load_mnist, load_digits, lambda **given: load_solar_cells(**{"size": SIZE} | given))
    each = pytest.mark.parametrize("load", LOADERS, ids=["mnist", "digits", "solar cells"])

    @each
    def test_what_is_done_to_a_task_is_not_seen_by_the_next(self, load):
        first = load()
        expected = {name: part.inputs.clone() for name, part in first.parts.items()}
        labels, indices = first.train.labels.clone(), first.train.indices.clone()
        for part in first.parts.values():
            for tensor in (part.inputs, part.labels, part.indices, part.weights):
                if tensor is not None:
                    tensor.fill_(1)
        again = load()
        assert all(part.inputs.equal(expected[name]) for name, part in again.parts.items())
        assert again.train.labels.equal(labels) and again.train.indices.equal(indices)

    @each
    def test_whole_numbers_of_numpy_work(self, load):
        assert digest(load(split_seed=np.int64(2))) == digest(load(split_seed=2))

    @each
    @pytest.mark.parametrize("seed", [-1, 1.5, True, "0", None, np.float64(1)])
    def test_seed_that_is_none_is_refused_in_one_line(self, load, seed):
        with pytest.raises((TypeError, ValueError), match="^split_seed is [^\n]*; give [^\n]*$"):
            load(split_seed=seed)

    @pytest.mark.parametrize(
        ("load", "arguments"),
        [
            (load_digits, {"size": 8.0}),
            (load_digits, {"margin": True}),
            (load_solar_cells, {"size": "64"}),
            (load_solar_cells, {"size": True}),
            (load_solar_cells, {"size": SIZE, "certain_only": 1}),
            (load_solar_cells, {"size": SIZE, "kind": 1}),
            (load_solar_cells, {"size": SIZE, "split": ["random"]}),
            (solar_cell_images, {"size": 8.5}),
        ],
    )
    def test_argument_of_another_type_is_refused_in_one_line(self, load, arguments):
        with pytest.raises(
            (TypeError, ValueError), match=f"^{list(arguments)[-1]} is [^\n]*; give"
        ):
            load(**arguments)


class TestSolarCellImages:
    def test_what_is_done_to_them_is_not_seen_by_the_next_call(self):
        first = solar_cell_images(SIZE)
        expected = first.clone()
        first.zero_()
        assert solar_cell_images(SIZE).equal(expected)

    @pytest.mark.parametrize(
        "rows", [[2623, 0], np.array([2623, 0]), torch.tensor([2623, 0]).int()]
    )
    def test_rows_may_be_a_list_or_an_array(self, rows):
        expected = solar_cell_images(SIZE)[[2623, 0]]
        assert solar_cell_images(SIZE, rows=rows).equal(expected)

    @pytest.mark.parametrize(
        "rows", [[2624], [-1], [0.5], torch.ones(2624).bool(), np.ones(2624, bool), "all"]
    )
    def test_rows_that_are_none_are_refused(self, rows):
        with pytest.raises((TypeError, ValueError), match="rows (is|goes) .*; give"):
            solar_cell_images(SIZE, rows=rows)

    def test_rows_are_found_by_the_indices_of_each_task(self, cells):
        images = solar_cell_images(SIZE)
        assert images.shape == (2624, 1, SIZE, SIZE)
        assert torch.equal(images[cells.test.indices], cells.test.inputs)

    def test_some_rows_are_those_of_all(self):
        rows = torch.tensor([2623, 0, 7])
        assert solar_cell_images(SIZE, rows=rows).equal(solar_cell_images(SIZE)[rows])

    def test_values_go_from_0_to_1(self):
        images = solar_cell_images(SIZE)
        assert 0 <= images.min() and images.max() <= 1
        assert images.max() > 0.5  # and not 0.5 / 255

    @pytest.mark.parametrize("row", [0, 1234, 2623])
    def test_pillow_resizes_the_same_file_to_the_same_pixels(self, row):
        folder = package_path("solar_cells")
        lines = (folder / "labels.csv").read_text(encoding="utf-8").splitlines()
        with Image.open(folder / lines[row].split()[0]) as file:
            small = file.convert("F").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        expected = torch.tensor(np.array(small)) / 255
        # grey values are kept in steps of 1/255, so half a step is lost
        torch.testing.assert_close(
            solar_cell_images(SIZE)[row, 0], expected, atol=0.51 / 255, rtol=0
        )

"""Tests of course_utils.experiments."""

import math
import os
import threading
from functools import partial

import numpy as np
import pytest
import torch
from scipy import stats

from course_utils.experiments.claims import ClaimError, claim
from course_utils.experiments.claims import ClaimError as SameError
from course_utils.experiments.claims import claim as same_claim
from course_utils.experiments.results import Estimate, Results, estimate, paired_difference
from course_utils.experiments.runs import repeat


def results(*curves, arm="a", sizes=(1, 10, 100)):
    """One row for each curve."""
    return Results([{(arm, s): v for s, v in zip(sizes, c, strict=True)} for c in curves])


class TestEstimate:
    def test_interval_is_that_of_scipy(self):
        values = [0.61, 0.7, 0.55, 0.68, 0.66, 0.59]
        low, high = stats.t.interval(0.95, 5, loc=np.mean(values), scale=stats.sem(values))
        found = estimate(values)
        assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
        assert found.mean == pytest.approx(np.mean(values))
        assert found.num_seeds == 6

    def test_interval_by_hand(self):
        # mean 2, standard deviation 1, t(0.975; 2) = 4.302653 of any table
        found = estimate([1, 2, 3])
        assert found.high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)

    def test_text_has_mean_and_ends(self):
        assert str(Estimate(0.5, 0.25, 0.75, 5)) == "0.500 [0.250, 0.750]"

    @pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [1.0, math.inf]])
    def test_too_few_or_infinite_values_are_refused(self, values):
        with pytest.raises(ValueError, match=r"values is \[.*give two or more finite numbers"):
            estimate(values)


class TestPairedDifference:
    def test_luck_of_the_seed_cancels(self):
        luck = np.array([0.0, 0.2, -0.1, 0.1, -0.2])
        first = 0.7 + luck + np.array([0.01, -0.01, 0.0, 0.01, -0.01])
        second = 0.6 + luck
        paired = paired_difference(first, second)
        assert paired.mean == pytest.approx(0.1)
        unpaired = stats.ttest_ind(first, second).confidence_interval()
        assert paired.high - paired.low < 0.2 * (unpaired.high - unpaired.low)

    def test_interval_is_that_of_the_paired_t_test(self):
        first, second = [0.7, 0.8, 0.9, 0.6], [0.5, 0.7, 0.95, 0.4]
        expected = stats.ttest_rel(first, second).confidence_interval()
        found = paired_difference(iter(first), iter(second))
        assert (found.low, found.high) == (
            pytest.approx(expected.low),
            pytest.approx(expected.high),
        )

    def test_different_lengths_are_refused(self):
        with pytest.raises(ValueError, match="first has 2 values and second 3; give one of each"):
            paired_difference([1, 2], [1, 2, 3])


class TestResults:
    def make(self):
        return Results(
            [
                {("scratch", 5): 0.5, ("scratch", 20): 0.7, ("frozen", 5): 0.8},
                {("scratch", 5): 0.6, ("scratch", 20): 0.9, ("frozen", 5): 0.7},
            ]
        )

    def test_arms_and_sizes_are_found(self):
        found = self.make()
        assert found.arms == ["scratch", "frozen"]
        assert found.sizes("scratch") == [5, 20]
        assert found.sizes("frozen") == [5]

    def test_values_are_in_the_order_of_the_seeds(self):
        assert self.make().values("frozen", 5).tolist() == [0.8, 0.7]

    def test_estimates_and_differences_are_those_of_the_values(self):
        found = self.make()
        assert found.estimate("scratch", 20) == estimate([0.7, 0.9])
        expected = paired_difference([0.8, 0.7], [0.5, 0.6])
        assert found.difference("frozen", "scratch", 5) == expected

    def test_text_is_a_table_with_gaps(self):
        lines = str(self.make()).splitlines()
        assert lines[0].split() == ["5", "20"]
        assert lines[1].startswith("scratch  0.550 [-0.085, 1.185]")
        assert lines[2].rstrip() == "frozen   0.750 [0.115, 1.385]"
        assert lines[0].index("20") == lines[1].index("0.800")

    def test_columns_of_the_table_never_touch(self):
        low = Results([{("a", 1): -12345.6, ("a", 2): 1.0}, {("a", 1): 99999.9, ("a", 2): 2.0}])
        head, line = str(low).splitlines()
        assert line[head.index("2") - 1] == " "
        assert line[head.index("2") :] == str(low.estimate("a", 2))

    def test_a_wide_table_goes_on_below_in_parts_of_like_width(self):
        sizes = (1, 4, 8, 16, 32, 255)
        wide = Results([{("arm", size): size + seed for size in sizes} for seed in (0, 1)])
        parts = [part.splitlines() for part in str(wide).split("\n\n")]
        assert [lines[0].split() for lines in parts] == [["1", "4", "8"], ["16", "32", "255"]]
        assert all(len(line) <= 110 for lines in parts for line in lines)
        for part, shown in zip(parts, (sizes[:3], sizes[3:]), strict=True):
            cells = [str(wide.estimate("arm", size)) for size in shown]
            assert part[1].split() == ["arm", *" ".join(cells).split()]

    def test_one_column_is_shown_however_wide(self):
        wide = Results([{("a" * 200, size): 1.0 for size in (1, 2)} for _ in range(2)])
        assert [part.split()[0] for part in str(wide).split("\n\n")] == ["1", "2"]

    def test_selected_arms_keep_their_values_and_order(self):
        found = self.make().select(arm for arm in ("frozen",))
        assert (found.arms, found.sizes("frozen")) == (["frozen"], [5])
        assert found.values("frozen", 5).tolist() == [0.8, 0.7]
        assert self.make().select(["frozen", "scratch"]).arms == ["scratch", "frozen"]

    @pytest.mark.parametrize("arms", [[], ["frozen", "tuned"]])
    def test_unknown_or_no_arms_cannot_be_selected(self, arms):
        with pytest.raises(ValueError, match="give one or more of .*scratch"):
            self.make().select(arms)

    @pytest.mark.parametrize("rows", [[], [{("a", 1): 1.0}, {("a", 2): 1.0}]])
    def test_rows_that_do_not_fit_are_refused(self, rows):
        with pytest.raises(ValueError, match="rows .*same keys"):
            Results(rows)

    def test_missing_measurement_is_named(self):
        with pytest.raises(ValueError, match=r"\('frozen', 20\) was not measured; there is \["):
            self.make().values("frozen", 20)

    @pytest.mark.parametrize("method", ["sizes", "labels_needed"])
    def test_unknown_arm_is_refused_with_the_known_ones(self, method):
        arguments = ("tuned",) if method == "sizes" else ("tuned", 0.5)
        message = r"arm is 'tuned'; give one of \['scratch', 'frozen'\]"
        with pytest.raises(ValueError, match=message):
            getattr(self.make(), method)(*arguments)


class TestLabelsNeeded:
    @pytest.mark.parametrize(
        ("curve", "level", "expected"),
        [
            ((0.5, 0.7, 0.9), 0.7, 10),  # at a size
            ((0.5, 0.7, 0.9), 0.8, math.sqrt(10 * 100)),  # half-way, over the logarithm
            ((0.5, 0.7, 0.9), 0.55, 10**0.25),
            ((0.5, 0.7, 0.9), 0.9, 100),
            ((0.5, 0.7, 0.9), 0.91, math.inf),  # never gets there
            ((0.5, 0.7, 0.9), 0.4, 1),  # starts above
            ((0.5, 0.7, 0.9), 0.5, 1),
            ((0.5, 0.8, 0.7), 0.8, 10),  # falls afterwards: reached is reached
            ((0.5, 0.8, 0.7), 0.75, 10 ** (0.25 / 0.3)),
            ((0.5, 0.4, 0.7), 0.6, math.sqrt(1000)),  # not below 0.5 in between
            ((0.7, 0.7, 0.9), 0.7, 1),  # a plateau: the smallest size counts
            ((0.5, 0.7, 0.7), 0.7, 10),
        ],
    )
    def test_by_hand(self, curve, level, expected):
        assert results(curve).labels_needed("a", level).tolist() == [pytest.approx(expected)]

    def test_there_is_one_number_for_each_seed(self):
        found = results((0.5, 0.7, 0.9), (0.6, 0.6, 0.6), (0.7, 0.8, 0.9)).labels_needed("a", 0.7)
        assert found.tolist() == [pytest.approx(10), math.inf, pytest.approx(1)]

    def test_order_of_measurement_does_not_matter(self):
        shuffled = results((0.9, 0.5, 0.7), sizes=(100, 1, 10))
        assert shuffled.labels_needed("a", 0.8).tolist() == [pytest.approx(math.sqrt(1000))]


class TestRepeat:
    @pytest.fixture(autouse=True)
    def no_bar(self, monkeypatch):
        monkeypatch.setenv("TQDM_DISABLE", "1")

    def test_one_and_two_workers_give_the_same_rows(self):
        def experiment(seed):
            generator = torch.Generator().manual_seed(seed)
            square = torch.randn(50, 50, generator=generator)
            value = torch.linalg.svdvals(square).sum().item()
            threads, process = torch.get_num_threads(), os.getpid()
            return {("svd", 1): value, ("threads", 1): threads, ("process", 1): process}

        seeds = [4, 1, 3]
        alone, together = (repeat(experiment, seeds, num_workers=n) for n in (1, 2))
        assert alone.values("svd", 1).tolist() == together.values("svd", 1).tolist()
        assert len(set(alone.values("svd", 1))) == 3
        for found in (alone, together):
            assert found.values("threads", 1).tolist() == [1, 1, 1]
        assert set(alone.values("process", 1)) == {os.getpid()}
        assert os.getpid() not in together.values("process", 1)

    def test_rows_are_in_the_order_of_the_seeds(self):
        found = repeat(lambda seed: {("a", 1): float(seed)}, [7, 2, 5], num_workers=1)
        assert found.values("a", 1).tolist() == [7, 2, 5]

    @pytest.mark.parametrize("num_workers", [1, 2])
    def test_each_case_measures_its_arms_with_the_same_seeds(self, num_workers):
        unpicklable = threading.Lock()  # models and data are handed to a worker as they are

        def power(case, seed):
            exponent, _ = case
            found = {("power", exponent): float(seed) ** exponent}
            return found | ({("process", 1): os.getpid()} if exponent == 1 else {})

        cases = ((exponent, unpicklable) for exponent in (2, 1))
        found = repeat(power, [7, 2, 5], cases=cases, num_workers=num_workers)
        assert found.arms == ["power", "process"]
        assert found.sizes("power") == [1, 2]
        assert found.values("power", 2).tolist() == [49, 4, 25]
        assert found.values("power", 1).tolist() == [7, 2, 5]
        assert (os.getpid() in found.values("process", 1)) == (num_workers == 1)

    def test_no_case_or_an_arm_measured_twice_is_refused(self):
        with pytest.raises(ValueError, match="cases is empty; give one or more, or leave it out"):
            repeat(lambda case, seed: {("a", 1): 1.0}, [1, 2], cases=())
        message = r"case 'y' measures \('a', 1\), as a case before it does; let each case"
        with pytest.raises(ValueError, match=message):
            repeat(lambda case, seed: {("a", 1): 1.0}, [1, 2], cases="xy", num_workers=1)
        bound = partial(lambda word, case, seed: {("a", 1): 1.0}, "word")
        with pytest.raises(ValueError, match=message):  # named is the case, not the bound word
            repeat(bound, [1, 2], cases="xy", num_workers=1)

    @pytest.mark.parametrize("fails", [False, True])
    def test_number_of_threads_of_the_caller_stays(self, fails):
        def experiment(seed):
            if fails:
                raise RuntimeError("stop")
            return {("a", 1): torch.get_num_threads()}

        before = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            if fails:
                with pytest.raises(RuntimeError, match="stop"):
                    repeat(experiment, [1, 2], num_workers=1)
            else:
                assert repeat(experiment, [1, 2], num_workers=1).values("a", 1).tolist() == [1, 1]
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(before)

    @pytest.mark.parametrize(
        ("seeds", "num_workers"), [([], 1), ([1], 1), ([1, 1, 2], 1), ([1, 2], 0)]
    )
    def test_bad_arguments_are_refused(self, seeds, num_workers):
        message = rf"seeds is \[.*num_workers {num_workers}; give two or more different seeds"
        with pytest.raises(ValueError, match=message):
            repeat(lambda seed: {("a", 1): 1.0}, seeds, num_workers=num_workers)


class TestReExport:
    def test_lessons_find_claim_beside_repeat(self):
        assert same_claim is claim
        assert SameError is ClaimError

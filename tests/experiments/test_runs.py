"""Tests of course_utils.experiments."""

import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial

import joblib
import numpy as np
import psutil
import pytest
import torch
from scipy import stats
from threadpoolctl import threadpool_info, threadpool_limits

from course_utils.experiments import runs
from course_utils.experiments.estimates import Draws, Estimate, estimate, paired_difference
from course_utils.experiments.results import Results
from course_utils.experiments.runs import RunError

repeat = partial(runs.repeat, draws=Draws.starts())

PARENT = """
import os, sys, time
from pathlib import Path
from course_utils.experiments import workers
from course_utils.experiments.estimates import Draws
from course_utils.experiments.runs import repeat

workers.USED_BY_EACH_RUN = ()  # takes seconds

def forever(seed):
    Path(sys.argv[1], f"{os.getpid()}.pid").touch()
    deadline = time.time() + 60
    while seed == 1 and time.time() < deadline:
        pass
    time.sleep(60)

repeat(forever, [1, 2], draws=Draws.starts())
"""
MOST_NOTES = 40  # a guard: with more, processes multiply


class TwoArgumentsError(Exception):
    """Cannot be rebuilt by pickle."""

    def __init__(self, what, how):
        super().__init__(f"{what} {how}")


class HoldingError(Exception):
    """Cannot be pickled."""

    def __init__(self, what):
        super().__init__("held")
        self.what = what


@pytest.fixture(autouse=True)
def no_bar(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")


class Note:
    """Called in a run, it notes the process in a file; a process of too many ends itself."""

    def __init__(self, path):
        self.path = path

    def __call__(self):
        with self.path.open("a") as file:
            file.write(f"{os.getpid()}\n")
        if len(self.path.read_text().split()) > MOST_NOTES:
            os._exit(9)

    def processes(self):
        return {int(number) for number in self.path.read_text().split()}


@pytest.fixture
def note(tmp_path):
    return Note(tmp_path / "notes.txt")


def measure_one(seed):
    return {("a", 1): 1.0}


def interrupt_itself():
    raise KeyboardInterrupt


def leave_a_process_behind():
    """End this process, but leave one that holds its pipes open for a while."""
    if os.fork() == 0:
        time.sleep(40)
        os._exit(0)
    os._exit(5)


def children():
    return set(psutil.Process().children())


def wait_until(is_true, seconds):
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


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
        head, line, *_ = str(low).splitlines()
        assert line[head.index("2") - 1] == " "
        assert line[head.index("2") :] == str(low.estimate("a", 2))

    def test_a_wide_table_goes_on_below_in_parts_of_like_width(self):
        sizes = (1, 4, 8, 16, 32, 255)
        wide = Results([{("arm", size): size + seed for size in sizes} for seed in (0, 1)])
        *parts, last = [part.splitlines() for part in str(wide).split("\n\n")]
        assert [lines[0].split() for lines in parts] == [["1", "4", "8"], ["16", "32", "255"]]
        assert all(len(line) <= 110 for lines in parts for line in lines)
        assert last == ["2 seeds draw starts (or data) anew; runs share nothing."]
        for part, shown in zip(parts, (sizes[:3], sizes[3:]), strict=True):
            cells = [str(wide.estimate("arm", size)) for size in shown]
            assert part[1].split() == ["arm", *" ".join(cells).split()]

    def test_one_column_is_shown_however_wide(self):
        wide = Results([{("a" * 200, size): 1.0 for size in (1, 2)} for _ in range(2)])
        assert [part.split()[0] for part in str(wide).split("\n\n")[:-1]] == ["1", "2"]

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

    @pytest.mark.parametrize("num_workers", [1, 2])
    def test_rows_are_in_the_order_of_the_seeds(self, num_workers):
        def experiment(seed):
            time.sleep(0.2 * (seed == 7))  # the first ends last
            return {("a", 1): float(seed)}

        found = repeat(experiment, [7, 2, 5], num_workers=num_workers)
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

    @pytest.mark.parametrize("num_workers", [1, 2])
    def test_numpy_and_scikit_learn_have_one_thread_in_a_run(self, num_workers):
        def experiment(seed):
            return {(each["filepath"], 1): each["num_threads"] for each in threadpool_info()}

        with threadpool_limits(limits=2):
            before = [each["filepath"] for each in threadpool_info()]
            found = repeat(experiment, [1, 2], num_workers=num_workers)
            after = {each["filepath"]: each["num_threads"] for each in threadpool_info()}
        assert {after[file] for file in before} == {2}  # as it was
        assert {int(n) for file in found.arms for n in found.values(file, 1)} == {1}

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
        "seeds",
        [range(1, 3), np.array([1, 2]), torch.tensor([1, 2]), (np.int64(s) for s in (1, 2))],
    )
    def test_whole_numbers_of_every_kind_are_seeds(self, seeds):
        found = repeat(
            lambda seed: {("a", 1): seed, ("b", 1): type(seed) is int}, seeds, num_workers=1
        )
        assert found.values("a", 1).tolist() == [1, 2]
        assert found.values("b", 1).all()

    def test_a_number_in_a_tensor_or_array_is_a_number(self):
        found = repeat(
            lambda seed: {("a", 1): torch.tensor(seed / 2), ("b", 1): np.array(seed)}, [1, 2]
        )
        assert found.values("a", 1).tolist() == [0.5, 1]
        assert found.values("b", 1).tolist() == [1, 2]

    @pytest.mark.parametrize(
        ("seeds", "num_workers"), [([], 1), ([1], 1), ([1, np.int64(1), 2], 1), ([1, 2], 0)]
    )
    def test_too_few_seeds_or_workers_are_refused(self, seeds, num_workers):
        message = rf"seeds is \[.*num_workers {num_workers}; give two or more different seeds"
        with pytest.raises(ValueError, match=message):
            repeat(measure_one, seeds, num_workers=num_workers)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"seeds": 5}, "seeds is 5; give whole numbers, such as range"),
            ({"seeds": "12"}, "seeds has a text; give whole numbers"),
            ({"seeds": [1, 2.0]}, "seeds has 2.0; give whole numbers"),
            ({"seeds": [1, True]}, "seeds has True; give whole numbers"),
            ({"num_workers": True}, "num_workers is True; give a whole number"),
            ({"num_workers": 2.0}, "num_workers is 2.0; give a whole number"),
            ({"function": {"a": 1}}, "function is an object of type dict; give a function"),
            ({"cases": "xy"}, "cases is 'xy'; give a list of cases"),
            ({"cases": 3}, "cases is 3; give a list of cases"),
        ],
    )
    def test_arguments_of_another_type_are_refused(self, changed, message):
        with pytest.raises(TypeError, match=message):
            repeat(**({"function": measure_one, "seeds": [1, 2]} | changed))

    def test_no_case_is_refused(self):
        with pytest.raises(ValueError, match="cases is empty; give one or more, or leave it out"):
            repeat(measure_one, [1, 2], cases=())


@pytest.mark.slow
class TestFailedRuns:
    def error_of(self, function, num_workers=1, **arguments):
        with pytest.raises(RunError) as caught:
            repeat(function, [1, 2, 3], num_workers=num_workers, **arguments)
        assert len(str(caught.value).splitlines()) == 1
        return caught.value

    @pytest.mark.parametrize("num_workers", [1, 2])
    @pytest.mark.parametrize(
        ("make", "line"),
        [
            (lambda: ValueError("too small"), "ValueError: too small"),
            (lambda: TwoArgumentsError("disk", "full"), "TwoArgumentsError: disk full"),
            (lambda: HoldingError(threading.Lock()), "HoldingError: held"),
            (lambda: type("Local", (Exception,), {})("here"), "Local: here"),
            (lambda: ValueError("two\nlines"), "ValueError: two"),
        ],
    )
    def test_cause_seed_and_case_are_named_and_finished_runs_kept(self, num_workers, make, line):
        def experiment(case, seed):
            if (case, seed) == ("y", 3):
                raise make()
            return {(case, 1): seed}

        error = self.error_of(experiment, num_workers, cases=["x", "y"])
        text = str(error).replace(f"{__name__}.", "")
        assert text.startswith(f"the run of seed 3, case 'y' failed: {line}. 5 of 6 runs had finis")
        assert text.endswith("kept in the error's .finished (here: sys.last_value.finished)")
        assert error.finished == {
            1: {("x", 1): 1, ("y", 1): 1},
            2: {("x", 1): 2, ("y", 1): 2},
            3: {("x", 1): 3},
        }
        shown = "".join(traceback.format_exception(error))
        assert "raise make()" in shown  # the line of the function, in a worker too
        assert line.split(": ")[0] in shown

    @pytest.mark.parametrize("num_workers", [1, 2])
    def test_errors_from_c_are_causes(self, num_workers):
        def experiment(seed):
            np.linalg.inv(np.zeros((2, 2)))

        error = self.error_of(experiment, num_workers)
        assert isinstance(error.__cause__, np.linalg.LinAlgError)

    @pytest.mark.parametrize(
        ("returned", "message"),
        [
            (None, "it returned None; return a dict from"),
            (0.5, "it returned 0.5; return a dict from"),
            ({}, "it returned an empty dict; return"),
            ({"accuracy": 0.5}, "it returned a dict with the key 'accuracy'; return"),
            ({("a", None): 0.5}, r"it returned a dict with the key \('a', None\); return"),
            ({("a", 1): "0.5"}, r"it returned '0.5' for \('a', 1\); return"),
            ({("a", 1): math.nan}, r"it returned nan for \('a', 1\); return"),
            ({("a", 1): torch.ones(2)}, "it returned an object of type Tensor for"),
        ],
    )
    def test_what_is_no_measurement_is_named(self, returned, message):
        error = self.error_of(lambda seed: returned if seed == 2 else {("a", 1): 1.0})
        assert re.search(f"the run of seed 2 failed: TypeError: {message}", str(error))

    def test_an_arm_measured_twice_or_not_by_all_seeds_is_named(self):
        def twice(word, case, seed):
            return {("a", 1): 1.0}

        def missing(seed):
            return {("a", 1): 1.0} | ({("b", 1): 1.0} if seed != 3 else {})

        error = self.error_of(partial(twice, "word"), cases=["x", ("y", torch.ones(1))])
        assert str(error).startswith(
            "case ('y', an object of type Tensor) measures ('a', 1), as a case before it does; let"
        )
        error = self.error_of(missing)
        assert str(error).startswith(
            "the run of seed 3 does not measure ('b', 1), other than seed 1"
        )
        assert error.finished[2] == {("a", 1): 1.0, ("b", 1): 1.0}


@pytest.mark.slow
class TestWorkers:
    @pytest.mark.parametrize(
        ("end", "message"),
        [
            (lambda: os._exit(4), "its process ended with exit code 4"),
            (
                lambda: os.kill(os.getpid(), signal.SIGKILL),
                "its process was ended by SIGKILL",
            ),
            (leave_a_process_behind, "its process ended with exit code 5"),
            (lambda: sys.exit(3), "SystemExit: 3"),
            (interrupt_itself, "KeyboardInterrupt"),
        ],
        ids=["exit", "killed", "left behind", "SystemExit", "KeyboardInterrupt"],
    )
    def test_a_worker_that_ends_is_named_and_finished_runs_kept(self, end, message):
        def experiment(seed):
            if seed == 3:
                end()
            return {("a", 1): seed}

        before, started = children(), time.monotonic()
        with pytest.raises(RunError, match=f"the run of seed 3 failed: {message}") as caught:
            repeat(experiment, [1, 2, 3])
        assert time.monotonic() - started < 30
        assert caught.value.finished == {1: {("a", 1): 1}, 2: {("a", 1): 2}}
        assert children() <= before

    def test_an_arm_that_cannot_be_sent_is_named(self):
        with pytest.raises(RunError, match="what it found cannot be sent.*pickle"):
            repeat(lambda seed: {(lambda: 0, 1): 1.0}, [1, 2])

    def test_a_nested_call_runs_the_inner_function_in_the_same_process(self, note):
        def inner(seed):
            note()
            return {("seed", 1): seed, ("process", 1): os.getpid()}

        def outer(seed):
            note()
            found = repeat(inner, [seed, seed + 1])
            at_home = set(found.values("process", 1)) == {os.getpid()}
            return {("sum", 1): found.values("seed", 1).sum(), ("at home", 1): at_home}

        found = repeat(outer, [0, 1, 2])
        assert found.values("sum", 1).tolist() == [1, 3, 5]
        assert found.values("at home", 1).all()
        assert len(note.processes()) == 2

    def test_what_a_nested_call_had_finished_is_kept(self):
        def outer(seed):
            repeat(lambda inner: {("a", 1): 2 / (1 - inner)}, [0, 1])
            return {("a", 1): 1.0}

        with pytest.raises(
            RunError, match="seed [56] failed: .*RunError: the run of seed 1 fail"
        ) as e:
            repeat(outer, [5, 6])
        assert e.value.__cause__.finished == {0: {("a", 1): 2.0}}

    @pytest.mark.parametrize(
        ("caller", "most"), [("threads", 2), ("fork", 2), ("joblib", 0), ("one worker", 0)]
    )
    def test_no_caller_gets_more_processes_than_workers(self, caller, most, note):
        def run(seed):
            note()
            time.sleep(0.2)
            return {("a", 1): seed}

        def call(_=0):
            repeat(run, [1, 2])
            return {("a", 1): 1}

        if caller == "threads":
            with ThreadPoolExecutor(3) as pool:
                list(pool.map(call, range(3)))
        elif caller == "fork":
            for _ in range(2):
                if os.fork() == 0:
                    call()
                    os._exit(0)
            for _ in range(2):
                os.wait()
        elif caller == "one worker":
            repeat(call, [1, 2], num_workers=1)
        else:
            joblib.Parallel(2, backend="threading")(joblib.delayed(call)() for _ in range(3))
        assert len(note.processes() - {os.getpid()}) <= most

    def test_a_run_may_use_joblib_after_the_notebook_did(self):
        """Its workers do not survive a fork: a run that asked them would wait for ever."""

        def inner(seed):
            return {
                ("a", 1): sum(
                    joblib.Parallel(n_jobs=2)(joblib.delayed(int)(each) for each in (seed, 1))
                )
            }

        assert sum(joblib.Parallel(n_jobs=2)(joblib.delayed(int)(each) for each in (1, 2))) == 3
        assert repeat(inner, [0, 1]).values("a", 1).tolist() == [1, 2]

    def test_a_fraction_is_a_number(self):
        found = repeat(lambda seed: {("a", 1): Fraction(1, 4)}, [0, 1], num_workers=1)
        assert found.values("a", 1).tolist() == [0.25, 0.25]

    def test_after_a_failure_there_are_workers_again(self):
        with pytest.raises(RunError):
            repeat(lambda seed: 1 / 0, [1, 2])
        found = repeat(lambda seed: {("process", 1): os.getpid()}, [1, 2])
        assert os.getpid() not in found.values("process", 1)

    def test_ctrl_c_ends_the_workers_and_keeps_what_was_finished(self):
        def experiment(seed):
            if seed == 3:  # started when the first has finished
                os.kill(os.getppid(), signal.SIGINT)
            if seed > 1:
                time.sleep(60)
            return {("a", 1): seed}

        before, started = children(), time.monotonic()
        with pytest.raises(KeyboardInterrupt) as caught:
            repeat(experiment, [1, 2, 3])
        assert time.monotonic() - started < 50
        assert caught.value.finished == {1: {("a", 1): 1}}
        assert children() <= before

    def test_ctrl_c_that_also_reaches_a_worker_is_left_to_the_parent(self):
        def experiment(seed):
            os.kill(os.getpid(), signal.SIGINT)
            return {("a", 1): seed}

        assert repeat(experiment, [1, 2]).values("a", 1).tolist() == [1, 2]

    def test_no_worker_outlives_a_killed_parent(self, tmp_path):
        script = tmp_path / "parent.py"
        script.write_text(PARENT)
        parent = subprocess.Popen([sys.executable, script, tmp_path])
        try:
            wait_until(lambda: len(list(tmp_path.glob("*.pid"))) == 2, 60)
            workers = [int(file.stem) for file in tmp_path.glob("*.pid")]
            assert all(map(psutil.pid_exists, workers))
        finally:
            parent.kill()
            parent.wait()
        wait_until(lambda: not any(map(psutil.pid_exists, workers)), 5)

    def test_a_backend_of_joblib_that_the_caller_chose_is_used(self):
        def experiment(seed):
            if seed == 3:
                raise TwoArgumentsError("disk", "full")
            return {("process", 1): os.getpid()}

        with joblib.parallel_config(backend="threading"):
            found = repeat(experiment, [1, 2])
            with pytest.raises(RunError, match="seed 3 failed: .*TwoArgumentsError: disk full"):
                repeat(experiment, [1, 2, 3])
        assert set(found.values("process", 1)) == {os.getpid()}

    def test_where_forking_is_unsafe_joblib_starts_fresh_processes(self, monkeypatch):
        monkeypatch.setattr(sys, "platform", "darwin")
        parent = os.getpid()

        def experiment(seed):
            inner = repeat(lambda seed: {("process", 1): os.getpid()}, [1, 2])
            at_home = set(inner.values("process", 1)) == {os.getpid()}
            return {("fresh", 1): os.getpid() != parent, ("at home", 1): at_home}

        found = repeat(experiment, [1, 2])
        assert found.values("fresh", 1).all()
        assert found.values("at home", 1).all()

"""How many images a second does a frozen network turn into features? Step by step, in one run."""

import statistics
import time

import torch

from course_utils.data.images import solar_cell_images
from course_utils.models.imagenet import imagenet_backbone
from course_utils.models.inference import forward_batches
from course_utils.models.surgery import folded

SIZE = 128  # pixels
NUM_IMAGES = 256
ROUNDS = 5  # each way is timed in each round, so that a busy moment hits all ways


def ways(images: torch.Tensor) -> dict:
    """Return the ways: for each its network, its batches, and what else belongs to it."""
    backbone = imagenet_backbone().eval()
    inputs = backbone.preprocessing(images)
    plain = backbone.body.to(memory_format=torch.contiguous_format)
    last = folded(backbone.body)  # channels last
    unfolded = imagenet_backbone().eval().body  # channels last as well
    rows = inputs.contiguous(memory_format=torch.channels_last)
    large, small = rows.split(64), rows.split(len(forward_batches(images)[0]))
    return {
        "plain eager, batches of 64": (plain, inputs.contiguous().split(64), torch.no_grad),
        "and inference mode": (plain, inputs.contiguous().split(64), torch.inference_mode),
        "and channels last": (unfolded, large, torch.inference_mode),
        "and BatchNorm folded": (last, large, torch.inference_mode),
        f"and batches of {len(small[0])} (the course)": (last, small, torch.inference_mode),
        "the course, one thread": (last, small, torch.inference_mode),
        "the course, bfloat16": (last, small, half_precision),
        "the course, torch.compile": (torch.compile(last), small, torch.no_grad),
    }


class half_precision:  # noqa: N801, used like torch.no_grad
    """Inference mode with a third of the digits where the processor has instructions for them."""

    def __enter__(self):
        self.parts = torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16)
        for part in self.parts:
            part.__enter__()

    def __exit__(self, *error):
        for part in reversed(self.parts):
            part.__exit__(*error)


def seconds_for(way) -> float:
    """Send all batches through a network once."""
    network, batches, mode = way
    start = time.perf_counter()
    with mode():
        for batch in batches:
            network(batch)
    return time.perf_counter() - start


def measure() -> dict:
    """Time all ways in turns. The first pass of each, which prepares, is reported apart."""
    images = solar_cell_images(SIZE)[:NUM_IMAGES]
    all_ways, threads = ways(images), torch.get_num_threads()
    first, seconds = {}, {name: [] for name in all_ways}
    for number in range(ROUNDS + 1):
        for name, way in all_ways.items():
            torch.set_num_threads(1 if "one thread" in name else threads)
            try:
                found = seconds_for(way)
            except RuntimeError as error:  # without a C++ compiler, torch.compile cannot run
                first[name] = f"failed: {type(error).__name__}"
                continue
            if number == 0:
                first[name] = found
            else:
                seconds[name].append(found)
    torch.set_num_threads(threads)
    rates = {
        name: NUM_IMAGES / statistics.median(found) for name, found in seconds.items() if found
    }
    return {"image_size": SIZE, "images_per_second": rates, "seconds_of_first_pass": first}

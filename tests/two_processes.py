"""Trainings that `test_processes.py` does alone and that two processes do together.

``python -m torch.distributed.run --nproc-per-node 2 two_processes.py FOLDER`` writes what each
process has found into a file of the folder.
"""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from toys import Net, make_samples

from course_utils.models.freezing import freeze
from course_utils.objectives.adversarial import DomainAdversarial
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L1, L2
from course_utils.training.loop import fit


def train(wrapped, model, samples, objective, **options):
    """Train a model, and return all that must be the same: the course and the weights."""
    history = fit(wrapped(model), samples, objective, **options)
    return {
        "terms": history.terms,
        "validation": history.validation_loss,
        "best epoch": history.best_epoch,
        "weights": {name: value.tolist() for name, value in model.state_dict().items()},
    }


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))


def uneven(wrapped):
    """Batches of 7 and of 5 samples, which count differently, and a rate that changes."""
    options = {"batch_size": 7, "learning_rate": 0.05, "schedule": "one_cycle", "num_epochs": 4}
    objective = CrossEntropy() + 0.1 * L2() + 0.01 * L1()
    return train(wrapped, small(), make_samples(33, weighted=True), objective, **options)


def stopped(wrapped):
    """Batches of one sample, of which one process gets none; and a validation that decides."""
    options = {"batch_size": 1, "learning_rate": 0.1, "num_epochs": 30, "optimizer": "sgd"}
    options |= {"validation": make_samples(10, seed=3), "patience": 2}
    return train(wrapped, small(), make_samples(9), CrossEntropy(), **options)


def searched(wrapped):
    """Let an optimiser go as far as the loss of the whole batch tells, to the one minimum."""
    objective, options = CrossEntropy() + 0.1 * L2(), {"batch_size": 33, "learning_rate": 1.0}
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    return train(
        wrapped, model, make_samples(33), objective, num_epochs=2, optimizer="lbfgs", **options
    )


def frozen(wrapped):
    """BatchNorm that is frozen, in a backbone whose features a term may look at."""
    model = Net()
    freeze(model.backbone)
    return train(wrapped, model, make_samples(20), CrossEntropy(), num_epochs=2, batch_size=6)


def refusals(wrapped, rank):
    """Return what is said where two processes would not do what one does."""
    term = DomainAdversarial(make_samples().inputs, num_features=6, ramp_steps=10)
    model = Net()
    freeze(model.backbone[1])
    asked = {
        "batchnorm": (Net(), 20, CrossEntropy()),
        "helper": (model, 20, CrossEntropy() + term),
        "samples": (small(), 20 + rank, CrossEntropy()),
    }
    said = {}
    for name, (network, number, objective) in asked.items():
        try:
            fit(wrapped(network), make_samples(number), objective, num_epochs=1)
        except ValueError as error:
            said[name] = str(error)
    return said


RUNS = {"uneven": uneven, "stopped": stopped, "searched": searched, "frozen": frozen}

if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    found = {name: run(DistributedDataParallel) for name, run in RUNS.items()}
    found["refused"] = refusals(DistributedDataParallel, rank)
    Path(sys.argv[1], f"{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    dist.destroy_process_group()

"""Checks of data: what the weights expect, what labels say, and who is in which part."""

import torch
from torch import Tensor

from course_utils.audit.report import Finding
from course_utils.audit.subject import NotCheckable, Subject

SURE = 0.7  # share of right answers, and mean probability, of a model that has learned
FIRST = 128  # samples whose answers are compared
NEAR = 0.9999  # cosine of two inputs, each less its mean, from which they count as one


def input_range(subject: Subject) -> Finding:
    """Check that images have the values that the weights expect."""
    name = "input range"
    images = subject.part().images
    if images is None:
        return Finding(name, "not checked", "The inputs are no images or features.")
    if not images.is_floating_point():
        what = f"The inputs are {str(images.dtype).removeprefix('torch.')}, not real numbers."
        return Finding(name, "wrong", what, "Divide by 255: images.float() / 255.")
    values = images.detach().float()
    if not values.isfinite().all():
        return Finding(name, "wrong", "An input is NaN or infinite.", "Remove or repair it.")
    low, high = values.min().item(), values.max().item()
    told = f"Inputs go from {low:.3g} to {high:.3g}."
    if values.ndim == 4 and high > 30 and low >= 0:
        return Finding(name, "wrong", told, "Images have values from 0 to 1: divide by 255.")
    expected = _expected(subject)
    if expected is None or values.ndim != 4:
        return Finding(name, "ok", told)
    bottom, top = expected
    told += f" The weights expect {bottom:.3g} to {top:.3g}."
    slack = 0.02 * (top - bottom)
    if low < bottom - slack or high > top + slack:
        return Finding(name, "wrong", told, "Normalise with the mean and std of these weights.")
    middle = (bottom + top) / 2
    if low >= middle - slack or high <= middle + slack:
        return Finding(name, "suspicious", told, "Half of that range is not used: normalise.")
    return Finding(name, "ok", told)


def _expected(subject) -> tuple[float, float] | None:
    """Return the smallest and largest value that an image from 0 to 1 can become."""
    own = getattr(subject.model, "preprocessing", None)
    own = own or getattr(getattr(subject.model, "backbone", None), "preprocessing", None)
    if own is not None:
        return 0.0, 1.0  # the network prepares its images itself
    given = subject.preprocessing
    if given is None:
        return None
    read = given.get if isinstance(given, dict) else lambda key: getattr(given, key, None)
    if read("mean") is None or read("std") is None:
        raise NotCheckable("Give preprocessing with mean and std, such as a dict.")
    mean, std = (torch.as_tensor(read(key), dtype=torch.float64) for key in ("mean", "std"))
    return float(((0 - mean) / std).min()), float(((1 - mean) / std).max())


def input_shape(subject: Subject) -> Finding:
    """Check that all parts have inputs of one shape."""
    name = "input shape"
    shapes = {
        n: tuple(p.images.shape[1:]) for n, p in subject.parts.items() if p.images is not None
    }
    if not shapes:
        return Finding(name, "not checked", "The inputs are no images or features.")
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{part} {shape}" for part, shape in shapes.items())
        return Finding(name, "wrong", f"Shapes differ: {told}.", "Resize all parts alike.")
    return Finding(name, "ok", f"All inputs have the shape {next(iter(shapes.values()))}.")


def labels(subject: Subject) -> Finding:
    """Check that labels are classes of the model, and that each part has all of them."""
    name = "labels"
    given = {n: p.all_labels for n, p in subject.parts.items() if p.all_labels is not None}
    subject.part()
    if not given:
        return Finding(name, "not checked", "Give labels, too: a pair (inputs, labels).")
    if any(each.is_floating_point() or each.ndim != 1 for each in given.values()):
        return Finding(name, "ok", "Labels are no classes, but numbers.")
    num_classes = subject.outputs.shape[-1]
    for part, each in given.items():
        low, high = int(each.min()), int(each.max())
        if low < 0 or high >= max(num_classes, 2):
            told = f"Labels of {part} go from {low} to {high}; the model has {num_classes} outputs."
            return Finding(name, "wrong", told, "Number the classes from 0, or replace the head.")
    present = {part: set(each.unique().tolist()) for part, each in given.items()}
    every = set().union(*present.values())
    for part, found in present.items():
        if found != every:
            told = f"Class {min(every - found)} does not occur in {part}."
            return Finding(name, "suspicious", told, "Split each class by the same shares.")
    unused = num_classes - 1 - max(every)
    if unused > 0 and num_classes > 2:
        told = f"The model has {num_classes} outputs, the labels {len(every)} classes."
        return Finding(name, "suspicious", told, "Replace the head by one with as many outputs.")
    counts = next(iter(given.values())).bincount()
    fewest, most = int(counts[counts > 0].min()), int(counts.max())
    return Finding(name, "ok", f"{len(every)} classes, {fewest} to {most} samples each.")


def class_order(subject: Subject) -> Finding:
    """Check that the same number means the same class everywhere."""
    name = "class order"
    subject.part()  # without data there is nothing to compare
    named = {part: p.classes for part, p in subject.parts.items() if p.classes}
    own = getattr(subject.model, "classes", None)
    named |= {"the model": tuple(own)} if isinstance(own, list | tuple) else {}
    for part, classes in named.items():
        first, reference = next(iter(named.items()))
        if classes != reference:
            told = f"{first} and {part} name their classes in another order or other ones."
            return Finding(name, "wrong", told, "Use one list of classes for all parts.")
    right, best, sure = _with_and_without_renaming(subject)
    if sure > SURE and best > SURE and best - right > 0.3:
        told = f"{right:.0%} of the answers are right; with classes renamed, {best:.0%} would be."
        return Finding(name, "wrong", told, "Compare the order of classes of labels and model.")
    return Finding(name, "ok", "The numbers of the classes agree, as far as can be seen.")


def _with_and_without_renaming(subject) -> tuple[float, float, float]:
    """Return accuracy, accuracy with each output given the class that fits, and how sure it is."""
    from scipy.optimize import linear_sum_assignment  # slow to import

    part = next(subject.parts[n] for n in ("validation", "test", "train") if n in subject.parts)
    given = part.labels
    if given is None or given.is_floating_point() or given.ndim != 1 or given.min() < 0:
        return 0.0, 0.0, 0.0
    part = part.first(FIRST)
    given, outputs = part.labels, subject.answers(part).cpu()
    if outputs.ndim != 2 or given.max() >= outputs.shape[1] or len(outputs) < 5 * outputs.shape[1]:
        return 0.0, 0.0, 0.0
    table = torch.zeros(2 * (outputs.shape[1],), dtype=torch.int64)
    table.index_put_((given.cpu(), outputs.argmax(1)), torch.tensor(1), accumulate=True)
    best = table.numpy()[linear_sum_assignment(-table.numpy())].sum()
    sure = outputs.softmax(1).amax(1).mean()
    return float(table.diagonal().sum()) / len(outputs), float(best) / len(outputs), float(sure)


def duplicates(subject: Subject) -> Finding:
    """Check that no input of a part occurs in another part."""
    name = "duplicates across parts"
    if len(subject.parts) < 2:
        return Finding(name, "not checked", "Give two or more of train, validation and test.")
    hashes = {part: set(p.hashes) for part, p in subject.parts.items()}
    pairs = [(a, b) for a in hashes for b in hashes if a < b]
    for one, other in pairs:
        both = len(hashes[one] & hashes[other])
        if both:
            told = f"{both} inputs of {other} are also in {one}."
            return Finding(name, "wrong", told, "Remove copies before you split.")
    return Finding(name, "ok", "No input occurs in two parts.")


def near_duplicates(subject: Subject) -> Finding:
    """Check that no two inputs in two parts are nearly equal."""
    name = "near duplicates"
    tables = {n: _directions(p.images) for n, p in subject.parts.items() if p.images is not None}
    if len(tables) < 2:
        return Finding(
            name, "not checked", "Give two or more of train, validation and test, as images."
        )
    for one, other in ((a, b) for a in tables for b in tables if a < b):
        if tables[one].shape[1] != tables[other].shape[1]:
            return Finding(name, "not checked", "The parts have inputs of other shapes.")
        like = (tables[one] @ tables[other].T).amax(0)
        count = int((like > NEAR).sum())
        if count:
            told = f"{count} of {len(like)} inputs of {other} nearly equal one of {one}"
            told += f" (cosine above {NEAR:g})."
            return Finding(name, "suspicious", told, "Look at them; split by groups.")
    return Finding(name, "ok", f"Among the first samples none is alike (cosine above {NEAR:g}).")


def _directions(images: Tensor) -> Tensor:
    rows = images.detach().float().flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    lengths = rows.norm(dim=1, keepdim=True)
    return torch.where(lengths > 1e-6, rows / lengths.clamp(min=1e-6), 0.0)

"""Checks of data: what labels say, and who is in which part."""

import torch
from torch import Tensor

from course_utils.audit.loss_probes import has_class_labels, ignored, scores_classes
from course_utils.audit.report import Finding
from course_utils.audit.subject import Subject

SURE = 0.7  # share of right answers, and mean probability, of a model that has learned
FIRST = 128  # samples whose answers are compared
NEAR = 0.9999  # cosine of two images, each less its mean, from which they count as one
PIXELS = 50  # of two images with fewer numbers, many are nearly equal by chance


def labels(subject: Subject) -> Finding:
    """Check that labels are classes of the model, and that each part has all of them."""
    name = "labels"
    given = {n: p.all_labels for n, p in subject.parts.items() if p.all_labels is not None}
    subject.part()
    if not given:
        return Finding(name, "not checked", "Give labels, too: a pair (inputs, labels).")
    if not all(map(has_class_labels, given.values())):
        return Finding(name, "ok", "Labels are no classes, but numbers.")
    left_out = torch.tensor(sorted(ignored(subject.objective)))
    given = {part: each.cpu().long() for part, each in given.items()}
    kept = {part: each[~torch.isin(each, left_out)] for part, each in given.items()}
    are_all = sum(map(len, kept.values())) == sum(map(len, given.values()))
    given = {part: each for part, each in kept.items() if len(each)}
    outputs = subject.outputs
    is_binary = outputs.ndim == 2 and outputs.shape[1] == 1 and subject.objective is None
    if not given or not is_binary and not scores_classes(subject):
        return Finding(name, "ok", "Labels are no classes of the model, but numbers.")
    return _of_classes(name, subject, given, (outputs.shape[1], are_all))


def _of_classes(name, subject, given, expected) -> Finding:
    """Compare labels with the outputs of the model, and with each other."""
    num_classes, are_all = expected  # without those that are left out, a class may lack
    are_all = are_all and all(part.is_whole for part in subject.parts.values())
    for part, each in given.items():
        low, high = int(each.min()), int(each.max())
        if low < 0 or high >= max(num_classes, 2):
            told = f"Labels of {part} go from {low} to {high}; the model has {num_classes} outputs."
            return Finding(name, "wrong", told, "Number the classes from 0, or replace the head.")
    present = {part: set(each.unique().tolist()) for part, each in given.items()}
    every = set().union(*present.values())
    for part, found in present.items():
        if found != every and subject.parts[part].is_whole:
            told = f"Class {min(every - found)} does not occur in {part}."
            return Finding(name, "suspicious", told, "Split each class by the same shares.")
    unused = num_classes - 1 - max(every)
    if unused > 0 and num_classes > 2 and are_all:
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
    if not has_class_labels(part.labels) or part.labels.min() < 0:
        return 0.0, 0.0, 0.0
    part = part.first(FIRST)
    given, outputs = part.labels.cpu().long(), subject.answers(part).cpu()
    if outputs.ndim != 2 or given.max() >= outputs.shape[1] or len(outputs) < 5 * outputs.shape[1]:
        return 0.0, 0.0, 0.0
    table = torch.zeros(2 * (outputs.shape[1],), dtype=torch.int64)
    table.index_put_((given, outputs.argmax(1)), torch.tensor(1), accumulate=True)
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
        if not both:
            continue
        told = f"{both} inputs of {other} are also in {one}."
        if _has_few_values(subject.parts[other]):
            told += " Inputs repeat inside a part, too: they have few values."
            return Finding(name, "suspicious", told, "Were the same samples put into two parts?")
        return Finding(name, "wrong", told, "Remove copies before you split.")
    if all(part.is_whole for part in subject.parts.values()):
        return Finding(name, "ok", "No input occurs in two parts.")
    return Finding(name, "ok", "Of the inputs that were read, none occurs in two parts.")


def _has_few_values(part) -> bool:
    """Return whether inputs are whole numbers, and so few that equal ones are no surprise."""
    tables = part.inputs.values() if isinstance(part.inputs, dict) else [part.inputs]
    is_whole = all(bool((t == t.round()).all()) if t.is_floating_point() else True for t in tables)
    return is_whole and len(set(part.hashes)) < 0.9 * len(part.hashes)


def near_duplicates(subject: Subject) -> Finding:
    """Check that no two images in two parts are nearly equal."""
    name = "near duplicates"
    images = {n: p.images for n, p in subject.parts.items() if p.images is not None}
    images = {n: i for n, i in images.items() if i.ndim == 4 and i[0].numel() >= PIXELS}
    if len(images) < 2:
        return Finding(
            name, "not checked", "Give two or more of train, validation and test, as images."
        )
    tables = {part: _directions(each) for part, each in images.items()}
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

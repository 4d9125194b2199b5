"""Whether an answer depends on the mode, or on what else is in the batch."""

from torch import nn

from course_utils.audit.report import Finding
from course_utils.audit.subject import BATCH, Subject


def modes(subject: Subject) -> Finding:
    """Check that answers come from evaluation mode, and depend on one input alone."""
    name = "mode and batches"
    part = subject.part("test", "validation", "train").first(BATCH)
    if len(part) < 4:
        return Finding(name, "not checked", "Give four or more samples.")
    trial, model = subject.trial(), subject.model
    told = f"The mode is {'training' if model.training else 'evaluation'}."
    difference = _by_the_rest(trial, part)
    if difference < 0.01:
        return Finding(name, "ok", f"{told} An answer does not depend on the rest of the batch.")
    if model.training:
        trial.model.eval()
        inside = _by_the_rest(trial, part)
        if inside >= 0.01:  # evaluation would not cure it
            told = f"Even in evaluation mode an answer changes by {inside:.0%} with its batch."
            return Finding(name, "wrong", told, _what_mixes(trial, part))
    told += f" An answer changes by {difference:.0%} with the rest of the batch."
    if not model.training:
        return Finding(name, "wrong", told, _what_mixes(trial, part))
    if subject.optimizer is not None or "train" in subject.parts:
        return Finding(name, "ok", f"{told} That is so while you train.")
    return Finding(name, "suspicious", told, "Call model.eval() before you trust an answer.")


def _by_the_rest(trial, part) -> float:
    """Return by how much answers change if half of the batch is missing."""
    return _difference(trial.scores(part), trial.scores(part.first(len(part) // 2)))


def _difference(together, others) -> float:
    """Return by how much answers for the same samples differ, as a share of their size."""
    scale = together.abs().mean().clamp(min=1e-6)
    return float((together[: len(others)] - others).abs().max() / scale)


def _what_mixes(trial, part) -> str:
    """Say why an answer changes in evaluation mode."""
    kind = nn.modules.batchnorm._BatchNorm  # noqa: SLF001
    if any(isinstance(m, kind) and m.training for m in trial.model.modules()):
        return "Call model.eval() again: a part is in training mode."
    if _difference(trial.scores(part), trial.scores(part)) > 0.01:
        return "Two equal calls differ, too: look for what draws random numbers, such as dropout."
    return "Look for what mixes samples."

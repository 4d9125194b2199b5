"""Feedback on each diagnosis of lesson 11."""

from course_utils.exercises.checks.answers import is_untouched
from course_utils.exercises.checks.judges import compare_choice

# for each patient: the right letter, why it is right, and why each other letter is not
DIAGNOSES: dict[str, tuple[str, str, dict[str, str]]] = {
    "answers that stay the same": (
        "c",
        "ReLU has no weights. Python lets you hang any name on any object.",
        {
            "a": "The factor 1.5 would show in the answers, if anything used it.",
            "b": "The optimiser takes parameters only. Is this tensor one?",
            "d": "Nothing is drawn at random here.",
        },
    ),
    "backward() refuses": (
        "b",
        'reduction="none" gives one loss per sample; backward() needs one number.',
        {
            "a": "The labels are whole numbers from 0 on, as they must be.",
            "c": "A rate does nothing before backward() has run.",
            "d": "Ten classes and ten outputs: that fits.",
        },
    ),
    "worse than a colleague's": (
        "a",
        "small_cnn() makes random weights. No line loads others: a name is no weight.",
        {
            "b": "A probe needs no small rate; it is fitted to its minimum.",
            "c": "Other weights would do well with these labels.",
            "d": "Freezing is right for a probe.",
        },
    ),
    "no more complaints": (
        "d",
        "strict=False skips each tensor that does not fit, without a word.",
        {
            "a": "The file holds all tensors of the source.",
            "b": "load_state_dict copies; nothing is shared.",
            "c": "BatchNorm is not in this network.",
        },
    ),
    "a loss that begins at 7": (
        "b",
        "The 1,024 numbers are features. A head with ten outputs is missing.",
        {
            "a": "Cross-entropy takes any number of outputs, so it does not complain.",
            "c": "More outputs than classes are no question of the rate.",
            "d": "The labels go from 0 to 9, in order.",
        },
    ),
    "an error about a name": (
        "c",
        "An encoder gives vectors. Logits come from a head, which it does not have.",
        {
            "a": "The tokens are whole numbers, as they must be.",
            "b": "The mask does not change what comes out, only what is looked at.",
            "d": "Evaluation mode changes no names.",
        },
    ),
    "a silent loop": (
        "d",
        "With 7 steps, step % 100 == 99 is never true.",
        {
            "a": "The loss is a number with a gradient.",
            "b": "print shows what it gets, if it is called.",
            "c": "The loop runs all its steps.",
        },
    ),
    "it ran in the tutorial": (
        "d",
        "F is a short name that the tutorial imports further up. Run a copied cell on one batch.",
        {
            "a": "Labels of another type make another error; this one is about a name.",
            "b": "The outputs were never looked at: the error comes before.",
            "c": "It is defined right above. What does its second line need?",
        },
    ),
    "all parameters learn": (
        "a",
        "It is requires_grad. A misspelt name is a new attribute, which nothing reads.",
        {
            "b": "parameters() lists all of them.",
            "c": "Freezing before or after the optimiser is made: both work.",
            "d": "BatchNorm is not in this network.",
        },
    ),
    "one answer in ten": (
        "c",
        "The optimiser was made before the head was replaced; it moves a head that is gone.",
        {
            "a": "Another optimiser with this rate teaches the head: see the next cell.",
            "b": "The new head has requires_grad=True, as any new layer.",
            "d": "They are the labels from which the probe above has learned.",
        },
    ),
    "an error at the first step": (
        "a",
        "All is frozen, the new head, too. Freeze first, then put the head in.",
        {
            "b": "The optimiser was made last, so it holds the new head.",
            "c": "train_plainly takes the mean; the other patients train with it.",
            "d": "Labels never need a gradient; the weights that learn do.",
        },
    ),
    "features that change": (
        "b",
        "BatchNorm updates its statistics in training mode, frozen or not.",
        {
            "a": "No weight moves: requires_grad is False.",
            "c": "Dropout keeps nothing from one batch to the next.",
            "d": "The optimiser knows weights, not buffers.",
        },
    ),
    "worse than its own start": (
        "d",
        "In each step Adam moves each weight by about the rate; these weights are no larger.",
        {
            "a": "More labels do not bring back what the first steps destroyed.",
            "b": "The weights were loaded; before the first step all is well.",
            "c": "Adam has momentum; more of it makes no step shorter.",
        },
    ),
    "frozen, but moving": (
        "a",
        "A gradient of 0 is still a gradient: weight decay moves what has one.",
        {
            "b": "The head is trained on purpose; it is not counted here.",
            "c": "The rate scales the steps, but why is there a step at all?",
            "d": "There is no BatchNorm in this network.",
        },
    ),
    "a loss without a gradient": (
        "c",
        "Merged, A and B are part of the base weight, and the forward pass does not use them.",
        {
            "a": "B starts at 0 also in a LoRA that learns.",
            "b": "A rank of 2 is small, but it learns.",
            "d": "Inputs never need a gradient; the weights that learn do.",
        },
    ),
    "digits that it misses": (
        "b",
        "The weights know values from 0 to 1. These go to 255.",
        {
            "a": "They are of the kind that it has learned: your colleague reads them.",
            "c": "28 by 28 pixels, as in training.",
            "d": "The classes have the same order.",
        },
    ),
    "another accuracy than yesterday": (
        "a",
        "In training mode BatchNorm uses the batch. Sorted batches of one class shift by its mean.",
        {
            "b": "The rate does nothing at test.",
            "c": "The samples are the same, in another order.",
            "d": "There is no dropout in this network.",
        },
    ),
    "two accuracies for the same answers": (
        "d",
        "The last batch is small, and counts as much as a full one.",
        {
            "a": "The model is in evaluation mode, and the same.",
            "b": "The samples are all there.",
            "c": "32-bit numbers are exact enough here.",
        },
    ),
    "skill in coin flips": (
        "c",
        "The largest of many noisy test scores is too good, even if no epoch is better.",
        {
            "a": "Chosen on validation, one of forty epochs does no harm: see the next cells.",
            "b": "The model cannot learn here: labels are random.",
            "d": "The test samples are no copies of training samples.",
        },
    ),
    "a nearest neighbour too good": (
        "a",
        "Copies were made before the split, so many test images are also training images.",
        {
            "b": "A nearest neighbour is not too simple: it is perfect on what it has seen.",
            "c": "Shuffling before a split is right, if there are no copies.",
            "d": "Each class has as many images as each other one, and as many copies.",
        },
    ),
    "no better than a guess": (
        "b",
        "The folders are sorted by name: eight comes first. The model's 0 is the digit zero.",
        {
            "a": "On images that are not in folders it reads nine of ten.",
            "c": "The images are the same as before.",
            "d": "evaluate() measures in evaluation mode.",
        },
    ),
    "a teacher that hardly counts": (
        "d",
        "Without the square the loss shrinks with the temperature; with mean, with the classes.",
        {
            "a": "The teacher's answers are the same in both.",
            "b": "Softmax on one side and log_softmax on the other: as kl_div wants it.",
            "c": "The temperature is the same on both sides.",
        },
    ),
    "two runs that differ": (
        "c",
        "numpy and torch have a generator each; the head is drawn by torch.",
        {
            "a": "Any whole number is as good as another.",
            "b": "Two heads of one seed are equal, wherever they are made.",
            "d": "This runs on one thread; the order of sums does not change.",
        },
    ),
}


def diagnose(patient: str, answer) -> None:
    """Print what a diagnosis is worth: nothing chosen yet, not it, or right, with the reason.

    Parameters
    ----------
    patient : str
        Name of the patient, as in its heading.
    answer : object
        One of the letters ``"a"`` to ``"d"``; three dots count as no answer.

    Raises
    ------
    KeyError
        If there is no such patient.

    Examples
    --------
    >>> diagnose("all parameters learn", ...)
    all parameters learn: no diagnosis yet. Choose a letter.
    >>> diagnose("all parameters learn", "B")
    all parameters learn: look again. parameters() lists all of them.
    """
    expected, why, reasons = DIAGNOSES[patient]
    if is_untouched(answer):
        print(f"{patient}: no diagnosis yet. Choose a letter.")
        return
    mistake = compare_choice(answer, expected, reasons=reasons)
    print(f"{patient}: {'right. ' + why if mistake is None else 'look again. ' + mistake}")

"""What a run is asked to do; kept in its folder, so that it is resumed with the same."""

from dataclasses import asdict, dataclass

from course_utils.environment.arguments import check_choice, check_number, described

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Parameters
    ----------
    seed : int
        Of the split, and of the order of samples in training.
    size : int
        Pictures are resized to size x size pixels.
    max_tokens : int
        Longer texts are cut off.
    tune : bool
        False leaves out fine-tuning: only a linear head is learned.
    epochs : int
        Most epochs of fine-tuning; it stops earlier where validation no longer improves.
    licence : str
        Licence of the data, for the model card.

    Raises
    ------
    TypeError, ValueError
        If one of them is of another kind, or out of its range.
    """

    seed: int = 0
    size: int = 224
    max_tokens: int = 128
    tune: bool = True
    epochs: int = 6
    licence: str = "not stated"

    def __post_init__(self):
        check_number("seed", self.seed, low=0, high=2**32 - 1, whole=True)
        check_number("size", self.size, low=32, high=1024, whole=True)
        check_number("max_tokens", self.max_tokens, low=8, high=512, whole=True)
        check_number("epochs", self.epochs, low=1, high=1000, whole=True)
        if not isinstance(self.tune, bool):
            raise TypeError(f"tune is {described(self.tune)}; give True or False")
        if not isinstance(self.licence, str) or not self.licence.strip():
            raise TypeError(f"licence is {described(self.licence)}; give its name, such as 'mit'")

    def as_dict(self) -> dict:
        """Return the settings by name."""
        return asdict(self)


def check_device(name: str) -> str:
    """Return the name of a device if it is one of those that there can be. See `check_choice`."""
    return check_choice("device", name, DEVICES)

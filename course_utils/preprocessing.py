"""What a network expects of its input. Letters in shapes: N samples, C channels, H x W pixels."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Preprocessing:
    """What a network expects of its input: it belongs to the weights and travels with them.

    Parameters
    ----------
    channels : int
        Colour channels, 1 for grey or 3 for red, green, blue.
    mean, std : float
        The network sees ``(image - mean) / std``, where image goes from 0 to 1.
    """

    channels: int
    mean: float
    std: float

    def __call__(self, images: Tensor) -> Tensor:
        """Turn images (N, C, H, W) from 0 to 1 into what the network expects.

        Raises
        ------
        ValueError
            If the images have neither one channel nor the number that the network expects.
        """
        if images.ndim != 4 or images.shape[1] not in (1, self.channels):
            raise ValueError(
                f"images has shape {tuple(images.shape)}; give (N, C, H, W) with "
                f"C = {self.channels}, or C = 1 to have the grey channel copied"
            )
        return ((images - self.mean) / self.std).expand(-1, self.channels, -1, -1)

"""From a folder of pictures or a table of texts to a saved, documented, audited model."""

from course_utils.transfer.run import TransferResult, transfer
from course_utils.transfer.saved import TransferModel, load_transfer

__all__ = ["TransferModel", "TransferResult", "load_transfer", "transfer"]

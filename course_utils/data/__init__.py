"""Tasks, samples and where they come from."""

from course_utils.data.augmentation import eight_views, flipped_views, mixup
from course_utils.data.findings import DataError, DataFinding, DataReport
from course_utils.data.gallery import draw_classes
from course_utils.data.images import load_digits, load_mnist, load_solar_cells, solar_cell_images
from course_utils.data.news import load_bbc_news, news_texts
from course_utils.data.own import OwnData
from course_utils.data.own_images import read_image_folder, read_image_table
from course_utils.data.own_splits import split_own_data
from course_utils.data.own_texts import read_text_table
from course_utils.data.public_sets import load_cifar10, load_fashion_mnist
from course_utils.data.samples import Samples
from course_utils.data.splits import split_parts
from course_utils.data.tasks import Task, subset_of_classes
from course_utils.data.texts import Texts

__all__ = [
    "DataError",
    "DataFinding",
    "DataReport",
    "OwnData",
    "Samples",
    "Task",
    "Texts",
    "draw_classes",
    "eight_views",
    "flipped_views",
    "load_bbc_news",
    "load_cifar10",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "load_solar_cells",
    "mixup",
    "news_texts",
    "read_image_folder",
    "read_image_table",
    "read_text_table",
    "solar_cell_images",
    "split_own_data",
    "split_parts",
    "subset_of_classes",
]

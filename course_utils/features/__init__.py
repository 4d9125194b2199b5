"""What a frozen network says: features, and how far those of two domains are apart."""

from course_utils.features.distances import coral_distance, mmd_squared
from course_utils.features.extraction import (
    extract_features,
    feature_task,
    stage_features,
    text_features,
)
from course_utils.features.maps import align_subspaces, coral_map
from course_utils.features.moments import center_each, standardize_each
from course_utils.features.prefix import FrozenStages, ViewsClassifier
from course_utils.features.prototypes import prototype_head
from course_utils.features.selection import (
    effective_sample_size,
    importance_weights,
    k_centre,
    least_certain,
)
from course_utils.features.similarity import label_overlap, linear_cka, proxy_a_distance
from course_utils.features.transferability import h_score, leep, log_me, nce, nearest_mean

__all__ = [
    "FrozenStages",
    "ViewsClassifier",
    "align_subspaces",
    "center_each",
    "coral_distance",
    "coral_map",
    "effective_sample_size",
    "extract_features",
    "feature_task",
    "h_score",
    "importance_weights",
    "k_centre",
    "label_overlap",
    "least_certain",
    "leep",
    "linear_cka",
    "log_me",
    "mmd_squared",
    "nce",
    "nearest_mean",
    "prototype_head",
    "proxy_a_distance",
    "stage_features",
    "standardize_each",
    "text_features",
]

"""All rules for the notebooks as files; test_notebook_rules.py shows that each can fail."""

from notebook_file_rules import FILE_RULES
from notebook_frame_rules import FRAME_RULES
from notebook_text_rules import TEXT_RULES

RULES = [*FILE_RULES, *TEXT_RULES, *FRAME_RULES]

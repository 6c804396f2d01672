"""What can be wrong with what a user gives us.

PoseError                  the message is one line, made for the user
├── SettingsError          a YAML file, a setting or a skeleton
├── DataError              an image, a label or an annotation file
├── CheckpointError        a file of weights
└── ExportError            a conversion, or a converted file
"""

from __future__ import annotations


class PoseError(ValueError):
    """Something given by the user can't be used; the message says what, where and the way out."""


class SettingsError(PoseError):
    """A setting is unknown, of the wrong type, out of range or at odds with another."""


class DataError(PoseError):
    """An image, a label or an annotation file can't be used as it is."""


class CheckpointError(PoseError):
    """A file of weights is missing, damaged, foreign or of another shape."""


class ExportError(PoseError):
    """A conversion can't be done, or its result must not be handed over."""

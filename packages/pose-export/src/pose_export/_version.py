"""The version of pose-export, read by the build and shown at the door."""

__version__ = "0.1.0"

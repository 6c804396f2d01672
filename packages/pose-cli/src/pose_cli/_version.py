"""The version of pose-cli, read by the build and shown at the door."""

__version__ = "0.1.0"

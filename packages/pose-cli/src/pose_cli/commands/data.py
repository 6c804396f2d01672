"""`pose data`: the commands that are about data sets."""

from __future__ import annotations

from pose_cli.main import LazyGroup

command = LazyGroup(
    "data",
    {
        "check": ("pose_cli.commands.data_check", "List every fault of a data set as file:line with its reason."),
        "convert": ("pose_cli.commands.data_convert", "Turn COCO keypoint JSON into YOLO labels, or back."),
    },
    help="Check and convert data sets.",
)

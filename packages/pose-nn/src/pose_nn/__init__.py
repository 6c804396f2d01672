"""The YOLOv8-pose networks, exactly, with checkpoints that never execute code."""

from pose_nn._version import __version__
from pose_nn.anchors import Anchors, make_anchors
from pose_nn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from pose_nn.decode import REG_MAX, decode_boxes, decode_boxes_xyxy, decode_keypoints, expected_distances
from pose_nn.fuse import fuse, is_fused
from pose_nn.head import PoseHead, RawOutputs
from pose_nn.network import PoseNet, build_network
from pose_nn.profile import Profile, StageProfile, profile
from pose_nn.runtime import TorchRuntime, find_device
from pose_nn.scales import NETWORK_NAMES, Architecture, find_architecture
from pose_nn.transfer import Mismatch, TransferReport, transfer

__all__ = [
    "NETWORK_NAMES",
    "REG_MAX",
    "Anchors",
    "Architecture",
    "Checkpoint",
    "Mismatch",
    "PoseHead",
    "PoseNet",
    "Profile",
    "RawOutputs",
    "StageProfile",
    "TorchRuntime",
    "TransferReport",
    "__version__",
    "build_network",
    "decode_boxes",
    "decode_boxes_xyxy",
    "decode_keypoints",
    "expected_distances",
    "find_architecture",
    "find_device",
    "fuse",
    "is_fused",
    "load_checkpoint",
    "make_anchors",
    "profile",
    "save_checkpoint",
    "transfer",
]

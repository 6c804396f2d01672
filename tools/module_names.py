"""Which module a distribution brings, and which distributions this project may never touch. Standard library only."""

import re

# Only where the name differs from the distribution's, dashes aside.
MODULES = {
    "cuda-bindings": ("cuda",),
    "mlflow-skinny": ("mlflow",),
    "opencv-python-headless": ("cv2",),
    "paddlepaddle": ("paddle",),
    "pillow": ("PIL",),
    "protobuf": ("google",),
    "pysimdjson": ("simdjson",),
    "pyyaml": ("yaml",),
    "tensorflow-cpu": ("tensorflow",),
}

# AGPL or GPL programs of this field, as imported and as installed. An Apache-2.0 package that imports one is tainted.
FORBIDDEN = frozenset(
    {
        "anylabeling",
        "hub_sdk",
        "labelme",
        "mmyolo",
        "ultralytics",
        "ultralytics_thop",
        "x_anylabeling",
        "yolov5",
        "yolov7",
    }
)


def modules_of(distribution: str) -> tuple[str, ...]:
    """The top-level modules that a distribution is imported by."""
    name = normalise(distribution)
    return MODULES.get(name, (name.replace("-", "_"),))


def normalise(distribution: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()

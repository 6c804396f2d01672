"""Keypoint AP of Core ML packages in 32, 16 and 8 bit where there is no macOS: torch calculates what a package says.

python benchmarks/core_ml_ap.py WEIGHTS DATA OUTPUT [--imgsz 320] [--square]

What it finds shows what the package means; not that macOS runs it so.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pose_data import open_dataset, read_data_settings
from pose_export import export
from pose_export.run.coreml import CoreMlRuntime
from pose_train import validate

sys.path.insert(0, str(Path(__file__).parents[1] / "packages" / "pose-export" / "tests"))

from core_ml import StandIn

PRECISIONS: dict[str, dict[str, bool]] = {"32 bit": {}, "16 bit": {"half": True}, "8 bit": {"int8": True}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("data", help="data YAML, or people")
    parser.add_argument("output", type=Path)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--square", action="store_true", help="pad to a square in place of whole strides")
    chosen = parser.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    samples = open_dataset(read_data_settings(chosen.data), "val")
    for name, words in PRECISIONS.items():
        path = chosen.output / f"{name.replace(' ', '-')}.mlpackage"
        result = export(chosen.weights, format="coreml", imgsz=chosen.imgsz, output=path, **words)  # type: ignore[arg-type]
        runtime = CoreMlRuntime(path)
        runtime._model = StandIn(path)
        found = validate(runtime, samples, rect=not chosen.square).metrics.keypoints
        print(f"{name}: AP {found.ap:.4f} AP50 {found.ap50:.4f}, {result.megabytes:.1f} MB", flush=True)


if __name__ == "__main__":
    main()

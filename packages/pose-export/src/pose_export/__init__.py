"""One keypoint checkpoint to files for other runtimes, each proven before it is handed over."""

from pose_export._version import __version__
from pose_export.benchmark_files import benchmark_files
from pose_export.bounds import BOUNDS, Bounds, find_misses
from pose_export.contracts import CONTRACTS
from pose_export.export import ExportResult, export
from pose_export.export_all import Outcome, export_all
from pose_export.formats import FORMATS, Format, format_of, get_format
from pose_export.layer_errors import LayerError, measure_layers
from pose_export.load import load, load_runtime
from pose_export.measurements import PRECISIONS, Measurement, benchmark, plan_benchmark
from pose_export.parity import Parity
from pose_export.requirements import NotInstalledError
from pose_export.selecting import describe_selection
from pose_export.timing import FileTimes

__all__ = [
    "BOUNDS",
    "CONTRACTS",
    "FORMATS",
    "PRECISIONS",
    "Bounds",
    "ExportResult",
    "FileTimes",
    "Format",
    "LayerError",
    "Measurement",
    "NotInstalledError",
    "Outcome",
    "Parity",
    "__version__",
    "benchmark",
    "benchmark_files",
    "describe_selection",
    "export",
    "export_all",
    "find_misses",
    "format_of",
    "get_format",
    "load",
    "load_runtime",
    "measure_layers",
    "plan_benchmark",
]

"""A program that passes lines on from stdin to stderr, but for those that runtimes write about themselves.

It is run by `noise.without_noise` as a process of its own: a thread would stop with whatever it listens to.
"""

from __future__ import annotations

import re
import signal
import sys

# Lines that say nothing about what the user does. All others go through, whatever their source.
_NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|I\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] "  # information of absl, with time and place
    rb"|W\d{4} [\d:.]+ +\d+ (tf_tfl_flatbuffer_helpers|flatbuffer_export)\.cc:\d+\] "  # of the converter
    rb"|\d{4}-\d\d-\d\d [\d:.]+: I tensorflow/"  # the same of TensorFlow up to 2.18
    rb"|To enable the following instructions:"  # the second line of one of them
    rb"|fully_quantize: "
    rb"|INFO: Created TensorFlow Lite \w+ delegate"
)


def main() -> None:
    """Read to the end, which comes when nobody can write any more; Ctrl-C is for those who write."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.close()
    for line in sys.stdin.buffer:
        if not _NOISE.match(line):
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()


if __name__ == "__main__":
    main()

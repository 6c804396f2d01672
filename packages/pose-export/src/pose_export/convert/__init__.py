"""One module per format, each of which makes files of it."""

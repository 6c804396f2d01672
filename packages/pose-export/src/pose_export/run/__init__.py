"""One module per runtime, each of which runs files of its format."""

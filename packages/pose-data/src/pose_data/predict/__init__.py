"""Everything before and after a network: letterbox, selection, and back to image pixels."""

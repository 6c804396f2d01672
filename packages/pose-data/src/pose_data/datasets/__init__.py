"""Annotated images: reading, checking, augmenting and drawing them."""

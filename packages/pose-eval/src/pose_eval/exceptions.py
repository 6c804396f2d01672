"""What can go wrong with input: one error and one warning, each with the way out in its text."""


class EvalError(ValueError):
    """Input that can't be evaluated; the text names the place, what was expected and the way out."""


class EvalWarning(UserWarning):
    """Input on which pycocotools and the meaning of COCO's definitions would give different numbers."""

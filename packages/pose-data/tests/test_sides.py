import pytest
from pose_data import mirror_pairs
from pose_data.sides import other_side


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("left_eye", "right_eye"),
        ("eye-R", "eye-L"),
        ("Left Hip", "Right Hip"),
        ("leftEye", "rightEye"),
        ("earLeft", "earRight"),
        ("r.hand", "l.hand"),
        ("nose", None),
        ("upright", None),
        ("tail_root", None),
    ],
)
def test_a_name_with_a_side_has_a_partner(name: str, other: str | None):
    assert other_side(name) == other


def test_pairs_come_from_names():
    assert mirror_pairs(("nose", "right_ear", "left_ear")) == ((1, 2),)


def test_names_without_sides_say_nothing():
    assert mirror_pairs(("head", "tail")) is None


def test_a_side_without_its_partner_says_nothing():
    assert mirror_pairs(("left_ear", "right_ear", "left_paw")) is None

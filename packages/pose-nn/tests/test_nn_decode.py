"""Anchors and decoding, with numbers worked out by hand."""

import torch
from pose_nn import decode_boxes, decode_boxes_xyxy, decode_keypoints, expected_distances, make_anchors


def test_anchors_are_cell_centres_row_by_row_fine_to_coarse():
    anchors = make_anchors([(2, 3), (1, 1)], [8, 16])
    assert anchors.centres.tolist() == [[0.5, 1.5, 2.5, 0.5, 1.5, 2.5, 0.5], [0.5, 0.5, 0.5, 1.5, 1.5, 1.5, 0.5]]
    assert anchors.strides.tolist() == [8, 8, 8, 8, 8, 8, 16]


def test_distance_of_one_sure_bin_is_that_bin():
    logits = torch.full((1, 4, 16), -100.0)
    for side, bin_ in enumerate((0, 3, 7, 15)):
        logits[0, side, bin_] = 100
    distances = expected_distances(logits.reshape(1, 64, 1), torch.arange(16.0).reshape(1, 16, 1, 1))
    assert distances.flatten().tolist() == [0, 3, 7, 15]


def test_distance_of_equal_bins_is_their_mean():
    distances = expected_distances(torch.zeros(1, 64, 1), torch.arange(16.0).reshape(1, 16, 1, 1))
    assert distances.flatten().tolist() == [7.5] * 4


# An anchor at cell (2.5, 4.5) of stride 8, that is pixel (20, 36); sides 1, 2, 3 and 4 cells away.
CENTRES, STRIDES = torch.tensor([[2.5], [4.5]]), torch.tensor([8.0])
DISTANCES = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)


def test_boxes_reach_from_the_anchor_to_their_sides():
    assert decode_boxes_xyxy(DISTANCES, CENTRES, STRIDES).flatten().tolist() == [12, 20, 44, 68]


def test_boxes_as_centre_and_size():
    assert decode_boxes(DISTANCES, CENTRES, STRIDES).flatten().tolist() == [28, 44, 32, 48]


def test_keypoint_offsets_are_half_cells_from_the_cell_s_corner():
    # Corner of the cell: (2, 4) cells; offset 0.25 means half a cell, -1 means two cells.
    offsets = torch.tensor([0.25, -1.0]).reshape(1, 1, 2, 1)
    assert decode_keypoints(offsets, CENTRES, STRIDES).flatten().tolist() == [20, 16]

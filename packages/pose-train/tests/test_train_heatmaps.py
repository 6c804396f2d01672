"""The training-only branch: its targets and its loss, worked out by hand, and that nothing of it is exported."""

import math

import pytest
import torch
from pose_nn import build_network, load_checkpoint
from pose_train import BatchTargets, HeatmapBranch, heatmap_loss, make_heatmaps
from pose_train.heatmaps import mark_known_cells
from pose_train.student import Student
from safetensors.torch import load_file


def people(*, boxes, keypoints, visibility, images):
    return BatchTargets(
        image_index=torch.tensor(images),
        labels=torch.zeros(len(images), dtype=torch.int64),
        boxes=torch.tensor(boxes),
        keypoints=torch.tensor(keypoints),
        visibility=torch.tensor(visibility, dtype=torch.uint8),
    )


def one_person(xy=(12.0, 20.0), side=320.0):
    # size 320: the spread is 16 px, or 2 cells of 8 px
    return people(boxes=[[0, 0, side, side]], keypoints=[[xy, xy, xy]], visibility=[[2, 1, 0]], images=[1])


def test_a_peak_is_one_in_the_cell_whose_centre_the_point_is_and_falls_like_a_gaussian():
    maps = make_heatmaps(one_person(), images=2, level=(8, 8), stride=8)
    assert maps.shape == (2, 3, 8, 8)
    # x = 12 px is 1.5 cells, the centre of cell 1; y = 20 px that of cell 2
    assert maps[1, 0, 2, 1] == 1
    assert maps[1, 0, 2, 3].item() == pytest.approx(math.exp(-(2**2) / (2 * 2**2)))
    assert maps[1, 0, 5, 2].item() == pytest.approx(math.exp(-(3**2 + 1) / (2 * 2**2)))


def test_hidden_points_have_a_peak_and_unlabelled_ones_and_other_images_have_none():
    maps = make_heatmaps(one_person(), images=2, level=(8, 8), stride=8)
    assert maps[1, 1].max() == 1
    assert maps[1, 2].max() == 0
    assert maps[0].max() == 0


def test_a_small_person_still_has_a_peak_that_reaches_the_next_cell():
    maps = make_heatmaps(one_person(side=8.0), images=2, level=(8, 8), stride=8)
    assert maps[1, 0, 2, 2].item() == pytest.approx(math.exp(-1 / (2 * 0.6**2)))


def test_a_point_outside_the_map_leaves_what_reaches_in():
    maps = make_heatmaps(one_person(xy=(-4.0, 4.0)), images=2, level=(8, 8), stride=8)
    assert maps[1, 0, 0, 0].item() == pytest.approx(math.exp(-1 / (2 * 2**2)))
    assert maps[1, 0, :, 7].max() == 0


def test_where_peaks_meet_the_higher_one_counts():
    two = people(
        boxes=[[0, 0, 320, 320]] * 2,
        keypoints=[[(4.0, 4.0)], [(20.0, 4.0)]],
        visibility=[[2], [2]],
        images=[0, 0],
    )
    maps = make_heatmaps(two, images=1, level=(1, 4), stride=8)
    torch.testing.assert_close(maps[0, 0, 0], torch.tensor([1.0, math.exp(-1 / 8), 1.0, math.exp(-1 / 8)]))


def test_nobody_makes_empty_maps():
    nobody = BatchTargets(*(torch.zeros(shape) for shape in ((0,), (0,), (0, 4), (0, 3, 2), (0, 3))))
    assert make_heatmaps(nobody, images=2, level=(4, 4), stride=8).abs().sum() == 0


def test_the_loss_weighs_cross_entropy_by_the_square_of_the_error():
    # logit 0 is p = 1/2: against 1 and 0 alike (1/2)^2 log 2; against 1/2 nothing
    wanted = torch.tensor([1.0, 0.0, 0.5]).reshape(1, 1, 1, 3)
    assert heatmap_loss(torch.zeros(1, 1, 1, 3), wanted).item() == pytest.approx(2 * 0.25 * math.log(2))


def test_cells_that_are_not_known_cost_nothing():
    known = torch.tensor([True, False, True]).reshape(1, 1, 1, 3)
    wanted = torch.tensor([1.0, 0.0, 0.5]).reshape(1, 1, 1, 3)
    assert heatmap_loss(torch.zeros(1, 1, 1, 3), wanted, known).item() == pytest.approx(0.25 * math.log(2))


def test_of_an_ignored_point_no_cell_is_known_that_its_peak_might_reach_from_within_the_box():
    person = people(boxes=[[8, 16, 24, 32]], keypoints=[[(12.0, 20.0)] * 3], visibility=[[2, 1, 0]], images=[1])
    known = mark_known_cells(person, torch.tensor([[False, True, False]]), images=2, level=(8, 8), stride=8)
    # the box is from 1 to 3 and from 2 to 4 cells; the spread is the least, and 3 of it are 1.8 cells
    unknown = torch.zeros(2, 3, 8, 8, dtype=torch.bool)
    unknown[1, 1, 0:6, 0:5] = True  # middles from 0.2 to 5.8 in y and from -0.8 to 4.8 in x
    assert torch.equal(~known, unknown)


def test_with_no_point_ignored_all_cells_are_known():
    ignored = torch.zeros(1, 3, dtype=torch.bool)
    assert mark_known_cells(one_person(), ignored, images=2, level=(8, 8), stride=8).all()


def test_a_new_branch_expects_a_point_nearly_nowhere():
    torch.manual_seed(0)
    logits = HeatmapBranch((4, 8), keypoints=3)((torch.zeros(1, 4, 2, 2), torch.zeros(1, 8, 1, 1)))
    assert [tuple(level.shape) for level in logits] == [(1, 3, 2, 2), (1, 3, 1, 1)]
    assert logits[0].sigmoid().max() < 0.02


def test_the_branch_reads_what_feeds_the_head_and_changes_nothing_of_it():
    net = build_network("yolov8n-pose", kpt_shape=(3, 3)).eval()
    student = Student(net, with_heatmaps=True).eval()
    images = torch.rand(1, 3, 64, 64)
    outputs = student(images)
    assert [tuple(h.shape) for h in outputs.heatmaps] == [(1, 3, 8, 8), (1, 3, 4, 4), (1, 3, 2, 2)]
    torch.testing.assert_close(outputs.raw.scores, net.raw(images).scores)


def test_the_branch_is_in_the_state_of_the_run_and_in_no_weights(tiny, tmp_path):
    result = tiny(tiny.settings(tmp_path, epochs=1, heatmap=1.0, val=False))
    state = load_file(result.run_folder / "weights" / "resume.safetensors")
    assert {name for name in state if name.startswith("branch.")} == {
        f"branch.levels.{i}.{part}" for i in range(3) for part in ("weight", "bias")
    }
    assert load_file(result.last).keys() == build_network("yolov8n-pose").state_dict().keys()
    assert load_checkpoint(result.last).card.architecture == "yolov8n-pose"
    assert "loss/heatmap" in (result.run_folder / "results.csv").read_text().splitlines()[0]

"""What a run does about losses that are no numbers, and about memory that is too small."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pose_train.losses
import pytest
import torch
import yaml
from pose_data import AugmentSettings, DataError, DrawnPeople
from pose_nn import load_checkpoint
from pose_train import MessageEvent, TrainingError, train
from pose_train.loader import AugmentedImages
from pose_train.order import Draw
from pose_train.run_folder import RunFolder
from pose_train.training import _Job
from safetensors.torch import load_file


def spoil(monkeypatch, calls, replace):
    """Call `replace` in place of the class loss at these calls, counted from 1; return the count."""
    seen = []
    plain = pose_train.losses._class_loss

    def class_loss(logits, found, targets):
        seen.append(len(logits))
        return replace(logits) if len(seen) in calls else plain(logits, found, targets)

    monkeypatch.setattr(pose_train.losses, "_class_loss", class_loss)
    return seen


def not_a_number(logits):
    return logits.sum() * float("nan")


def messages(said):
    return lambda event: said.append(event.text) if isinstance(event, MessageEvent) else None


def test_after_a_loss_that_is_no_number_a_run_goes_back_with_half_the_rate_and_says_so(tiny, tmp_path, monkeypatch):
    # two batches an epoch: the fourth is the second of epoch 2
    seen = spoil(monkeypatch, {4}, not_a_number)
    said = []
    result = tiny(tiny.settings(tmp_path, epochs=3, warmup_epochs=0, val=False), on_event=messages(said))
    assert result.epochs == 3
    assert len(seen) == 3 * 2 + 2
    text = next(line for line in said if "nan" in line)
    assert text.startswith("the loss is nan in epoch 2, at step 2, with the images ")
    assert text.count("(image ") == 4
    assert text.endswith("going back to epoch 1 with 0.5 of the learning rate (1 of 3)")
    assert text in (result.run_folder / "messages.txt").read_text(encoding="utf-8")
    rates = [float(row.split(",")[-1]) for row in (result.run_folder / "results.csv").read_text().splitlines()[1:]]
    # AdamW at 0.002 falls along 1 - 0.99 e / 3; from epoch 2 on it is halved
    assert rates == pytest.approx([0.002, 0.002 * 0.67 / 2, 0.002 * 0.34 / 2])


def test_a_loss_that_stays_no_number_ends_the_run_in_one_line_with_the_good_weights_kept(tiny, tmp_path, monkeypatch):
    spoil(monkeypatch, set(range(3, 100)), not_a_number)
    with pytest.raises(TrainingError, match="for the 4th time; look at their labels, or lower lr0") as error:
        tiny(tiny.settings(tmp_path, val=False))
    assert "\n" not in str(error.value)
    last = tmp_path / "run" / "weights" / "last.safetensors"
    assert str(error.value).endswith(f"; the last good weights are in '{last}'")
    assert load_checkpoint(last).card.facts["epoch"] == "1"


def test_in_the_first_epoch_no_weights_are_promised(tiny, tmp_path, monkeypatch):
    spoil(monkeypatch, set(range(1, 100)), not_a_number)
    with pytest.raises(TrainingError, match="for the 4th") as error:
        tiny(tiny.settings(tmp_path, val=False, close_mosaic=0))
    assert str(error.value).endswith("there are no weights yet, as no epoch was ended")


def test_images_that_were_mixed_in_are_named_too_and_many_are_listed(tmp_path, tiny, monkeypatch):
    spoil(monkeypatch, {1}, not_a_number)
    said = []
    settings = tiny.settings(tmp_path, epochs=1, batch=4, val=False, close_mosaic=0, mosaic=1.0)
    result = train(settings, train_samples=DrawnPeople(40, size=64, seed=1), on_event=messages(said))
    text = next(line for line in said if "nan" in line)
    listed = (result.run_folder / "bad_images.txt").read_text(encoding="utf-8").splitlines()
    assert text.count("(image ") == 8
    assert f" and {len(listed) - 8} more, all listed in '{result.run_folder / 'bad_images.txt'}'" in text
    assert 8 < len(set(listed)) == len(listed) <= 16


def test_sources_of_a_mosaic_are_the_images_that_it_is_made_of():
    people = DrawnPeople(40, size=64, seed=1)
    images = AugmentedImages(people, 64, AugmentSettings(mosaic=1.0), seed=0)
    draw = Draw(epoch=2, place=0, index=5, mix=True, partners=(1, 3, 8, 20, 30))
    sources = images.sources(draw)
    assert sources[0] == 5
    assert len(sources) == 4
    assert set(sources) <= {5, *draw.partners}
    assert images.sources(replace(draw, mix=False)) == (5,)


def test_a_gradient_that_is_no_number_never_reaches_the_weights(tiny, tmp_path, monkeypatch):
    # zero with a slope of infinity: the loss is a number, its gradient is not
    spoil(monkeypatch, {2}, lambda logits: (logits.sum() * 0).sqrt())
    said = []
    result = tiny(tiny.settings(tmp_path, val=False, nbs=4), on_event=messages(said))
    assert any(line.startswith("the gradient is nan in epoch 1, at step 2") for line in said)
    assert all(torch.isfinite(value).all() for value in load_file(result.last).values())


class CutOff(DrawnPeople):
    """Drawn people whose third picture can't be read."""

    def __getitem__(self, index):
        if index == 2:
            raise DataError("third.jpg: must be a whole image; got one that is cut off")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_a_worker_cannot_read_is_its_one_line(tiny, tmp_path, workers):
    settings = tiny.settings(tmp_path, val=False, workers=workers)
    with pytest.raises(DataError) as error:
        train(settings, train_samples=CutOff(8, size=64, seed=1))
    assert str(error.value) == "third.jpg: must be a whole image; got one that is cut off"


def out_of_memory(logits):
    raise torch.OutOfMemoryError("CUDA out of memory (stood in for)")


def test_stand_in_out_of_memory_in_the_first_epoch_halves_the_batch_and_learns_what_that_batch_learns(
    tiny, tmp_path, monkeypatch
):
    (tmp_path / "small").mkdir()
    small = tiny(tiny.settings(tmp_path / "small", batch=2, val=False, epochs=1))
    spoil(monkeypatch, {2}, out_of_memory)
    said = []
    halved = tiny(tiny.settings(tmp_path, batch=4, val=False, epochs=1), on_event=messages(said))
    assert "out of memory with a batch of 4: starting again with 2, which add up to 8 before a step" in said
    kept = (halved.run_folder / "messages.txt").read_text(encoding="utf-8").splitlines()
    assert [line.partition(" ")[2] for line in kept] == said
    assert yaml.safe_load((halved.run_folder / "settings.yaml").read_text())["batch"] == 2
    first, second = load_file(small.last), load_file(halved.last)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_stand_in_out_of_memory_later_than_the_first_epoch_is_one_line(tiny, tmp_path, monkeypatch):
    spoil(monkeypatch, {3}, out_of_memory)
    way_out = r"make room and go on with resume=.*run, or begin again with batch=2"
    with pytest.raises(TrainingError, match=f"^out of memory in epoch 2, with a batch of 4 at 64 px; {way_out}$"):
        tiny(tiny.settings(tmp_path, val=False))


def test_stand_in_out_of_memory_with_several_processes_is_one_line(tiny, tmp_path):
    job = _Job(None, SimpleNamespace(world=2), None, None)
    run = SimpleNamespace(progress=SimpleNamespace(epoch=0), folder=RunFolder(Path("my run")))
    said = r"in epoch 1, with a batch of 4 on 2 processes at 64 px; make room .* resume='my run',"
    with pytest.raises(TrainingError, match=said):
        job._with_smaller_batch(run, tiny.settings(tmp_path), torch.OutOfMemoryError())

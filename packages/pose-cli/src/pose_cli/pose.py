"""The Pose object: one network from its first weights to an exported file, in the words that people know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pose_data import (
    ModelCard,
    PoseTracker,
    Predictor,
    Runtime,
    SettingsError,
    SourceLike,
    TrackSettings,
    open_source,
)

from pose_cli.description import describe_model
from pose_cli.following import TrackedResult, follow_people, make_smoother, open_frames
from pose_cli.images import COMPARED_IMAGES, read_images
from pose_cli.models import export_place, find_model, load_transferred, model_file, open_runtime
from pose_cli.results import Result, find_people
from pose_cli.sizes import input_size
from pose_cli.validation import Validation, measure
from pose_cli.words import check_words

if TYPE_CHECKING:
    from pose_export import ExportResult
    from pose_nn import PoseNet
    from pose_train import Listener, TrainResult
    from typing_extensions import Unpack

    from pose_cli.train_words import TrainWords


class Pose:
    """A network: a name such as "yolov8n-pose.yaml", or a file of weights, or an exported file.

        model = Pose("best.safetensors")
        for result in model("photos/"):
            print(result.name, len(result), result.poses.keypoints)

    Args:
        model: the name or the file; nothing takes the weights that come with this package.
        device: "cpu", "cuda:0" and so on, for what torch runs; "" takes the fastest there is.
        threads: CPU threads; None takes all cores.
        providers: ONNX Runtime's execution providers, best first, for an ONNX file; none take its own choice.

    Raises:
        PoseError: an unknown network name, or a file that is missing.
    """

    def __init__(
        self,
        model: str | Path = "",
        *,
        device: str = "",
        threads: int | None = None,
        providers: Sequence[str] = (),
    ) -> None:
        self.model = find_model(str(model))
        self.weights = ""
        self.device = device
        self.threads = threads
        self.providers = tuple(providers)
        self._runtime: Runtime | None = None

    @property
    def runtime(self) -> Runtime:
        """The network, opened when it is first needed.

        Raises:
            PoseError: a file that can't be opened, or a name whose network has learnt nothing.
        """
        if self._runtime is None:
            self._runtime = self._open()
        return self._runtime

    @property
    def card(self) -> ModelCard:
        """What the network is: classes, keypoints, input, data, licence."""
        return self.runtime.card

    def load(self, weights: str | Path) -> Pose:
        """Take the weights of another file wherever name and shape fit; training tells what was taken.

        Raises:
            PoseError: a file that is missing.
        """
        self.weights = str(find_model(str(weights)))
        self._runtime = None
        return self

    def __call__(
        self,
        source: SourceLike,
        *,
        conf: float = 0.25,
        iou: float = 0.7,
        max_det: int = 300,
        imgsz: int | tuple[int, int] | None = None,
        rect: bool = True,
        classes: Sequence[int] | None = None,
    ) -> list[Result]:
        """Find people in every image of a source.

        Args:
            source: a file, folder, glob, list or URL, an (H, W, 3) uint8 RGB array, a PIL image, or several.
            conf: lowest score of a person.
            iou: overlap from which two boxes are the same person.
            max_det: most people per image.
            imgsz: input, one side or (height, width); None takes the card's.
            rect: pad to the stride only, not to a square, where the file allows it.
            classes: the only classes that are kept; None keeps all.

        Raises:
            PoseError: a source or a model that can't be used.
        """
        predictor = Predictor(
            self.runtime,
            conf=conf,
            iou=iou,
            max_det=max_det,
            imgsz=input_size(imgsz),
            rect=rect,
            classes=classes,
        )
        return list(find_people(predictor, open_source(source)))

    def track(
        self,
        source: SourceLike,
        *,
        conf: float = 0.1,
        iou: float = 0.7,
        max_det: int = 300,
        imgsz: int | tuple[int, int] | None = None,
        rect: bool = True,
        classes: Sequence[int] | None = None,
        sure: float = 0.5,
        match: float = 0.2,
        begin: int = 2,
        keep: int = 30,
        smooth: bool = False,
    ) -> Iterator[TrackedResult]:
        """Follow people through the frames of one scene; each result comes when its frame is done.

        Args:
            source: a video file, or images in their order, as a call of the object takes them.
            conf: lowest score that is looked at; people who score less than sure only continue a track.
            iou: overlap from which two boxes are the same person.
            max_det: most people per frame.
            imgsz: input, one side or (height, width); None takes the card's.
            rect: pad to the stride only, not to a square, where the file allows it.
            classes: the only classes that are kept; None keeps all.
            sure: score from which somebody begins a track.
            match: least similarity (OKS and IoU) of somebody to their track.
            begin: sure frames in a row before an id is given; in the first frame one is enough.
            keep: frames for which an id is kept while nobody sees its person.
            smooth: steady the keypoints; otherwise they stay as they were found.

        Returns:
            A result for each frame with who is followed; `result.ids` is parallel to `result.poses`.

        Raises:
            PoseError: a source or a model that can't be used, or keypoints without OKS sigmas.
        """
        frames = open_frames(source)
        predictor = Predictor(
            self.runtime,
            conf=conf,
            iou=iou,
            max_det=max_det,
            imgsz=input_size(imgsz),
            rect=rect,
            classes=classes,
        )
        tracker = PoseTracker(self.card.skeleton, TrackSettings(sure=sure, match=match, begin=begin, keep=keep))
        smoother = make_smoother(frames) if smooth else None
        return follow_people(predictor, frames, tracker=tracker, smoother=smoother)

    def train(
        self,
        *,
        recipe: str | Path = "",
        progress: bool = True,
        on_event: Listener | None = None,
        **words: Unpack[TrainWords],
    ) -> TrainResult:
        """Learn from a data set; afterwards the object is the best weights of the run.

        Args:
            recipe: settings that hold where no word says otherwise: a name such as "few", or a YAML file. The network
                is this object's all the same.
            progress: show it on stderr.
            on_event: called with every event of the run: messages, steps, epochs. Of several processes, by one.
            words: the settings of `pose train`, such as data="people.yaml", epochs=100, imgsz=640.

        Raises:
            PoseError: a setting, a data set or a checkpoint that can't be used.
        """
        from pose_train import TrainSettings, make_train_settings, train

        from pose_cli.progress import progress_shown, told_both

        asked = check_words(words, settings=TrainSettings, command="Pose.train")
        own: dict[str, object] = {"model": self.model, **({"recipe": str(recipe)} if recipe else {})}
        defaults: dict[str, object] = {}
        if not asked.get("resume"):  # with it, all else is as the run was begun
            own["pretrained"] = self.weights
            defaults["device"] = self.device
        settings = make_train_settings({**own, **asked}, source="Pose.train", defaults=defaults)
        with progress_shown() if progress else nullcontext() as shown:
            result = train(settings, on_event=told_both(shown, on_event))
        self.model, self.weights, self._runtime = str(result.best), "", None
        return result

    def val(
        self,
        data: str | Path = "",
        *,
        split: str = "val",
        imgsz: int | None = None,
        batch: int = 16,
        conf: float = 0.001,
        iou: float = 0.7,
        max_det: int = 300,
        rect: bool = True,
        on_event: Listener | None = None,
    ) -> Validation:
        """Measure the network: `val().pose.map` is COCO's keypoint AP, `val().box.map50` the boxes' at 0.5.

        Args:
            data: data YAML, or "people"; nothing takes the data that the network's card names.
            split: "train", "val" or "test".
            imgsz: longer side of the input; None takes the card's.
            batch: images per call of the network.
            conf: lowest score that is counted.
            iou: overlap from which two boxes are the same person.
            max_det: most people per image.
            rect: pad to the stride only, not to a square, where the file allows it.
            on_event: called as the work goes on.

        Raises:
            PoseError: the data can't be used, or doesn't fit the network.
        """
        return measure(
            self.runtime,
            data=str(data),
            split=split,
            imgsz=imgsz,
            batch=batch,
            conf=conf,
            iou=iou,
            max_det=max_det,
            rect=rect,
            on_event=on_event,
        )

    def export(
        self,
        *,
        format: str = "onnx",
        output: str | Path | None = None,
        imgsz: int | tuple[int, int] | None = None,
        dynamic: bool = False,
        batch: int = 1,
        opset: int | None = None,
        half: bool = False,
        int8: bool = False,
        simplify: bool = True,
        optimize: bool = False,
        workspace: float | None = None,
        nms: bool = False,
        contract: str | None = None,
        calibration: Path | str | None = None,
        keep_float: Sequence[str] = (),
        images: SourceLike | None = None,
    ) -> ExportResult:
        """Write the network in another format and compare the file with it; see `pose_export.export`.

        Args:
            format: a name of `pose_export.FORMATS`, such as "onnx", "openvino" or "tflite".
            output: the file or folder to write; beside the weights and named like them when None, in the current
                folder where they are those that come along.
            imgsz: input, one side or (height, width); None takes the card's.
            dynamic: take any batch and any multiple of the stride.
            batch: images per call of a file that isn't dynamic.
            opset: ONNX operator set.
            half: calculate in 16 bit.
            int8: calculate in 8 bit.
            simplify: simplify the graph.
            optimize: with torchscript, freeze the file.
            workspace: GiB of GPU memory that TensorRT may work in; all of it when None.
            nms: select people inside the file.
            contract: what the output means; the format's usual when None.
            calibration: with int8, a folder of images to measure ranges on; drawn people when None.
            keep_float: with int8, layers that stay in float, as `pose_export.measure_layers` names them.
            images: what to compare on, as a call of the object takes it, at most 64 of them; drawn people when None.

        Raises:
            PoseError: the model has no weights to convert, or the file differs from the network.
        """
        from pose_export import export

        if self.weights:
            checkpoint: Path | tuple[PoseNet, ModelCard] = load_transferred(self.model, self.weights)
        else:
            checkpoint = model_file(self.model)
            output = export_place(checkpoint, output, format)
        return export(
            checkpoint,
            format=format,
            output=output,
            imgsz=imgsz,
            dynamic=dynamic,
            batch=batch,
            opset=opset,
            half=half,
            int8=int8,
            simplify=simplify,
            optimize=optimize,
            workspace=workspace,
            nms=nms,
            contract=contract,
            calibration=calibration,
            keep_float=keep_float,
            images=None if images is None else read_images(images, most=COMPARED_IMAGES),
        )

    def info(self) -> str:
        """Describe the network as `pose info` does."""
        from pose_cli.console import as_text

        return as_text(describe_model(self.model))

    def _open(self) -> Runtime:
        if not self.weights:
            return open_runtime(self.model, device=self.device, threads=self.threads, providers=self.providers)
        if self.providers:
            raise SettingsError("providers must be left out for weights, which torch runs; they are for .onnx files")
        from pose_nn import TorchRuntime

        net, card = load_transferred(self.model, self.weights)
        return TorchRuntime(net, card, device=self.device or "auto", threads=self.threads)

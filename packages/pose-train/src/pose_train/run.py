"""A run: epoch after epoch until it is done, and what happens when something goes wrong on the way."""

from __future__ import annotations

import math
import time

from pose_data import Samples, SettingsError, atomic_path, check_imgsz
from pose_eval import PoseMetrics
from pose_nn import PoseNet, TorchRuntime, load_checkpoint

from pose_train.batches import Batch
from pose_train.data import RunData, count_used, image_name, keep_images
from pose_train.ema import as_kept
from pose_train.engine import Engine
from pose_train.epochs import EpochLearner, StoppedError
from pose_train.evaluation_pictures import write_evaluation_pictures
from pose_train.events import EpochEvent, Listener, MessageEvent, StartEvent, TrainEvent, ValidationEvent
from pose_train.failures import NotFiniteError, TrainingError
from pose_train.interrupts import Interrupts
from pose_train.keeper import Keeper
from pose_train.label_pictures import write_label_picture
from pose_train.learner import LOWER_RATE, make_learner
from pose_train.loader import AugmentedImages, make_loader
from pose_train.optimizer import ignored_settings
from pose_train.order import EpochOrder
from pose_train.outcome import TrainResult, fitness
from pose_train.pictures import write_batch_picture, write_validation_picture
from pose_train.record import add_resumption, write_record
from pose_train.resume import Progress, load_state
from pose_train.run_folder import RunFolder, make_run_folder
from pose_train.settings import TrainSettings
from pose_train.start import Start
from pose_train.tables import loss_columns, metric_columns
from pose_train.validation import ValidationResult, share_of_batch, validate_shared

BATCH_PICTURES = 3
NAMED = 8  # images of a batch whose losses are no numbers, in a message
RECOVERIES = 3  # from losses that are no numbers, in the whole run


class Run:
    """The moving parts of one run.

    Args:
        settings: of the run.
        data: what it learns from.
        start: the network and its card.
        engine: device and processes.
        folder: of the run.
        listener: told everything.
        interrupts: looked at before the run begins and after each step.

    Raises:
        KeyboardInterrupt: Ctrl-C, before there was a run.
    """

    def __init__(
        self,
        settings: TrainSettings,
        data: RunData,
        start: Start,
        *,
        engine: Engine,
        folder: RunFolder,
        listener: Listener,
        interrupts: Interrupts,
    ) -> None:
        self.settings, self.data, self.engine, self.folder = settings, data, engine, folder
        self.listener, self.interrupts = listener, interrupts
        self.card = start.card
        check_fit(settings, data, start.net, engine)
        samples = keep_images(settings, data.learnt, interrupts)
        if engine.any(interrupts.asked):
            raise KeyboardInterrupt  # of a run that hasn't begun there is nothing to go on with
        order, self.images = _make_order(settings, samples, engine)
        self.learner = make_learner(
            settings, start.net, data.learnt, engine, batches=len(order), images=order.per_epoch
        )
        loader = make_loader(self.images, order, workers=settings.workers, pin_memory=engine.device.type == "cuda")
        self.epochs = EpochLearner(self.learner, order, loader, engine=engine, interrupts=interrupts)
        self.keeper = Keeper(folder, settings, self.card)
        self.progress = Progress(epochs=settings.epochs)
        self.best_metrics: PoseMetrics | None = None
        self.validated: ValidationResult | None = None  # of the epoch that was last learnt
        self._began = time.perf_counter()

    def begin(self) -> None:
        """Make the folder of a new run, with its record and its first state."""
        if self.engine.writes:
            make_run_folder(self.folder, self.settings)
            write_record(self.folder.record, learner=self.learner, data=self.data, card=self.card)
            self.keeper.keep_state(self.learner, self.progress)
        self.listener(StartEvent(self.folder.path))
        if self.engine.writes and self.settings.plots:
            write_label_picture(self.folder.path / "labels.png", self.data.source)
        self.engine.wait()
        self.say(self.learner.description)
        for note in ignored_settings(self.settings):
            self.say(note)

    def go_on(self) -> None:
        """Take up a run where its state says that it was."""
        if self.engine.writes:
            self.folder.clear_leftovers()
        self.progress = load_state(self.folder.state, self.learner)
        if self.engine.writes:
            add_resumption(self.folder.record, self.learner, self.progress)
        self.listener(StartEvent(self.folder.path))
        within = f" and step {self.progress.step}" if self.progress.step else ""
        self.say(f"going on after epoch {self.progress.epoch} of {self.progress.epochs}{within}")

    def finish(self) -> TrainResult:
        """Train until the epochs, the time or the patience are used up.

        Raises:
            TrainingError: losses that are no numbers come back.
            KeyboardInterrupt: Ctrl-C; the state was written first.
        """
        try:
            while self.progress.epoch < self.progress.epochs and not self._out_of_patience():
                self._run_epoch()
            return self._result()
        except StoppedError as stop:
            raise self._stopped() from stop

    def say(self, text: str) -> None:
        """Tell the listener a sentence."""
        self.listener(MessageEvent(text))

    def _run_epoch(self) -> None:
        self._began = time.perf_counter()
        self.validated = None  # all that was found is large
        losses = self._learn_epoch()
        if self._out_of_time():
            self._end_here()
        self._load_ahead()
        if self.data.held_out is not None:
            self.validated = self._validate(as_kept(self.learner.average.net))
        metrics = self.validated.metrics if self.validated else None
        seconds = time.perf_counter() - self._began
        self.progress.epoch += 1
        self.progress.step, self.progress.sums = 0, []
        self.progress.seconds += seconds
        better = self._note_best(metrics)
        self._plan_epochs()
        row = loss_columns(losses) | (metric_columns(metrics) if metrics is not None else {})
        row["lr"] = self.learner.learning_rate
        if self.engine.writes:
            self.keeper.keep_epoch(self.learner, self.progress, row, seconds=seconds, better=better)
        self.engine.wait()
        self._tell_epoch(losses, metrics, seconds=seconds, better=better)

    def _tell_epoch(
        self, losses: dict[str, float], metrics: PoseMetrics | None, *, seconds: float, better: bool
    ) -> None:
        self.listener(
            EpochEvent(
                epoch=self.progress.epoch,
                epochs=self.progress.epochs,
                losses=losses,
                metrics=metrics,
                learning_rate=self.learner.learning_rate,
                seconds=seconds,
                best=better,
            )
        )
        if self._out_of_patience():
            self.say(f"no better epoch in {self.settings.patience}: stopping")

    def _mixes(self, epoch: int) -> bool:
        """Whether an epoch mixes images: not the last ones."""
        return epoch < self.progress.epochs - self.settings.close_mosaic

    def _load_ahead(self) -> None:
        """Let the loader work while the epoch is validated and kept."""
        following = self.progress.epoch + 1
        if following < self.progress.epochs:
            self.epochs.load_ahead(following, mix=self._mixes(following))

    def _learn_epoch(self) -> dict[str, float]:
        """Learn an epoch, from an earlier state again when a loss is no number."""
        while True:
            mix = self._mixes(self.progress.epoch)
            drawn = self.settings.plots and self.progress.epoch == 0 and self.engine.writes
            try:
                return self.epochs.learn(
                    self.progress,
                    mix=mix,
                    out_of_time=self._out_of_time,
                    on_step=self.listener,
                    on_batch=self._draw_batch if drawn else None,
                )
            except NotFiniteError as error:
                self._recover(error)

    def _recover(self, error: NotFiniteError) -> None:
        names = self._name_images(error)
        epoch = self.progress.epoch + 1
        recoveries = self.progress.recoveries + 1  # the state may be older than the one before
        self.progress = load_state(self.folder.state, self.learner)
        self.progress.recoveries = recoveries
        where = f"{error} in epoch {epoch}, at step {error.step}, with the images {names}"
        if self.progress.recoveries > RECOVERIES:
            raise TrainingError(
                f"{where}, for the {self.progress.recoveries}th time; look at their labels, or lower lr0; "
                f"{self._what_is_left()}"
            ) from error
        rate = LOWER_RATE**self.progress.recoveries
        again = f"{self.progress.recoveries} of {RECOVERIES}"
        self.say(f"{where}; going back to epoch {self.progress.epoch} with {rate:g} of the learning rate ({again})")

    def _name_images(self, error: NotFiniteError) -> str:
        """Name the images of a batch, those that were mixed into them too; many are listed in a file."""
        draws = self.epochs.order.batch_of(error.step)
        mine = dict.fromkeys(source for draw in draws for source in self.images.sources(draw))
        parts = self.engine.gather(" ".join(map(str, mine)).encode())
        indices = dict.fromkeys(int(index) for part in parts for index in part.split())
        names = [image_name(self.data.source, index) for index in indices]
        if len(names) <= NAMED:
            return ", ".join(names)
        if self.engine.writes:
            with atomic_path(self.folder.bad_images) as temporary:
                temporary.write_text("\n".join(names) + "\n", encoding="utf-8")
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more, all listed in '{self.folder.bad_images}'"

    def _what_is_left(self) -> str:
        if not self.progress.epoch:
            return "there are no weights yet, as no epoch was ended"
        return f"the last good weights are in '{self.folder.last}'"

    def _draw_batch(self, step: int, batch: Batch) -> None:
        if step <= BATCH_PICTURES and len(batch.images):
            write_batch_picture(self.folder.path / f"train_batch{step}.jpg", batch, self.card.skeleton)

    def _validate(self, net: PoseNet) -> ValidationResult:
        assert self.data.held_out is not None
        result = validate_shared(
            TorchRuntime(net, self.card, device=str(self.engine.device)),
            self.data.held_out,
            settings=self.settings,
            engine=self.engine,
            on_event=self._tell_validation,
        )
        if self.engine.any(self.interrupts.asked):
            raise StoppedError
        return result

    def _tell_validation(self, event: TrainEvent) -> None:
        self.listener(event)
        if not isinstance(event, ValidationEvent) or self.data.held_out is None:
            return
        batch = share_of_batch(self.settings, self.engine)
        each = math.ceil(len(self.data.held_out) // self.engine.world / batch)  # batches; some processes have one more
        if math.ceil(event.done / batch) <= each and self.engine.any(self.interrupts.asked):
            raise StoppedError  # the epoch is learnt, and a resumed run will validate it

    def _note_best(self, metrics: PoseMetrics | None) -> bool:
        """Note whether this epoch is the best so far."""
        value = fitness(metrics) if metrics is not None else float(self.progress.epoch)
        better = value > self.progress.best_fitness
        if better:
            self.progress.best_fitness, self.progress.best_epoch = value, self.progress.epoch
            self.best_metrics = metrics
        return better

    def _plan_epochs(self) -> None:
        """Fit the number of epochs to the time that is left, when the run has a budget of time."""
        if self.settings.time is None:
            return
        per_epoch = self.progress.seconds / self.progress.epoch
        left = max(self.settings.time * 3600 - self.progress.seconds, 0.0)
        self.progress.epochs = round(self.engine.agreed(self.progress.epoch + round(left / per_epoch)))

    def _out_of_time(self) -> bool:
        """Whether the budget of time is used up: all processes go by the clock of the one that writes."""
        if self.settings.time is None:
            return False
        spent = self.progress.seconds + time.perf_counter() - self._began
        return bool(self.engine.agreed(spent >= self.settings.time * 3600))

    def _end_here(self) -> None:
        """Make this epoch the last one, wherever in it the time was used up."""
        self.progress.epochs = self.progress.epoch + 1
        where = f"epoch {self.progress.epochs} ends after step {self.progress.step} of {len(self.epochs.order)}"
        self.say(f"{self.settings.time:g} hours are over: {where}")

    def _out_of_patience(self) -> bool:
        patience = self.settings.patience
        return bool(patience) and self.progress.epoch - self.progress.best_epoch >= patience

    def _stopped(self) -> KeyboardInterrupt:
        """Write the state of this moment and say how to go on; return what Ctrl-C ends with."""
        self.progress.seconds += time.perf_counter() - self._began
        if self.engine.writes:
            self.keeper.keep_state(self.learner, self.progress)
        self.engine.wait()
        text = f"stopped in epoch {self.progress.epoch + 1} after step {self.progress.step}; go on with: "
        return KeyboardInterrupt(f"{text}pose train {self.folder.resume_word}")

    def _result(self) -> TrainResult:
        wanted = self.best_metrics is None or self.settings.plots
        if self.data.held_out is not None and self.progress.best_epoch and wanted:
            best = self._validate_best()
            self.best_metrics = best.metrics
            if self.settings.plots and self.engine.writes:
                self._draw_best(self.data.held_out, best)
        self.engine.wait()
        return TrainResult(
            run_folder=self.folder.path,
            best=self.folder.best,
            last=self.folder.last,
            metrics=self.best_metrics,
            epochs=self.progress.epoch,
            seconds=self.progress.seconds,
        )

    def _validate_best(self) -> ValidationResult:
        """Validate the best weights, unless that was done a moment ago."""
        if self.validated is not None and self.progress.best_epoch == self.progress.epoch:
            return self.validated
        return self._validate(load_checkpoint(self.folder.best).net)

    def _draw_best(self, held_out: Samples, best: ValidationResult) -> None:
        net, skeleton = load_checkpoint(self.folder.best).net, held_out.skeleton
        runtime = TorchRuntime(net, self.card, device=str(self.engine.device))
        write_validation_picture(self.folder.path / "validation.jpg", runtime, held_out, imgsz=self.settings.imgsz)
        write_evaluation_pictures(
            self.folder.path, best.evaluator, sigmas=skeleton.require_sigmas(), names=skeleton.names
        )


def check_fit(settings: TrainSettings, data: RunData, net: PoseNet, engine: Engine) -> None:
    """Check that settings fit the data, the network and the processes.

    Raises:
        SettingsError: one of them doesn't.
    """
    check_imgsz(settings.imgsz, stride=net.stride)
    if settings.batch < engine.world:
        raise SettingsError(
            f"batch must be at least the number of processes, which share it; got {settings.batch} for {engine.world}"
        )
    augmentation = settings.augmentation()
    if max(augmentation.fliplr, augmentation.flipud) > 0 and data.learnt.skeleton.flip_idx is None:
        raise SettingsError(
            "fliplr: a flip must know which keypoints mirror each other; got a skeleton without pairs; "
            "add 'flip_idx' (or 'skeleton: mirror:') to the data YAML, or set fliplr=0 flipud=0"
        )


def _make_order(settings: TrainSettings, samples: Samples, engine: Engine) -> tuple[EpochOrder, AugmentedImages]:
    used = count_used(settings, samples)
    order = EpochOrder(
        used,
        batch=settings.batch,
        per_epoch=settings.images_per_epoch or used,
        seed=settings.seed,
        cached=bool(settings.cache),
        rank=engine.rank,
        world=engine.world,
    )
    return order, AugmentedImages(samples, settings.imgsz, settings.augmentation(), settings.seed)

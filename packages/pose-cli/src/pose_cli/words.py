"""Words of the command line: `epochs=100`, `--epochs 100`, `--save-txt` and bare file names, by a table of settings."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pose_cli.foreign import foreign_hint

Word = str | bool | tuple[str, ...]

TRUE_WORDS = ("true", "yes", "on")
FALSE_WORDS = ("false", "no", "off")
# Ends of files and folders that hold a network: those of pose_export.FORMATS, which a test compares.
MODEL_SUFFIXES = (
    *(".safetensors", ".pt", ".onnx", ".torchscript", ".engine", "_openvino_model", ".mlpackage"),
    *("_ncnn_model", "_saved_model", ".pb", ".tflite", "_web_model", "_paddle_model"),
)
_PAIR = re.compile(r"-{0,2}([A-Za-z][A-Za-z0-9_-]*)=(.*)", re.DOTALL)
_ARCHITECTURE = re.compile(r"yolov8\w*-pose(-p6)?(\.ya?ml)?")


def read_words(
    arguments: Sequence[str], *, settings: type, places: Sequence[str], command: str, many: str | None = None
) -> dict[str, Word]:
    """Turn what was typed after a command into values of its settings.

    Args:
        arguments: `key=value`, `--key value`, `--key=value`, `--flag`, `--no-flag` and bare words; after a
            lone `--` everything is a bare word.
        settings: dataclass whose fields are the words.
        places: settings that bare words go to, in this order; one that looks like a model goes to "model".
        command: such as "data check", for messages.
        many: the setting, if any, that takes all the bare words that are left, as a tuple.

    Raises:
        SettingsError: an unknown word, a value that is missing, or a bare word too many.
    """
    hints = typing.get_type_hints(settings)
    texts: dict[str, str] = {}
    bare: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            bare += waiting
            break
        pair = _PAIR.fullmatch(argument)
        if pair:
            key, text = _plain_key(pair[1]), pair[2]
        elif argument.startswith("-") and len(argument) > 1:
            key, text = _read_option(argument, waiting, hints=hints, command=command)
        elif hints.get(argument) is bool and not Path(argument).exists():
            key, text = argument, "true"
        else:
            bare.append(argument)
            continue
        if not _is_foreign(key, text, hints=hints, command=command) and not _means_default(text, hints[key]):
            texts[key] = text
    values = {key: value_from_text(text, hints[key]) for key, text in texts.items()}
    return values | _place(bare, taken=values, places=places, many=many, command=command)


def check_words(words: Mapping[str, object], *, settings: type, command: str) -> dict[str, object]:
    """Keep the words that are settings, drop those that mean nothing here and refuse the rest.

    Args:
        words: by name, as Python values; None for a word that nobody gave.
        command: such as "Pose.train", for messages.

    Raises:
        SettingsError: an unknown word; the message has the nearest right one.
    """
    hints = typing.get_type_hints(settings)
    kept = (key for key, value in words.items() if not _is_foreign(key, value, hints=hints, command=command))
    return {key: words[key] for key in kept if not _means_default(words[key], hints[key])}


def value_from_text(text: str, hint: object) -> Word:
    """Read what only the command line writes its own way, `True`, `no` and `[1,2]`; the settings read the rest."""
    kinds = _kinds(hint)
    plain = text.strip()
    rows = [kind for kind in kinds if typing.get_origin(kind) is tuple]
    # A comma alone makes no list of file names: photo,1.jpg is one file.
    if rows and (plain[:1] + plain[-1:] in ("[]", "()") or ("," in plain and str not in typing.get_args(rows[0]))):
        return tuple(item.strip().strip("'\"") for item in plain.strip("[]()").split(",") if item.strip())
    if bool in kinds and plain.lower() in (TRUE_WORDS if int in kinds else (*TRUE_WORDS, "1")):
        return True
    if bool in kinds and plain.lower() in (FALSE_WORDS if int in kinds else (*FALSE_WORDS, "0")):
        return False
    return text


def looks_like_model(text: str) -> bool:
    """Whether a bare word is a file of weights or the name of a network."""
    return text.lower().rstrip("/\\").endswith(MODEL_SUFFIXES) or _ARCHITECTURE.fullmatch(text.lower()) is not None


def words_help(settings: type) -> list[tuple[str, str]]:
    """One row per setting: the word with its default, and what it means, made from the fields alone."""
    rows = []
    for field in dataclasses.fields(settings):
        text = str(field.metadata.get("help", ""))
        choices = ", ".join(str(choice) for choice in field.metadata.get("choices", ()) if choice != "")
        rows.append((f"{field.name}={_shown_default(field)}", f"{text} ({choices})" if choices else text))
    return rows


def _read_option(argument: str, waiting: list[str], *, hints: Mapping[str, object], command: str) -> tuple[str, str]:
    key = _plain_key(argument)
    if hints.get(key) is bool:
        return key, "true"
    if key.startswith("no_") and hints.get(key[3:]) is bool:
        return key[3:], "false"
    if key not in hints and (not waiting or waiting[0].startswith("-") or "=" in waiting[0]):
        return key, "true"  # a flag, if it is anything
    if not waiting:
        raise _refusal(f"{command}: {argument} must be followed by its value; got nothing. Write {key}=VALUE")
    return key, waiting.pop(0)


def _refusal(message: str) -> Exception:
    """Make the error of a wrong word; what it takes is imported only then, so that help stays quick."""
    from pose_data import SettingsError

    return SettingsError(message)


def _plain_key(argument: str) -> str:
    return argument.lstrip("-").replace("-", "_")


def _is_foreign(key: str, value: object, *, hints: Mapping[str, object], command: str) -> bool:
    """True for a word of other tools that changes nothing here; an unknown or unfit one is refused."""
    if key in hints:
        return False
    hint = foreign_hint(key, value, command=command)
    if hint == "":
        return True
    if hint:
        raise _refusal(f"{command}: no setting '{key}' here; {hint}")
    from pose_data import nearest_key

    near = nearest_key(key, tuple(hints))
    way_out = f"did you mean '{near}'?" if near else f"it knows {', '.join(hints)}"
    raise _refusal(f"{command}: no setting '{key}'; {way_out}")


def _means_default(value: object, hint: object) -> bool:
    """Whether a value is the None of other tools, for a setting that knows none."""
    return str(value).lower() in ("none", "null") and type(None) not in _kinds(hint)


def _place(
    bare: Sequence[str], *, taken: Mapping[str, Word], places: Sequence[str], many: str | None, command: str
) -> dict[str, Word]:
    free = [place for place in places if place not in taken]
    placed: dict[str, Word] = {}
    rest: tuple[str, ...] = ()
    for word in bare:
        wanted = _wanted_place(word, free)
        if wanted == "model" and "data" in places and _is_yaml(word):
            given = placed.get("data", taken.get("data"))
            raise _refusal(
                f"{command}: data must be one data set; got '{given}' and '{word}'; for a network use model="
            )
        if rest and not looks_like_model(word):
            rest = (*rest, word)
        elif wanted is not None:
            free.remove(wanted)
            if wanted == many:
                rest = (word,)
            else:
                placed[wanted] = word
        elif rest:
            rest = (*rest, word)
        else:
            raise _refusal(_too_many(word, places=places, command=command))
    if many is not None and rest:
        placed[many] = rest
    return placed


def _wanted_place(word: str, free: Sequence[str]) -> str | None:
    if "model" in free and looks_like_model(word):
        return "model"
    others = [place for place in free if place != "model"]
    return others[0] if others else (free[0] if free else None)


def _is_yaml(word: str) -> bool:
    """Whether a bare word is a YAML file and no network's name."""
    return word.lower().endswith((".yaml", ".yml")) and not looks_like_model(word)


def _too_many(word: str, *, places: Sequence[str], command: str) -> str:
    if not places:
        return f"{command}: takes words such as key=value; got '{word}'"
    return f"{command}: bare words are {' and '.join(places)}, each once; '{word}' is one too many. Write key=value"


def _kinds(hint: object) -> set[object]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return {kind for part in typing.get_args(hint) for kind in _kinds(part)}
    return {hint}


def _shown_default(field: dataclasses.Field[object]) -> str:
    default: object = field.default
    if default is dataclasses.MISSING:
        factory: Callable[[], object] | dataclasses._MISSING_TYPE = field.default_factory
        default = factory() if callable(factory) else None
    if isinstance(default, tuple):
        return f"[{','.join(map(str, default))}]" if default else ""
    return "" if default is None else str(default)

"""Files made to do harm: none of them may run, and each ends in one clear line."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from pose_data import CheckpointError
from pose_nn import load_checkpoint


class Bomb:
    """Calls something when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def write_archive(path: Path, data: bytes, *members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", data)
        for name, content in members:
            file.writestr(name, content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.fixture
def target(tmp_path):
    return tmp_path / "weights.pt"


@pytest.fixture
def trace(tmp_path):
    """A file that appears when a bomb went off."""
    return tmp_path / "harm"


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_system_command_is_refused_by_name(target, trace, protocol):
    bomb = Bomb(os.system, f"touch {trace}")
    write_archive(target, pickle.dumps({"model": bomb}, protocol=protocol))
    assert f"names '{os.system.__module__}.system'" in refusal(target)
    assert not trace.exists()


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_eval_is_refused_by_name(target, trace, protocol):
    bomb = Bomb(eval, f"open({str(trace)!r}, 'w')")
    write_archive(target, pickle.dumps({"model": bomb}, protocol=protocol))
    assert "builtin" in refusal(target) and ".eval'" in refusal(target)
    assert not trace.exists()


@pytest.mark.parametrize("function", [exec, getattr, open, __import__, bytearray, torch.load, torch.hub.load])
def test_any_other_global_is_refused_by_name(target, function):
    write_archive(target, pickle.dumps({"model": Bomb(function, "x")}))
    assert f".{function.__name__}'" in refusal(target)


def test_bomb_saved_by_torch_beside_good_tensors_is_refused(target, trace):
    torch.save({"state_dict": {"a": torch.zeros(3)}, "more": Bomb(os.mkdir, str(trace))}, target)
    assert "mkdir" in refusal(target)
    assert not trace.exists()


def test_class_of_our_own_is_refused_too(target):
    # Files that we write hold no classes at all.
    write_archive(target, b"cpose_nn.network\nPoseNet\n.")
    assert "'pose_nn.network.PoseNet'" in refusal(target)


def test_classes_of_networks_are_never_looked_up(target, trace):
    # A name that begins like a network's class can't reach what it names.
    code = f"open({str(trace)!r}, 'w')"
    data = b"cultralytics.utils\n__builtins__.eval\n" + pickle.dumps(code, 0)[:-1].split(b"\n")[0] + b"\n\x85R."
    write_archive(target, data)
    assert "must hold a dict" in refusal(target)
    assert not trace.exists()


def test_allowed_functions_can_t_be_changed(target):
    # BUILD gives an object new attributes; here it would give a function new default arguments.
    state = pickle.dumps((None, {"__defaults__": (1,)}), 2)[2:-1]
    write_archive(target, b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n" + state + b"b.")
    assert "a function can't be given a state" in refusal(target)


def test_whole_number_without_end_is_refused(target):
    class Size:
        def __reduce__(self):
            return torch.Size, ((10**5000,),)

    write_archive(target, pickle.dumps({"model": Size()}, 2))
    assert "a size must be a whole number" in refusal(target)


def test_large_collections_are_not_copied(target):
    class Large:
        def __reduce__(self):
            return set, (list(range(5000)),)

    write_archive(target, pickle.dumps({"model": Large()}, 2))
    assert "at most 1000 items" in refusal(target)


def test_pickle_that_ends_early_is_an_error(target):
    write_archive(target, pickle.dumps({"model": OrderedDict(a=1)})[:-3])
    assert "its pickle can't be read" in refusal(target)


def test_truncated_zip_is_an_error(target):
    torch.save({"model": torch.zeros(1000)}, target)
    content = target.read_bytes()
    target.write_bytes(content[: len(content) // 2])
    assert "is cut off or damaged" in refusal(target)


def test_zip_bomb_is_refused_before_it_is_unpacked(target):
    write_archive(target, pickle.dumps({}), ("archive/data/0", bytes(50_000_000)), compression=zipfile.ZIP_DEFLATED)
    assert target.stat().st_size < 100_000
    assert "must be stored as they are" in refusal(target)


def test_members_that_share_their_bytes_are_refused(target):
    # Many entries of the directory point at one member: together they say more than the file holds.
    write_archive(target, pickle.dumps({}), ("archive/data/0", bytes(1_000_000)))
    with zipfile.ZipFile(target) as file:
        entry = file.getinfo("archive/data/0")
    whole = io.BytesIO(target.read_bytes())
    with zipfile.ZipFile(whole, "a") as file:
        for i in range(1, 20):
            copy = zipfile.ZipInfo(f"archive/data/{i}")
            copy.header_offset, copy.file_size = entry.header_offset, entry.file_size
            copy.compress_size, copy.CRC = entry.compress_size, entry.CRC
            file.filelist.append(copy)
            file.NameToInfo[copy.filename] = copy
        file._didModify = True
    target.write_bytes(whole.getvalue())
    assert "overlap" in refusal(target)


@pytest.mark.parametrize("name", ["../evil", "archive/../../evil", "/etc/evil", "archive\\..\\evil"])
def test_members_that_point_outside_are_refused(target, name):
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({}))
        info = zipfile.ZipInfo("x")
        info.filename = name  # as it is: the constructor would tidy it
        file.writestr(info, b"evil")
    assert "points out of the archive" in refusal(target)


def test_two_members_of_one_name_are_refused(target):
    with pytest.warns(UserWarning, match="Duplicate"):
        write_archive(target, pickle.dumps({}), ("archive/data/0", b"a"), ("archive/data/0", b"b"))
    assert "has two members" in refusal(target)


def test_other_zip_is_an_error(target):
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("report.txt", "hello")
    assert "got another zip" in refusal(target)


def test_large_pickle_is_refused_unread(target):
    write_archive(target, bytes(17 * 2**20))
    assert "must be at most 16 MiB" in refusal(target)


def test_network_that_holds_itself_ends(target, net_in_itself):
    write_archive(target, net_in_itself)
    assert "nested without end" in refusal(target)


@pytest.fixture
def net_in_itself():
    """A PoseModel whose only layer has itself as a child."""
    return (
        b"\x80\x02}(X\x05\x00\x00\x00modelcultralytics.nn.tasks\nPoseModel\n)\x81}(X\x08\x00\x00\x00_modules"
        b"}(X\x05\x00\x00\x00modelctorch.nn.modules.container\nSequential\n)\x81}(X\x08\x00\x00\x00_modules"
        b"}(X\x01\x00\x00\x000cultralytics.nn.modules.conv\nConv\n)\x81q\x01}(X\x08\x00\x00\x00_modules"
        b"}(X\x01\x00\x00\x00ah\x01uubuubuubu."
    )


def tensor_file(path: Path, *, shape: tuple, strides: tuple, offset: int = 0, key: str = "0") -> Path:
    """An archive of a card-bearing file whose only tensor is described as asked, over four numbers."""

    class Storage:
        pass

    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (Storage(), offset, shape, strides, False, OrderedDict())

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            return ("storage", torch.FloatStorage, key, "cpu", 4) if isinstance(thing, Storage) else None

    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump({"pose_card": "{}", "state_dict": {"a": Tensor()}})
    return write_archive(path, buffer.getvalue(), ("archive/data/0", bytes(16)))


@pytest.mark.parametrize(
    "description",
    [
        {"shape": (5,), "strides": (1,)},
        {"shape": (2, 2), "strides": (4, 1)},
        {"shape": (4,), "strides": (1,), "offset": 1},
        {"shape": (1_000_000, 1_000_000), "strides": (0, 0)},
    ],
    ids=["longer", "wider", "further", "repeated"],
)
def test_tensor_beyond_its_numbers_is_an_error(target, description):
    assert "must lie within the 4 numbers of 'data/0'" in refusal(tensor_file(target, **description))


def test_tensor_of_a_missing_member_is_an_error(target):
    assert "has no member 'data/7'" in refusal(tensor_file(target, shape=(4,), strides=(1,), key="7"))


def test_card_that_is_no_card_is_an_error(target):
    assert "its model card can't be read" in refusal(tensor_file(target, shape=(4,), strides=(1,)))

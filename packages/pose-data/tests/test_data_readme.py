import re
from pathlib import Path

import pytest
from pose_data import read_data_settings

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.mark.skipif(not README.exists(), reason="README.md is not beside the tests")
def test_every_example_of_the_readme_runs(tmp_path: Path, monkeypatch, write_dataset, capsys):
    text = README.read_text(encoding="utf-8")
    for name, content in re.findall(r"```yaml\n# (\S+)\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(content, encoding="utf-8")
    write_dataset()
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "readme"}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "README.md", "exec", dont_inherit=True), names)
    shown = capsys.readouterr().out
    assert "(320, 320, 3)" in shown
    assert "did you mean 'epochs'?" in shown
    assert (tmp_path / "mice-yolo" / "data.yaml").exists()
    assert read_data_settings(tmp_path / "pets.yaml").skeleton.classes == ((0, 1, 2), (0, 3))

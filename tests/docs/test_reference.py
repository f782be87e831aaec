"""The reference pages are made from the declarations."""

import importlib.util
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "docs" / "reference.py"
spec = importlib.util.spec_from_file_location("reference", SOURCE)
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)


def test_every_page_is_written(tmp_path):
    reference.main(str(tmp_path))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "Tensor.md", "nn.functional.md", "switches.md", "torch.md",
    ]  # fmt: skip
    page = (tmp_path / "nn.functional.md").read_text()
    assert "## linear(input: 'Tensor', weight: 'Tensor', bias: 'Tensor | None' = None)" in page
    assert "``input @ weight.T + bias``." in page


def test_every_switch_has_a_row():
    page = reference.switches()
    assert "| `RUSHLIGHT_KERNELS` | fast |" in page
    assert page.count("| `RUSHLIGHT_") == len(reference.SWITCHES)

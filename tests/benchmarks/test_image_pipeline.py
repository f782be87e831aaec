"""The question about image files, in small."""

from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def question(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("RUSHLIGHT_BENCHMARK_IMAGES", str(tmp_path))
    from benchmarks.questions import image_pipeline

    monkeypatch.setattr(image_pipeline, "COUNT", 40)
    monkeypatch.setattr(image_pipeline, "DISTINCT", 3)
    return image_pipeline


def test_every_pass_is_timed(question):
    assert all(question.sample("rushlight", label) > 0 for label in question.LABELS)


def test_the_images_are_made_once_and_are_like_photographs(question, tmp_path):
    import rushlight
    from rushlight import vision

    loader = question.jpegs(rushlight, vision, tmp_path)
    assert [len(labels) for _, labels in loader] == [32, 8]
    files = sorted((tmp_path / "jpegs").rglob("*.jpg"))
    assert len(files) == 40
    with Image.open(files[0]) as image:
        assert (image.size, image.mode) == ((500, 375), "RGB")
    sizes = [file.stat().st_size for file in files]
    assert 60_000 < min(sizes) and max(sizes) < 200_000
    times = [file.stat().st_mtime_ns for file in files]
    question.jpegs(rushlight, vision, tmp_path)
    assert [file.stat().st_mtime_ns for file in files] == times

import pytest

from include.prices import gpus_visible


@pytest.mark.parametrize(
    ("devices", "listed", "visible"),
    [(2, None, 2), (2, "1", 1), (2, "", 0), (2, "-1", 0), (0, "0", 0), (0, None, 0)],
    ids=["all", "one chosen", "none allowed", "none, as CUDA writes it", "a number on a machine without", "a machine without"],
)
def test_a_step_pays_for_the_gpus_that_are_there_and_that_it_may_use(tmp_path, monkeypatch, devices, listed, visible):
    for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{number}" for number in range(devices))):
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert gpus_visible(tmp_path) == visible

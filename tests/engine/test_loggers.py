"""Scalars reach the backends that a config names, and a backend without its package is refused before the training."""

import builtins
from pathlib import Path

import pytest
from mmengine.visualization.vis_backend import BaseVisBackend

from yolo_plugins.engine.loggers import visualizer_config
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import VISBACKENDS


@VISBACKENDS.register_module()
class ToyBackend(BaseVisBackend):
    """Keeps what it is given."""

    def __init__(self, save_dir: str, label: str = "") -> None:
        super().__init__(save_dir)
        self.label, self.config, self.rows, self.closed = label, None, [], False

    def _init_env(self) -> None:
        """Nothing to start."""

    @property
    def experiment(self):
        return self

    def add_config(self, config, **kwargs) -> None:
        self.config = config

    def add_scalars(self, scalar_dict, step=0, file_path=None, **kwargs) -> None:
        self.rows.append((step, dict(scalar_dict)))

    def close(self) -> None:
        self.closed = True


def backend_of(runner) -> ToyBackend:
    return runner.visualizer.get_backend("ToyBackend")


def test_two_runs_of_one_process_have_visualizers_of_their_own():
    assert "name" not in visualizer_config(None, {"type": "mmdet.DetLocalVisualizer", "name": "visualizer"}, "logs")


@pytest.mark.parametrize(
    "entries",
    [
        {"vis_backends": [{"type": "ToyBackend"}]},
        {"vis_backends": ["ToyBackend"]},
        {"vis_backends": "ToyBackend"},
        {"visualizer": {"vis_backends": [{"type": "ToyBackend"}]}},
        {"visualizer": {"type": "Visualizer", "vis_backends": {"type": "ToyBackend"}}},
        {"visualizer": {"vis_backends": [{"type": "ToyBackend"}]}, "vis_backends": [{"type": "ToyBackend"}]},
    ],
)
def test_losses_rates_and_scores_reach_a_backend_by_name(make_runner, entries):
    runner = make_runner(max_epochs=2, **entries)
    runner.train()
    backend = backend_of(runner)
    losses = {step: row for step, row in backend.rows if "loss_box" in row}
    scores = {step: row for step, row in backend.rows if "ap50" in row}
    assert set(losses) == {3, 6}  # iterations
    assert set(scores) == {1, 2}  # epochs
    assert {"lr", "loss", "loss_box", "loss_obj", "loss_cls", "epoch", "iter"} <= losses[6].keys()
    assert {"ap50", "ap50_95", "precision", "recall", "recall_max"} <= scores[2].keys()
    assert backend.config is runner.cfg
    assert backend.closed


def test_options_of_a_backend_reach_it(make_runner, tmp_path):
    backends = [{"type": "ToyBackend", "label": "mine", "save_dir": str(tmp_path)}]
    assert backend_of(make_runner(vis_backends=backends)).label == "mine"


def test_a_backend_writes_beside_the_log(make_runner):
    runner = make_runner(max_epochs=1, vis_backends=["LocalVisBackend"])
    runner.train()
    (scalars,) = Path(runner.log_dir, "vis_data").glob("scalars.json")
    assert '"ap50"' in scalars.read_text()


def test_nothing_is_written_by_default(make_runner):
    runner = make_runner(max_epochs=1)
    runner.train()
    assert not Path(runner.log_dir, "vis_data").exists()


def test_a_backend_is_closed_where_a_run_breaks_off(make_runner, monkeypatch):
    runner = make_runner(vis_backends=["ToyBackend"])

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner.val_loop.evaluator, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert backend_of(runner).closed


@pytest.mark.parametrize(
    ("backend", "package"),
    [("TensorboardVisBackend", "tensorboard"), ("WandbVisBackend", "wandb"), ("MLflowVisBackend", "mlflow")],
)
def test_a_missing_package_is_one_line_with_its_command(make_runner, monkeypatch, backend, package):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.partition(".")[0] == package or name == "torch.utils.tensorboard":
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    words = rf"^vis_backends: {backend} needs a package that is not installed: pip install {package}$"
    with pytest.raises(UsageError, match=words):
        make_runner(vis_backends=[{"type": backend}])

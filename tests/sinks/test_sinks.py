"""What a run leaves in TensorBoard's and MLflow's own readers: live, afterwards, interrupted, killed, and with a sink that fails."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lthviz import branching, driving, launch, sinks
from lthviz.cli import main
from lthviz.config import Random, Refill, RunConfig
from lthviz.ending import Cancelled
from lthviz.errors import ConfigError
from lthviz.records import Begin, Epoch, Masks, Stage, Ticket
from lthviz.sinks import contents, mlflow_runs, places
from lthviz.store import Store, files, sealed
from tests.shipped import EXAMPLES, FIRST
from tests.small import SMALL

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")   # of MLflow's own use of it
ROOT = Path(__file__).resolve().parents[2]
CONFIG = SMALL.replace(rounds=1, epochs=3, structures=(Refill(rho=0.1),), log_to="both")
CURVES = ("train_loss", "train_acc", "val_acc", "lr")
RESULTS = ("density", "effective_density", "coverage", "flops_ratio", "test_acc", "dense_acc")


@pytest.fixture(autouse=True)
def here(monkeypatch):
    for name in ("LTHVIZ_TENSORBOARD", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """An MLflow database without a run: to make its tables takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    mlflow_runs.MlflowRun("sqlite://")   # sets what keeps MLflow silent before it is imported
    import mlflow

    mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()
    return folder / "mlflow.db"


def new_store(folder, database):
    (folder / "runs" / ".mlflow").mkdir(parents=True)
    shutil.copy(database, folder / "runs" / ".mlflow")
    return Store(folder / "runs")


@pytest.fixture
def store(tmp_path, database):
    return new_store(tmp_path, database)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, database):
    """(store, id) of a run that nothing interrupted, logged to both while it trained."""
    with pytest.MonkeyPatch.context() as m:
        for name in ("LTHVIZ_TENSORBOARD", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
            m.delenv(name, raising=False)
        made = new_store(tmp_path_factory.mktemp("whole"), database)
        run_id = made.begin(CONFIG)
        driving.drive(made, run_id)
    assert made.warnings(run_id) == []
    return made, run_id


def board(folder):
    """(scalars, images, tensors) by tag, as TensorBoard reads them."""
    found = EventAccumulator(str(folder), size_guidance=dict.fromkeys(("scalars", "images", "tensors", "histograms"), 0))
    found.Reload()
    tags = found.Tags()
    return ({t: [(e.step, e.value) for e in found.Scalars(t)] for t in tags["scalars"]},
            {t: [(e.step, e.encoded_image_string) for e in found.Images(t)] for t in tags["images"]},
            {t: [(e.step, e.tensor_proto.SerializeToString()) for e in found.Tensors(t)] for t in tags["tensors"]})


def tracked(store, run_id, uri=None):
    """(MLflow's run, its metrics' histories) of the one run that there is of it."""
    import mlflow

    client = mlflow.MlflowClient(uri or f"sqlite:///{store.root / '.mlflow' / 'mlflow.db'}")
    found = client.search_runs([e.experiment_id for e in client.search_experiments()], f"tags.`lthviz.run` = '{run_id}'")
    assert len(found) == 1
    return found[0], {k: sorted((m.step, m.value) for m in client.get_metric_history(found[0].info.run_id, k)) for k in found[0].data.metrics}


def expected(store, run_id):
    """Every point by tag, from the store alone."""
    run, out = store.run(run_id), {}
    for k in run.rounds:
        for label, t in store.round(run_id, k).tickets.items():
            for name in CURVES:
                values = zip(t.curve.epoch.tolist(), getattr(t.curve, name).tolist(), strict=True)
                out.setdefault(f"{name}/{label}", []).extend((k * run.config.epochs + e, v) for e, v in values)
    for r in run.rows:
        for name in RESULTS:
            out.setdefault(f"{name}/{r['structure']}", []).append((r["round"], r[name]))
    return out


def float32(points):
    return {tag: [(step, float(np.float32(v))) for step, v in values] for tag, values in points.items()}


def equal(store, run_id, other):
    """What is logged of a run is what it should be, and what another like it had, but for the seconds of work."""
    points = expected(store, run_id)
    assert points == expected(*other)
    mine, theirs = (board(s.path(r) / "tensorboard") for s, r in ((store, run_id), other))
    assert mine[0] == float32(points)
    assert mine[1] == theirs[1] and {t: v for t, v in mine[2].items() if not t.startswith("_hparams_")} == {t: v for t, v in theirs[2].items() if not t.startswith("_hparams_")}
    metrics = tracked(store, run_id)[1]
    assert metrics == {mlflow_runs.key(t): v for t, v in points.items()} == tracked(*other)[1]


def test_what_is_logged_is_what_the_store_says(whole):
    store, run_id = whole
    equal(store, run_id, whole)
    points = expected(store, run_id)
    assert {len(points[f"val_acc/{s}"]) for s in ("unstructured", "refill-rho=0.1")} == {6, 3}
    assert [step for step, _ in points["train_loss/unstructured"]] == [1, 2, 3, 4, 5, 6]   # rounds follow one another
    run, _ = tracked(store, run_id)
    assert run.data.params == {"run_id": run_id, **{k: str(getattr(CONFIG, k)) for k in CONFIG.to_dict() if k not in (*CONFIG.place, "structures")}, "structures": "refill-rho=0.1"}
    assert run.info.status == "FINISHED" and run.info.run_name == run_id and run.data.tags["lthviz.version"]
    assert run.info.artifact_uri.startswith((store.root / ".mlflow").as_uri())
    file = Path(url2pathname(urlparse(run.info.artifact_uri).path)) / "config.json"
    assert file.read_bytes() == (store.path(run_id) / "config.json").read_bytes()


def test_pictures_and_histograms_are_of_the_masks(whole):
    store, run_id = whole
    _, images, tensors = board(store.path(run_id) / "tensorboard")
    assert len(images) == 2 * len(store.run(run_id).layers) and {step for v in images.values() for step, _ in v} == {1}
    assert {t.replace("row_density", "mask") for t in tensors if t.startswith("row_density")} == set(images)
    mask = store.round(run_id, 1).tickets["refill-rho=0.1"].masks.matrix("features.0.weight")
    picture = np.asarray(Image.open(io.BytesIO(images["mask/refill-rho=0.1/features.0"][0][1])))
    edges = [np.linspace(0, n, min(n, 128) + 1).astype(int) for n in mask.shape]
    plain = [[mask[a:b, c:d].mean() for c, d in zip(edges[1], edges[1][1:])] for a, b in zip(edges[0], edges[0][1:])]
    assert np.array_equal(picture, np.round(255 * (1 - np.array(plain)))) and picture.shape == (128, 128)
    small = np.random.default_rng(0).random((5, 7, 1, 1)) < 0.5
    png, height, width = contents.picture(Ticket("unstructured", 1, Masks.of({"a": small})), "a")
    assert (height, width) == (5, 7) and np.array_equal(np.asarray(Image.open(io.BytesIO(png))) == 0, small[:, :, 0, 0])


def test_afterwards_gives_what_was_written_while_it_trained(whole, tmp_path, capsys, monkeypatch):
    store, run_id = whole
    words = ["log", run_id, "--runs", str(store.root)]
    assert main([*words, "--to", "tensorboard", "--where", str(tmp_path), "--json"]) == 0
    place = Path(json.loads(capsys.readouterr().out)["logged"]["tensorboard"])
    assert place == tmp_path / run_id
    one, other = (list(folder.iterdir()) for folder in (place, store.path(run_id) / "tensorboard"))
    assert one[0].read_bytes() == other[0].read_bytes() and len(one) == len(other) == 1
    (tmp_path / "ml").mkdir()
    shutil.copy(store.root / ".mlflow" / "mlflow.db", tmp_path / "ml" / "mlflow.db")
    before = tracked(store, run_id)
    import mlflow

    with monkeypatch.context() as m:
        m.delattr(mlflow.MlflowClient, "log_batch")      # all is there already: nothing is sent again
        assert main([*words, "--to", "mlflow", "--where", str(tmp_path / "ml")]) == 0
    after = tracked(store, run_id, f"sqlite:///{tmp_path / 'ml' / 'mlflow.db'}")
    assert after[1] == before[1] and after[0].data.params == before[0].data.params
    assert main([*words, "--to", "both"]) == 0
    equal(store, run_id, whole)
    assert [p.name for p in (store.path(run_id) / "tensorboard").iterdir()] == ["events.out.tfevents.0000000002.lthviz"]


def test_the_same_run_in_an_empty_database(whole, tmp_path, database):
    store, run_id = whole
    shutil.copy(database, tmp_path / "mlflow.db")
    assert sinks.replay(store, run_id, ["mlflow"], str(tmp_path)) == [f"sqlite:///{tmp_path / 'mlflow.db'}"]
    one, other = tracked(store, run_id, f"sqlite:///{tmp_path / 'mlflow.db'}"), tracked(store, run_id)
    assert one[1] == other[1] and one[0].data.params == other[0].data.params and one[0].info.end_time == other[0].info.end_time


@pytest.mark.parametrize("checkpoints", [0, 1], ids=["no checkpoint", "a checkpoint an epoch before"])
@pytest.mark.parametrize("at", [(0, "unstructured", 2), (1, "refill-rho=0.1", 2)], ids=["dense", "ticket"])
def test_cancelled_and_resumed_it_has_every_point_once(store, whole, monkeypatch, checkpoints, at):
    monkeypatch.setattr(driving, "CHECKPOINT_S", 1e9)
    run_id = store.begin(CONFIG)

    def cancel(event):
        if isinstance(event, Epoch) and (event.round, event.structure, event.epoch) == at:
            store.request(run_id, "cancel")
        begins = (isinstance(event, Begin) and not at[0]) or (isinstance(event, Stage) and (event.round.index, event.kind, event.structure) == (1, "train", "unstructured") and at[0])
        monkeypatch.setattr(driving, "CHECKPOINT_S", 0.0 if checkpoints and begins else driving.CHECKPOINT_S if not isinstance(event, Epoch) else 1e9)
    with pytest.raises(Cancelled):
        driving.drive(store, run_id, cancel)
    assert tracked(store, run_id)[0].info.status == "KILLED"
    scalars = board(store.path(run_id) / "tensorboard")[0]
    step = at[0] * CONFIG.epochs + at[2]
    assert scalars[f"train_loss/{at[1]}"][-1][0] == step      # seen at once, kept or not
    assert store.checkpoint(run_id) is None or store.checkpoint(run_id).epoch == checkpoints
    # What no checkpoint holds is trained again, and may come out otherwise: MLflow hears of it then, and the log's word does not count.
    steps = [x for x, _ in tracked(store, run_id)[1].get(mlflow_runs.key(f"train_loss/{at[1]}"), [])]
    assert steps == ([step - 1] if checkpoints else [])
    log = store.path(run_id) / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if line.startswith(b'{"event":"epoch"'))
    lines[last] = sealed.seal(files.json_bytes({**sealed.load(lines[last].strip())[0], "train_loss": 99.0})) + b"\n"
    log.write_bytes(b"".join(lines))
    driving.drive(store, run_id)
    equal(store, run_id, whole)
    assert tracked(store, run_id)[0].info.status == "FINISHED"


KILL = """
import os, signal, sys
from lthviz import driving
from lthviz.sinks import mlflow_runs
from lthviz.store import Store

driving.CHECKPOINT_S = 0.0      # the first epoch is kept
kept = mlflow_runs.MlflowRun.kept

def dies(self):
    if not self.waiting:
        return kept(self)
    self.waiting = self.waiting[:2]
    kept(self)
    os.kill(os.getpid(), signal.SIGKILL)

mlflow_runs.MlflowRun.kept = dies
driving.drive(Store(sys.argv[1]), sys.argv[2])
"""


def test_killed_while_it_trains_it_has_every_point_once(store, whole):
    """When a checkpoint was stored in the middle of a training, and half of what it keeps was told."""
    run_id = store.begin(CONFIG)
    done = subprocess.run([sys.executable, "-c", KILL, str(store.root), run_id], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == -9, done.stderr
    assert store.status(run_id).state == "interrupted" and store.checkpoint(run_id).epoch == 1
    assert set(tracked(store, run_id)[1]) == {"train_loss/unstructured", "train_acc/unstructured"}
    driving.drive(store, run_id)
    equal(store, run_id, whole)


def test_a_torn_record_is_gone_after_a_resume(store, whole):
    run_id = store.begin(CONFIG)
    with pytest.raises(Cancelled):
        driving.drive(store, run_id, lambda e: isinstance(e, Stage) and e.round.index and store.request(run_id, "cancel"))
    file = next((store.path(run_id) / "tensorboard").iterdir())
    file.write_bytes(file.read_bytes()[:-7])
    (file.parent / "events.out.tfevents.1.somebody").write_bytes(b"")
    driving.drive(store, run_id)
    equal(store, run_id, whole)
    assert {p.name for p in file.parent.iterdir()} == {"events.out.tfevents.0000000002.lthviz", "events.out.tfevents.1.somebody"}


def test_a_branch_tells_what_it_took_over_and_each_point_once(whole, tmp_path, database):
    store = Store(shutil.copytree(whole[0].root, tmp_path / "runs"))
    config = store.run(whole[1]).config.replace(structures=(Refill(rho=0.1), Random()), log_to="tensorboard")
    run_id = branching.begin(store, whole[1], 1, config)
    driving.drive(store, run_id)
    assert store.run(run_id).taken_over(1, "refill-rho=0.1")
    points = expected(store, run_id)
    assert board(store.path(run_id) / "tensorboard")[0] == float32(points) and len(points["val_acc/random"]) == 3


def test_sinks_that_fail_stop_no_training(store, monkeypatch, tmp_path, capsys):
    """One whose folder cannot be, one whose server is gone."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LTHVIZ_TENSORBOARD", str(tmp_path / "file"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run_id = store.begin(CONFIG.replace(rounds=0, epochs=1))
    driving.drive(store, run_id)
    assert store.status(run_id).state == "finished"
    first, second = sorted(x for x in store.warnings(run_id) if "learned nothing" not in x)
    assert first.startswith("mlflow: ") and "127.0.0.1" in first and second.startswith(f"tensorboard: cannot write {tmp_path / 'file'}")
    assert all(f"`lthviz log {run_id} --to " in x and "\n" not in x for x in (first, second))
    assert main(["show", run_id, "--runs", str(store.root)]) == 0
    assert second.split(";")[0] in capsys.readouterr().out.replace("\n", "")
    monkeypatch.delenv("LTHVIZ_TENSORBOARD")
    assert main(["log", run_id, "--runs", str(store.root), "--to", "tensorboard"]) == 0   # as the line says
    assert board(store.path(run_id) / "tensorboard")[0] == float32(expected(store, run_id))
    assert main(["log", run_id, "--runs", str(store.root), "--to", "mlflow"]) == 1
    assert f"run {run_id} cannot be logged to mlflow" in capsys.readouterr().err


def test_a_sink_that_fails_in_the_middle_leaves_the_other_at_work(store, whole):
    run_id = store.begin(CONFIG)
    driving.drive(store, run_id, lambda e: isinstance(e, Epoch) and e.round == 1 and e.epoch == 2 and shutil.rmtree(store.path(run_id) / "tensorboard", ignore_errors=True))
    assert len(store.warnings(run_id)) == 1 and store.warnings(run_id)[0].startswith("tensorboard: cannot write")
    assert not (store.path(run_id) / "tensorboard").exists()
    sinks.replay(store, run_id, ["tensorboard"])
    equal(store, run_id, whole)


def test_a_package_that_is_missing_is_told_before_anything_trains(store, monkeypatch):
    found = places.find_spec
    monkeypatch.setattr(places, "find_spec", lambda name: None if name in ("tensorboard", "alembic") else found(name))
    with pytest.raises(ConfigError, match=r"^log_to = 'tensorboard' needs what is not installed: pip install tensorboard$"):
        launch.start(store, CONFIG)
    assert store.runs() == []
    with pytest.raises(ConfigError, match=r"pip install alembic$"):
        sinks.require(("mlflow",))
    sinks.require(("mlflow",), "http://127.0.0.1:5000")     # a server has the database
    run_id = store.begin(CONFIG)
    with pytest.raises(ConfigError):
        driving.drive(store, run_id)
    assert store.status(run_id).state == "failed" and not (store.path(run_id) / "layers.json").exists()


def test_where_it_is_logged_to_is_no_part_of_what_a_run_is(store):
    assert CONFIG.run_id == CONFIG.replace(log_to="none").run_id
    run_id = store.begin(CONFIG)
    store.begin(CONFIG.replace(log_to="none"))
    assert store.run(run_id).config.log_to == "none"
    with pytest.raises(ConfigError, match="log_to = 'wandb' is not known"):
        RunConfig(log_to="wandb")


def test_what_cannot_be_logged_is_refused_in_one_line(whole, tmp_path, capsys):
    store, run_id = whole
    runs = ["--runs", str(store.root)]
    with store.lock(run_id):
        assert main(["log", run_id, *runs, "--to", "tensorboard"]) == 2
        assert "is at work and logged to tensorboard as it goes" in capsys.readouterr().err
        assert main(["log", run_id, *runs, "--to", "tensorboard", "--where", str(tmp_path / "a")]) == 0
    assert main(["log", run_id, *runs, "--to", "both", "--where", str(tmp_path)]) == 2
    other = Store(tmp_path / "none", examples=EXAMPLES)
    new = other.begin(RunConfig())
    assert main(["log", new, "--runs", str(other.root), "--to", "tensorboard"]) == 2
    with pytest.raises(Exception, match="is an example, whose folder is not written to"):
        sinks.replay(other, FIRST, ["tensorboard"])
    assert "has not begun" in capsys.readouterr().err


QUIET = """
import sys
met = []
sys.addaudithook(lambda name, args: met.append((name, str(args))) if name in ("socket.connect", "socket.getaddrinfo", "socket.sendto") else None)
from lthviz.cli import main
code = main(sys.argv[1:])
import time; time.sleep(1.0)     # what would report does so from a thread
assert code == 0 and not met, (code, met)
assert not {"torch", "tensorflow", "streamlit"} & set(sys.modules)
"""


def test_nothing_is_sent_anywhere(whole, tmp_path, database):
    """Outside of what MLflow takes for a test, and of a run that is new to it: there it would report."""
    shutil.copytree(whole[0].root, tmp_path / "runs")
    shutil.copy(database, tmp_path / "runs" / ".mlflow")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "CI", "GITHUB", "GITLAB", "RUNBOT", "MLFLOW", "DO_NOT"))}
    done = subprocess.run([sys.executable, "-c", QUIET, "log", whole[1], "--runs", str(tmp_path / "runs"), "--to", "both"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_name_that_mlflow_takes_for_every_label():
    from mlflow.utils.validation import _validate_metric_name

    labels = ["unstructured", "regroup-groups=4-t1=2.0-layers=features.3.t1=1.0@features.6.t1=2.0", "refill-layers=" + "@".join(f"layer{i}.rho=0.{i}" for i in range(40))]
    made = [mlflow_runs.key(f"val_acc/{x}") for x in (*labels, labels[2] + "1")]
    for name in made:
        _validate_metric_name(name)
        assert len(name) <= 250
    assert len(set(made)) == len(made) and made[0] == "val_acc/unstructured"

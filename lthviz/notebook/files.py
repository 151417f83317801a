"""Files of others and for others: a network taken in as a stored run, a stored ticket or run given out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lthviz.exporting import Written
from lthviz.exporting import export as _export
from lthviz.notebook.given import clear
from lthviz.records import Run
from lthviz.store import Store

Image = tuple[int, int, int]


@clear
def take_in(path: str | Path, *, store: Store | None = None, model: str = "", form: str = "", data: str = "", data_dir: str = "", image: Image | None = None,
            masks: str | Path | None = None, dense: str | Path | None = None, rewind: str | Path | None = None, title: str = "", settings: Mapping[str, Any] | None = None) -> Run:
    """A network of other people's as a stored run, to explore, refill, regroup, measure and branch; what is worth telling of it stands in `run.info["imported"]["said"]`.

    path: a state dict or checkpoint (.pt, .pth, .safetensors, .npz, .h5), or the folder of rounds that OpenLTH or the paper's released code leaves.
    store: where to; None: lt.Store().
    model: one of ours, torchvision:NAME or timm:NAME; '': found by its shapes.
    form, data, data_dir: as in lt.RunConfig; '': found by shapes, channels and classes.
    image: (c, h, w) of images that are no data set of ours.
    masks, dense, rewind: files of masks alone, of the dense network's weights, of the weights to rewind to.
    title: its name for people.
    settings: of a branch's training, by name.

    Returns: the Run; round 0 is what was there before its masks, each further round a ticket. Test accuracies are percent, None where the images are not here.
    Errors: ExchangeError for what cannot come in, with the way out; ConfigError for a model or setting that is not known.
    Source: docs/exchange.md; the released code of ICML 2022 and OpenLTH for their folders.
    Example:
        run = lt.take_in("pruned.pt", store=store, data="digits")
        print(run.id, [row["density"] for row in run.rows])
    """
    from lthviz.exchange import intake

    store = store or Store()
    files = {k: Path(v) if v is not None else None for k, v in (("masks", masks), ("dense", dense), ("rewind", rewind))}
    asked = intake.Asked(model, form, data, data_dir, image, **files, settings=dict(settings or {}))
    return store.run(intake.take_in(store, intake.look(Path(path), asked), title=title).run_id)


@clear
def export(run: Run | str, format: str, out: str | Path, *, store: Store | None = None, round: int | None = None, structure: str = "", force: bool = False) -> Written:
    """A ticket of a stored run, or the whole run, as a file for other programs.

    run: a Run or its id.
    format: of a ticket masks-npz, masks-safetensors, masks-torch, masks-h5, safetensors, state-dict, torch-prune, module, onnx, torch-export; of a run csv, parquet, figures, report, bundle.
    out: the file, whose suffix is the format's; of module and of tables and figures a folder as well.
    store: where the run is; None: lt.Store().
    round: of the ticket; None: the last finished one.
    structure: its label; '': the one that there is.
    force: replace what is there.

    Returns: what was written: path, format, address of the ticket, bytes; of a ticket kept and prunable weights and test_acc (percent).
    Errors: ExchangeError for an unknown format, a name that does not fit it, what is there already, weights that were not kept, a network that the format cannot hold.
    Source: docs/exchange.md.
    Example:
        lt.export(run, "masks-npz", "masks.npz", store=store)
    """
    return _export(store or Store(), run if isinstance(run, str) else run.id, format, Path(out), round=round, structure=structure, force=force)

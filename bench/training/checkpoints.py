"""Trained networks on disk: one safetensors file a trial, from which network and parameters are made again.

A file holds each tensor by its name in the network's layout, without padding, and in its header the trial and the
fingerprint of its result. It is written whole or not at all, and the same trial gives the same bytes.
"""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save
from torch import Tensor

from longlag import registry
from longlag.networks.build import network_of
from longlag.networks.protocol import AnyNetwork
from longlag.tasks.base import Task
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Trial, TrialResult

_NAME = "longlag"
"""The one entry of the header: the library writes several in an order that changes."""
_HINT = "train it again with --keep-networks"


@dataclass(frozen=True, eq=False)
class KeptNetwork:
    """A trained network, ready to run.

    Attributes:
        trial: What it was trained as.
        fingerprint: Of the result that it belongs to.
        task: Its task.
        network: Its network.
        row: (P,), its parameters.
    """

    trial: Trial
    fingerprint: str | None
    task: Task
    network: AnyNetwork
    row: Tensor


def folder_of(study: str, results: Path) -> Path:
    """Return where a study's networks are kept."""
    return results / study / "networks"


def path_of(folder: Path, key: str) -> Path:
    """Return the file of a trial."""
    return folder / f"{key}.safetensors"


def keep(folder: Path, result: TrialResult, network: AnyNetwork, row: Tensor) -> None:
    """Write a trained network.

    Args:
        folder: Of all networks of the study; made where it is missing.
        result: What came of its trial.
        network: The network.
        row: (P,), its parameters.
    """
    tensors = {name: np.array(part) for name, part in network.layout.arrays(row.detach().cpu().numpy()).items()}
    about = {"trial": asdict(result.trial), "fingerprint": result.fingerprint}
    folder.mkdir(parents=True, exist_ok=True)
    path = path_of(folder, result.trial.key)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(save(tensors, {_NAME: json.dumps(about, sort_keys=True)}))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def remove_parts(folder: Path) -> None:
    """Remove what a killed run was writing."""
    for part in folder.glob("*.part"):
        part.unlink(missing_ok=True)


def is_kept(folder: Path, key: str, fingerprint: str | None) -> bool:
    """Tell whether the network of a stored trial is there; one that other code trained to another end is not."""
    try:
        return bool(_about(path_of(folder, key))["fingerprint"] == fingerprint)
    except UsageError:
        return False


def load_network(path: Path) -> KeptNetwork:
    """Make a network again.

    Raises:
        UsageError: There is no such file, or it is none of ours, damaged, or of another version of task or cell.
    """
    about = _about(path)
    trial = _trial(path, about["trial"])
    _need_plugins(path, trial)
    task, cell = registry.task(trial.task), registry.cell(trial.cell)
    versions = [("task", task, trial.task_version), ("cell", cell, trial.cell_version)]
    if trial.wiring.decodes:
        versions.append(("cell", registry.cell(trial.decoder_cell), trial.decoder_cell_version))
    for kind, made, version in versions:
        if made.version != version:
            raise UsageError(f"{path}: trained with version {version} of {kind} {made.name()}, not {made.version}")
    if (found := registry.data_of(trial.task)) != trial.data:
        raise UsageError(f"{path}: trained on the data {trial.data or 'of no file'}, not {found or 'of no file'}")
    network = network_of(trial)
    row = np.zeros(network.layout.row_size, dtype=trial.dtype)
    _fill(path, network.layout.arrays(row))
    return KeptNetwork(trial, about["fingerprint"], task, network, torch.from_numpy(row))


def _about(path: Path) -> dict[str, Any]:
    """Read the header; the library checks that it fits the file."""
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file; {_HINT}")
    try:
        with safe_open(path, "numpy") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} is no sound safetensors file ({' '.join(str(error).split())}); {_HINT}") from None
    try:
        about: dict[str, Any] = json.loads(header[_NAME])
        return {"trial": dict(about["trial"]), "fingerprint": about["fingerprint"]}
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{path} is not a network that longlag kept: its header says nothing of a trial") from None


def _trial(path: Path, values: dict[str, Any]) -> Trial:
    known = {item.name for item in fields(Trial)}
    if unknown := sorted(values.keys() - known):
        raise UsageError(f"{path}: its trial has {', '.join(unknown)}, which this longlag does not know")
    try:
        trial = Trial(**values)
    except (TypeError, ValueError):
        raise UsageError(f"{path}: its header does not describe a trial") from None
    if path.stem != trial.key:
        raise UsageError(f"{path} holds the network of trial {trial.key}: give it that name")
    return trial


def _need_plugins(path: Path, trial: Trial) -> None:
    """Refuse to run a network with other plugins than it was trained with."""
    found = registry.labels_of(trial.specs)
    if found != trial.plugins:
        raise UsageError(f"{path}: trained with plugin {trial.plugins or 'none'}, not {found or 'none'}; see --plugin")


def _fill(path: Path, parts: dict[str, np.ndarray]) -> None:
    """Copy a file's tensors into a row's."""
    held = load(path.read_bytes())
    if odd := sorted(held.keys() ^ parts.keys()):
        what = "lacks" if odd[0] in parts else "has a foreign"
        raise UsageError(f"{path} {what} tensor {odd[0]}: it does not fit its trial; {_HINT}")
    for name, part in parts.items():
        found = held[name]
        if (found.shape, found.dtype) != (part.shape, part.dtype):
            said = f"is {found.dtype} {found.shape}, not {part.dtype} {part.shape}"
            raise UsageError(f"{path}: tensor {name} {said}; {_HINT}")
        part[...] = found

"""Writes trained networks to disk, one safetensors file per trial, and loads them again.

A file holds each tensor by its name in the network's layout, without padding; its header holds the trial and the
fingerprint of its result. A file is written whole or not at all, and the same trial gives the same bytes.
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
"""The key of the header's only entry: the library writes several entries in no fixed order."""
_HINT = "train it again with --keep-networks"


@dataclass(frozen=True, eq=False)
class KeptNetwork:
    """A trained network, ready to run.

    Attributes:
        trial: The trial that trained it.
        fingerprint: The fingerprint of that trial's result.
        task: The trial's task.
        network: The network, which holds no parameters itself.
        row: (P,), the trained parameters.
    """

    trial: Trial
    fingerprint: str | None
    task: Task
    network: AnyNetwork
    row: Tensor


def folder_of(study: str, results: Path) -> Path:
    """Return the folder of a study's networks."""
    return results / study / "networks"


def path_of(folder: Path, key: str) -> Path:
    """Return the path of a trial's network."""
    return folder / f"{key}.safetensors"


def keep(folder: Path, result: TrialResult, network: AnyNetwork, row: Tensor) -> None:
    """Write a trained network.

    Args:
        folder: The folder of the study's networks; made where it is missing.
        result: The result of the network's trial.
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
    """Remove the unfinished files of runs that were killed."""
    for part in folder.glob("*.part"):
        part.unlink(missing_ok=True)


def is_kept(folder: Path, key: str, fingerprint: str | None) -> bool:
    """Return whether a stored trial's network is in the folder, and belongs to the result with this fingerprint."""
    try:
        return bool(_about(path_of(folder, key))["fingerprint"] == fingerprint)
    except UsageError:
        return False


def load_network(path: Path) -> KeptNetwork:
    """Load a trained network from its file.

    Raises:
        UsageError: The file is missing, damaged or not written by longlag, or it was trained with another version of
            task or cell, with other data or with other plugins.
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
    if (present := registry.data_of(trial.task)) != trial.data:
        raise UsageError(f"{path}: trained on data {trial.data or 'from no file'}, not {present or 'from no file'}")
    network = network_of(trial)
    row = np.zeros(network.layout.row_size, dtype=trial.dtype)
    _fill(path, network.layout.arrays(row))
    return KeptNetwork(trial, about["fingerprint"], task, network, torch.from_numpy(row))


def _about(path: Path) -> dict[str, Any]:
    """Return the header of a file; the library checks that it fits the tensors.

    Raises:
        UsageError: The file is missing or damaged, or its header is not one that longlag wrote.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file; {_HINT}")
    try:
        with safe_open(path, "numpy") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UsageError(
            f"{path} is not a safetensors file, or damaged ({' '.join(str(error).split())}); {_HINT}"
        ) from None
    try:
        about: dict[str, Any] = json.loads(header[_NAME])
        return {"trial": dict(about["trial"]), "fingerprint": about["fingerprint"]}
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{path} was not written by longlag: its header describes no trial") from None


def _trial(path: Path, values: dict[str, Any]) -> Trial:
    known = {item.name for item in fields(Trial)}
    if unknown := sorted(values.keys() - known):
        raise UsageError(f"{path}: its trial has {', '.join(unknown)}, which this longlag does not know")
    try:
        trial = Trial(**values)
    except (TypeError, ValueError):
        raise UsageError(f"{path}: its header does not describe a trial") from None
    if path.stem != trial.key:
        raise UsageError(f"{path} holds the network of trial {trial.key}; rename it to {trial.key}.safetensors")
    return trial


def _need_plugins(path: Path, trial: Trial) -> None:
    """Check that the plugins in use are those that a trial was trained with.

    Raises:
        UsageError: They are different.
    """
    present = registry.labels_of(trial.specs)
    if present != trial.plugins:
        was = f"{path}: trained with plugin {trial.plugins or 'none'}"
        raise UsageError(f"{was}, not {present or 'none'}; see --plugin")


def _fill(path: Path, parts: dict[str, np.ndarray]) -> None:
    """Copy a file's tensors into the named parts of a row.

    Raises:
        UsageError: The file has other tensors, or tensors of other shapes or types.
    """
    held = load(path.read_bytes())
    if odd := sorted(held.keys() ^ parts.keys()):
        fault = (
            "lacks tensor {}, which its network has" if odd[0] in parts else "has tensor {}, which its network lacks"
        )
        raise UsageError(f"{path} {fault.format(odd[0])}; {_HINT}")
    for name, part in parts.items():
        tensor = held[name]
        if (tensor.shape, tensor.dtype) != (part.shape, part.dtype):
            mismatch = f"is {tensor.dtype} {tensor.shape}, not {part.dtype} {part.shape}"
            raise UsageError(f"{path}: tensor {name} {mismatch}; {_HINT}")
        part[...] = tensor

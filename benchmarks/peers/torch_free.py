"""Runs guidellm's command line without torch.

With its CUDA libraries, torch takes 3 GB. guidellm uses only its data loader, which hands out
prompts in the scheduling process, so this module provides a substitute. The code that sends, reads
and measures is guidellm's own. guidellm's workers import this file again, as spawned processes do
with their main module. Run it with the Python of guidellm's environment.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Generic, TypeVar

Item = TypeVar("Item")


class IterableDataset(Generic[Item]):
    """An iterable data set."""


class DataLoader(Generic[Item]):
    """Yields one item after the other, without shuffling and without worker processes."""

    def __init__(
        self,
        dataset: Iterable[Item],
        collate_fn: Callable[[list[Item]], Item],
        **_options: object,
    ) -> None:
        self.dataset = dataset
        self._collate = collate_fn

    def __iter__(self) -> Iterator[Item]:
        return (self._collate([item]) for item in self.dataset)


class Generator:
    """A random number generator; unused, because nothing is shuffled."""

    def manual_seed(self, seed: int) -> Generator:
        return self


def get_worker_info() -> None:
    """Return ``None``: the loader has no worker processes."""


STAND_INS: dict[str, dict[str, object]] = {
    "torch": {"Generator": Generator},
    "torch.utils": {},
    "torch.utils.data": {"get_worker_info": get_worker_info},
    "torch.utils.data.dataloader": {"DataLoader": DataLoader},
    "torch.utils.data.dataset": {"IterableDataset": IterableDataset},
}


def import_loader() -> None:
    """Import the only module that needs torch. All other code sees that torch isn't installed."""
    for looks_once in ("datasets", "transformers"):
        importlib.import_module(looks_once)
    for name, content in STAND_INS.items():
        module = ModuleType(name)
        vars(module).update(content)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    importlib.import_module("guidellm.data.loaders.torch")
    for name in STAND_INS:
        del sys.modules[name]


import_loader()

if __name__ == "__main__":
    importlib.import_module("guidellm.cli").cli()

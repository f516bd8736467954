"""guidellm's command line where torch is not installed.

Of torch, which is 3 GB with its CUDA libraries, guidellm uses the iterator that hands out its
prompts, in the process that schedules. It is given one here. What sends, reads and looks at a clock
is guidellm's own. Its workers import this file again, as spawned processes do with their main
module. Run it with the Python of guidellm's environment.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Generic, TypeVar

Item = TypeVar("Item")


class IterableDataset(Generic[Item]):
    """Something to iterate over."""


class DataLoader(Generic[Item]):
    """One item after the other, without shuffling or processes of its own."""

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
    """Where the random numbers would come from, if something were shuffled."""

    def manual_seed(self, seed: int) -> Generator:
        return self


def get_worker_info() -> None:
    """``None`` says that the loader has no processes."""


STAND_INS: dict[str, dict[str, object]] = {
    "torch": {"Generator": Generator},
    "torch.utils": {},
    "torch.utils.data": {"get_worker_info": get_worker_info},
    "torch.utils.data.dataloader": {"DataLoader": DataLoader},
    "torch.utils.data.dataset": {"IterableDataset": IterableDataset},
}


def import_loader() -> None:
    """Imports the one module that needs torch; everybody else sees that there is none."""
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

"""The origin of each configuration value: a line of a file, or a variable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from exporter.settings.mistakes import Location, Mistake, as_written, dotted
from exporter.settings.yaml_lines import Document


class Origins:
    """The files and variables that make up one configuration.

    Targets of the main file or the variable come first, then targets of the target files.
    ``values`` is the main file, overridden by the variables.
    """

    def __init__(
        self,
        main: Document,
        variables: Mapping[Location, str],
        values: Mapping[str, object],
        own_targets: int,
        target_files: Sequence[Document],
    ) -> None:
        self._main = main
        self._variables = variables
        self._values = values
        self._own_targets = own_targets
        self._of_files = [
            (file, position, target)
            for file in target_files
            if isinstance(file.value, list)
            for position, target in enumerate(file.value)
        ]

    def targets_of_files(self) -> Iterator[object]:
        """Return the unvalidated targets of the target files."""
        return (target for _, _, target in self._of_files)

    def mistake(self, location: Location, message: str, *, missing: bool = False) -> Mistake:
        """Create a mistake at this location of the configuration.

        :param missing: whether the last part of the location is a missing key.
        """
        match location:
            case ("targets", int(index), *rest) if index >= self._own_targets:
                file, position, _ = self._of_files[index - self._own_targets]
                return file.mistake((position, *rest), message, missing=missing)
        written = as_written(location, self._is_there)
        if variable := self._variable((*written, location[-1]) if missing else written):
            return Mistake(message, key=variable)
        return self._main.mistake(location, message, missing=missing)

    def _is_there(self, location: Location) -> bool:
        value: object = self._values
        for part in location:
            match value, part:
                case dict(), _ if part in value:
                    value = value[part]
                case list(), int(index) if index < len(value):
                    value = value[index]
                case _:
                    return False
        return True

    def _variable(self, location: Location) -> str | None:
        """Return the variable that set this value.

        If the file doesn't have the value either, this can be a variable above or below it.
        """
        for length in range(len(location), 0, -1):
            if name := self._variables.get(location[:length]):
                return dotted((name, *location[length:]))
        if location in self._main.lines:
            return None
        below = (name for at, name in self._variables.items() if at[: len(location)] == location)
        return next(below, None)

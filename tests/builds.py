"""The build folders that the tests run on, and which of their programs a check is judged on."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Build:
    folder: Path
    sanitizer: str  # as Meson's b_sanitize says: "none", "address,undefined", "thread"

    @property
    def label(self):
        return {"none": "plain", "thread": "tsan"}.get(self.sanitizer, "asan")

    @staticmethod
    def at(folder):
        """The build in `folder`. Raises ValueError with one line when Meson has not set one up there."""
        options = Path(folder, "meson-info", "intro-buildoptions.json")
        try:
            found = {option["name"]: option["value"] for option in json.loads(options.read_text())}
        except OSError:
            raise ValueError(f"--build {folder}: no Meson build there; meson setup {folder}") from None
        value = found["b_sanitize"]
        return Build(Path(folder).resolve(), ",".join(value) if isinstance(value, list) else value)


class Builds:
    """Behaviour is judged under sanitizers where such builds are given, and what is measured on the plain one: memory
    and time under a sanitizer are not the program's own. What starts a server a dozen times is judged on the plain one
    too, where a start costs 8 ms and not 35 or 60; with --full it is judged as behaviour."""

    def __init__(self, folders):
        self.all = [Build.at(folder) for folder in folders]

    def of(self, label):
        return [build for build in self.all if build.label == label]

    def for_check(self, measured, threaded, *, started_often=False):
        if measured or (started_often and self.of("plain")):
            return self.of("plain")
        sanitized = self.of("asan") + (self.of("tsan") if threaded else [])
        return sanitized or self.of("plain")

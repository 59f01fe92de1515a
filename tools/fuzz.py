"""./lab fuzz [TARGET] [SECONDS]: clang's libFuzzer on what reads a stranger's bytes; a minute for each unless told."""

import tempfile
from pathlib import Path

import packages
from common import ROOT, USAGE, Trouble, call, say
from words import _

FOLDER = ROOT / "tests" / "fuzz"
TARGETS = sorted(path.stem for path in FOLDER.glob("*.cpp") if path.stem != "replay")
SECONDS = 60
FLAGS = ("-std=c++20", "-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")


def build(target, program):
    say(_("building {target}", target=target))
    if call(["clang++", *FLAGS, "-I", ROOT, FOLDER / f"{target}.cpp", "-o", program]) != 0:
        raise Trouble(_("building the fuzz target {target} failed: see above", target=target))


def fuzz(target, seconds):
    """Runs one target. What makes it fail is kept in build/fuzz; the corpus in the tree stays as it is."""
    findings = ROOT / "build" / "fuzz"
    findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        program, found = Path(folder, target), Path(folder, "found")
        found.mkdir()
        build(target, program)
        say(_("fuzzing {target} for {seconds} s", target=target, seconds=seconds))
        if call([program, f"-max_total_time={seconds}", "-max_len=4096", "-verbosity=0", "-print_final_stats=1",
                 f"-artifact_prefix={findings}/{target}-", found, FOLDER / "corpus" / target]) != 0:
            raise Trouble(_("{target}: a promise does not hold; the input is in {folder}/", target=target,
                            folder=findings.relative_to(ROOT)))


def main(words):
    seconds, targets = SECONDS, list(TARGETS)
    for word in words:
        if word.isdigit() and int(word) > 0:
            seconds = int(word)
        elif word in TARGETS:
            targets = [word]
        else:
            raise Trouble(_("fuzz takes {targets}, and seconds; what is '{word}'?", targets=", ".join(TARGETS),
                            word=word), USAGE)
    packages.require("core", "fuzz")
    for target in targets:
        fuzz(target, seconds)
    say(_("{targets}: nothing found", targets=", ".join(targets)))
    return 0

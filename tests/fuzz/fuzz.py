#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fuzz.py BUILD CORPUS [TARGET] [SECONDS]: run fuzz targets, keep what they learn.

Each target (all, if none is named) runs for SECONDS (60) from its seeds in
CORPUS and from what it found in earlier runs, which stays in BUILD. Then the
smallest inputs that together reach what the seeds do not are kept in CORPUS,
where every later build replays them: at most KEPT_UNITS and KEPT_BYTES of them
per target, chosen anew each time. Exit status 1: something was found; the
input is below BUILD/found.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SECONDS = 60
KEPT_UNITS = 64
KEPT_BYTES = 64 << 10
LIMITS = ["-timeout=20", "-rss_limit_mb=2048"]


def is_grown(path):
    """libFuzzer names inputs by their SHA-1; people name them otherwise."""
    return re.fullmatch("[0-9a-f]{40}", path.name) is not None


def run(program, arguments):
    done = subprocess.run([program, *LIMITS, *map(str, arguments)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False)
    return done.returncode, done.stdout


def coverage(output):
    """(edges, features) at the beginning and at the end."""
    counts = [tuple(map(int, found)) for found in re.findall(
        r"^#\d+\s+(?:INITED|NEW|REDUCE|RELOAD|pulse|DONE)\s+"
        r"cov: (\d+) ft: (\d+)", output, re.MULTILINE)]
    return counts[0], counts[-1]


def choose(program, seeds, candidates, scratch):
    """The inputs that reach more than the seeds, smallest first, in bounds."""
    chosen = scratch / "chosen"
    shutil.copytree(seeds, chosen)
    # One after the other: what is kept already stays if it is of use. By edges
    # alone, or every loop's count would be worth an input.
    for folder in candidates:
        run(program, ["-merge=1", "-use_counters=0", chosen, folder])
    units, kept, room = [], [], KEPT_BYTES
    for path in chosen.iterdir():
        if is_grown(path):
            units.append(path)
    for path in sorted(units, key=lambda path: (path.stat().st_size,
                                                path.name)):
        room -= path.stat().st_size
        if room < 0 or len(kept) == KEPT_UNITS:
            break
        kept.append(path)
    return kept, len(units) - len(kept)


def keep(program, corpus, grown):
    """Exchange what the corpus holds besides its seeds. (new, all, left)"""
    before = {path.name for path in corpus.iterdir() if is_grown(path)}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        seeds = scratch / "seeds"
        seeds.mkdir()
        for path in corpus.iterdir():
            if not is_grown(path):
                shutil.copy(path, seeds)
        kept, left = choose(program, seeds, [corpus, grown], scratch)
        for name in before - {path.name for path in kept}:
            (corpus / name).unlink()
        for path in kept:
            shutil.copy(path, corpus)
    return len({path.name for path in kept} - before), len(kept), left


def fuzz(build, corpus, name, seconds):
    """Whether nothing was found."""
    program = build / "tests/fuzz" / f"fuzz_{name}"
    grown = build / "corpus" / name
    found = build / "found"
    for folder in (corpus, grown, found):
        folder.mkdir(parents=True, exist_ok=True)
    status, output = run(program, [
        f"-max_total_time={seconds}", "-print_final_stats=1",
        f"-artifact_prefix={found}/{name}-", grown, corpus])
    if status:
        print(output[-6000:])
        print(f"{name}: FAILED; try again with {program} INPUT, which is",
              *re.findall(r"Test unit written to (\S+)", output), flush=True)
        return False
    (_, first), (edges, features) = coverage(output)
    runs = re.search(r"number_of_executed_units: (\d+)", output)[1]
    new, kept, left = keep(program, corpus, grown)
    print(f"{name}: {runs} runs, {edges} edges, {features} features "
          f"({features - first} new); {kept} inputs kept besides the seeds "
          f"({new} new), {left} left out", flush=True)
    return True


def main():
    build, corpus, *rest = sys.argv[1:]
    build, corpus = pathlib.Path(build).resolve(), pathlib.Path(corpus)
    targets = sorted(path.name.removeprefix("fuzz_") for path in
                     (build / "tests/fuzz").glob("fuzz_*")
                     if path.is_file() and os.access(path, os.X_OK))
    named = [word for word in rest if not word.isdigit()]
    seconds = next((int(word) for word in rest if word.isdigit()), SECONDS)
    if len(rest) > 2 or len(named) > 1 or not set(named) <= set(targets):
        print("usage: run fuzz [TARGET] [SECONDS]; targets:", *targets,
              file=sys.stderr)
        return 2
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as scratch:
        os.environ["TMPDIR"] = scratch
        results = [fuzz(build, corpus / name, name, seconds)
                   for name in named or targets]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Build the runtime under ASan and UBSan, and run it on good and on damaged model files.

`python -m tests.runtime.fuzz --mutants 200000` runs so many on all processors and prints what became of them.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.runtime.corpus import Entry, entries
from tests.runtime.native import ROOT, RUNTIME

FULL = 200_000
ENVIRONMENT = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_leaks=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "abort_on_error=1:print_stacktrace=1",
}


def build(folder: Path = ROOT / "build" / "sanitize") -> Path:
    """The driver magik_core/runtime/fuzz, built with CMake; what is built already is kept."""
    cmake = shutil.which("cmake")
    assert cmake, "cmake is needed: pip install cmake"
    folder.mkdir(parents=True, exist_ok=True)
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    configure = [
        cmake,
        *generator,
        "-DMAGIK_SANITIZE=ON",
        "-DCMAKE_BUILD_TYPE=Debug",
        "-S",
        str(RUNTIME),
        "-B",
        str(folder),
    ]
    with open(folder / "lock", "w") as lock:  # tests may run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (configure, [cmake, "--build", str(folder), "--parallel"]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    return folder / "magik_fuzz"


def run_entries(driver: Path, corpus: Sequence[Entry]) -> list[str]:
    """One line per entry: the CRC of each step, or why the file was refused."""
    lines = "".join(f"{e.model}\t{e.inputs}\n" for e in corpus)
    done = subprocess.run([driver, "run"], input=lines, capture_output=True, text=True, check=False, env=_environment())
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout.splitlines()


def fuzz(driver: Path, corpus: Sequence[Entry], count: int, seed: int = 1, processes: int = 1) -> Counter[str]:
    """Run mutants; how many were refused for which reason, how many were loaded and run.

    Raises: AssertionError: a finding, with the sanitizer's report and the mutant's number.
    """
    lines = "".join(f"{e.model}\n" for e in corpus)
    share = -(-count // processes)
    jobs = []
    for first in range(0, count, share):
        command = [str(driver), "mutate", str(seed), str(min(share, count - first)), str(first)]
        jobs.append(
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=_environment(),
            )
        )
    for job in jobs:
        assert job.stdin is not None
        job.stdin.write(lines)
        job.stdin.close()
        job.stdin = None
    counts: Counter[str] = Counter()
    outputs = [job.communicate() for job in jobs]
    for job, (out, err) in zip(jobs, outputs, strict=True):
        assert job.returncode == 0, f"seed {seed}: {err[-6000:]}"
        for line in out.splitlines():
            number, _, what = line.strip().partition(" ")
            counts[what] += int(number)
    return counts


def _environment() -> dict[str, str]:
    return {**os.environ, **ENVIRONMENT}


def main() -> None:
    parser = argparse.ArgumentParser(description="Run damaged model files through the runtime.")
    parser.add_argument("--mutants", type=int, default=FULL)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    driver = build()
    with tempfile.TemporaryDirectory() as folder:
        counts = fuzz(driver, entries(Path(folder)), options.mutants, options.seed, os.cpu_count() or 1)
    for what, number in counts.items():
        print(f"{number:9,} {what}")


if __name__ == "__main__":
    main()

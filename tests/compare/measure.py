"""As driver/src/lib.rs, for tools of PyPI: `measure(FILES, RUN)`, where RUN takes bytes and gives a number.

Time of the processor and not of the clock: a run of many milliseconds is interrupted on a busy machine, which would count
against it; the median of runs of microseconds, as in the other drivers, is not.
"""

import pathlib
import time


def repeat(run, data, seconds, at_least):
    took, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds or len(took) < at_least:
        one = time.process_time()
        found = run(data)
        took.append(time.process_time() - one)
    return sorted(took)[len(took) // 2], found


def measure(files, run):
    seconds = min(1, 10 / len(files))
    for file in files:
        data = pathlib.Path(file).read_bytes()
        repeat(run, data, seconds / 3, 1)
        median, found = repeat(run, data, seconds, 3)
        print(f"{pathlib.Path(file).name}\t{median * 1e6:.1f}\t{found}", flush=True)

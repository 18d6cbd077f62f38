"""`table.py TURNS FILE...`: the median of the turns for each file and subject, in microseconds, with what came out.

A refused file is counted and its time left out.
"""

import collections
import pathlib
import statistics
import sys

turns, *files = sys.argv[1:]
times, found = collections.defaultdict(list), {}
for line in pathlib.Path(turns).read_text().splitlines():
    who, file, median, number = line.split("\t")
    times[who, file].append(float(median))
    found[who, file] = int(number)
subjects = list(dict.fromkeys(who for who, _ in times))
names = [pathlib.Path(file).name for file in files]
assert len(set(names)) == len(names), "two files have one name"


def row(*cells):
    print("| " + " | ".join(map(str, cells)) + " |")


row("file", "bytes", *subjects)
row("---", "---:", *["---:"] * len(subjects))
for path, name in zip(files, names):
    cells = [
        f"{statistics.median(times[who, name]):.1f} ({found[who, name]})" if found[who, name] else "refused" for who in subjects
    ]
    row(name, pathlib.Path(path).stat().st_size, *cells)
row("refused", "", *[f"{sum(not found[who, name] for name in names)} of {len(names)}" for who in subjects])

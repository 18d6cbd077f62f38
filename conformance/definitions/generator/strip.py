"""What of a definition the pack keeps: everything that an answer can depend on, nothing that only people read."""

STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"

# Members kept, in this order; everything else goes (narrative, publisher, contacts, history, mappings, comments).
HEAD = ["resourceType", "id", "url", "version", "name", "title", "status"]
MEMBERS = {
    "StructureDefinition": [
        "kind", "abstract", "context", "contextInvariant", "type", "baseDefinition", "derivation"],
    "ValueSet": ["immutable", "compose"],
    "CodeSystem": [
        "identifier", "caseSensitive", "valueSet", "hierarchyMeaning", "compositional", "versionNeeded", "content",
        "supplements", "filter", "property", "concept"],
    "ConceptMap": ["sourceUri", "sourceCanonical", "targetUri", "targetCanonical", "group"],
    "NamingSystem": ["kind", "uniqueId"],
    "SearchParameter": [
        "derivedFrom", "code", "base", "type", "expression", "xpathUsage", "target", "multipleOr", "multipleAnd",
        "comparator", "modifier", "chain", "component"],
    "OperationDefinition": [
        "kind", "affectsState", "code", "base", "resource", "system", "type", "instance", "inputProfile",
        "outputProfile", "parameter"],
    "CompartmentDefinition": ["code", "search", "resource"],
}
ELEMENT = [
    "extension", "id", "path", "representation", "sliceName", "sliceIsConstraining", "slicing", "min", "max", "base",
    "contentReference", "type", "fixed", "pattern", "minValue", "maxValue", "maxLength", "condition", "constraint",
    "mustSupport", "isModifier", "isSummary", "binding"]
# Extensions that decide something. All others are about the publication.
EXTENSIONS = {STRUCTURE + last for last in (
    "regex", "structuredefinition-fhir-type", "elementdefinition-maxValueSet", "elementdefinition-minValueSet",
    "elementdefinition-bestpractice", "structuredefinition-imposeProfile", "codesystem-replacedby",
    "valueset-warning", "valueset-special-status")}


def definition(resource, form="snapshot"):
    kind = resource["resourceType"]
    kept = pick(resource, HEAD + MEMBERS[kind])
    with_extensions(resource, kept)
    if kind == "StructureDefinition":
        which = form if form in resource else "snapshot" if "snapshot" in resource else "differential"
        elements = [element(each) for each in resource[which]["element"]]
        kept[which] = {"element": elements}
    elif kind == "ValueSet":
        kept["compose"] = compose(resource["compose"])
    elif kind == "CodeSystem":
        kept.pop("identifier", None)
        oids = [i for i in resource.get("identifier", []) if i.get("system") == "urn:ietf:rfc:3986"]
        if oids:
            kept["identifier"] = [pick(each, ["system", "value"]) for each in oids]
        if "property" in kept:
            kept["property"] = [pick(each, ["code", "uri", "type"]) for each in kept["property"]]
        if "filter" in kept:
            kept["filter"] = [pick(each, ["code", "operator", "value"]) for each in kept["filter"]]
        if "concept" in kept:
            kept["concept"] = [concept(each) for each in kept["concept"]]
    elif kind == "NamingSystem":
        kept["uniqueId"] = [pick(each, ["type", "value", "preferred"]) for each in kept["uniqueId"]]
    elif kind == "ConceptMap":
        kept["group"] = [group(each) for each in kept["group"]]
    elif kind == "SearchParameter" and "component" in kept:
        kept["component"] = [pick(each, ["definition", "expression"]) for each in kept["component"]]
    elif kind == "OperationDefinition" and "parameter" in kept:
        kept["parameter"] = [parameter(each) for each in kept["parameter"]]
    elif kind == "CompartmentDefinition":
        kept["resource"] = [pick(each, ["code", "param"]) for each in kept["resource"]]
    return kept


def pick(source, names):
    return {name: source[name] for name in names if name in source}


def with_extensions(source, kept):
    found = [each for each in source.get("extension", []) if each["url"] in EXTENSIONS]
    if found:
        kept["extension"] = found
    else:
        kept.pop("extension", None)


def element(source):
    kept = {}
    for name in ELEMENT:
        if name in ("fixed", "pattern", "minValue", "maxValue"):
            kept |= {key: value for key, value in source.items() if key.startswith(name) and key != name}
        elif name in source:
            kept[name] = source[name]
    with_extensions(source, kept)
    # False is what their absence means.
    for flag in ("mustSupport", "isModifier", "isSummary"):
        if kept.get(flag) is False:
            del kept[flag]
    if "type" in kept:
        kept["type"] = [of_type(each) for each in kept["type"]]
    if "constraint" in kept:
        kept["constraint"] = [constraint(each) for each in kept["constraint"]]
    if "binding" in kept:
        bound = pick(kept["binding"], ["strength", "valueSet"])
        with_extensions(kept["binding"], bound)
        kept["binding"] = bound
    if "slicing" in kept:
        kept["slicing"] = pick(kept["slicing"], ["discriminator", "ordered", "rules"])
    return kept


def of_type(source):
    kept = pick(source, ["code", "profile", "targetProfile", "aggregation", "versioning"])
    with_extensions(source, kept)
    return kept


def constraint(source):
    kept = pick(source, ["key", "severity", "human", "expression", "source"])
    with_extensions(source, kept)
    return kept


def compose(source):
    kept = pick(source, ["lockedDate", "inactive"])
    for side in ("include", "exclude"):
        if side in source:
            kept[side] = [include(each) for each in source[side]]
    return kept


def include(source):
    kept = pick(source, ["system", "version", "concept", "filter", "valueSet"])
    if "concept" in kept:
        kept["concept"] = [pick(each, ["code", "display", "designation"]) for each in kept["concept"]]
    return kept


def concept(source):
    kept = pick(source, ["code", "display", "designation", "property"])
    with_extensions(source, kept)
    if "concept" in source:
        kept["concept"] = [concept(each) for each in source["concept"]]
    return kept


def group(source):
    kept = pick(source, ["source", "sourceVersion", "target", "targetVersion", "element", "unmapped"])
    kept["element"] = [
        pick(each, ["code", "display"]) | {
            "target": [pick(to, ["code", "display", "equivalence", "dependsOn", "product"]) for to in each["target"]]
        } if "target" in each else pick(each, ["code", "display"])
        for each in source["element"]]
    return kept


def parameter(source):
    kept = pick(source, [
        "name", "use", "min", "max", "type", "targetProfile", "searchType", "binding", "part"])
    if "part" in kept:
        kept["part"] = [parameter(each) for each in kept["part"]]
    return kept

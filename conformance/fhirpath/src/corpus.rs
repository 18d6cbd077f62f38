//! The official suite for R4 and the expressions of the R4 definitions, where the corpus is at hand.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use model::json::{Json, Limits, parse};
use model::time::Instant;
use regex::Regex;

use crate::{Context, Expression, Item, Node, Strictness, Type};

/// `$ANCHORLINE_CORPUS/fhir-r4`; without the variable the test says that it was skipped.
fn corpus(test: &str) -> Option<PathBuf> {
    match std::env::var_os("ANCHORLINE_CORPUS") {
        Some(root) => Some(Path::new(&root).join("fhir-r4")),
        None => {
            eprintln!("skipped: {test} needs $ANCHORLINE_CORPUS");
            None
        }
    }
}

struct Case {
    name: String,
    input: Option<String>,
    expression: String,
    invalid: bool,
    strict: bool,
    predicate: bool,
    ordered: bool,
    /// Type (empty: any) and text.
    outputs: Vec<(String, String)>,
}

fn attribute(text: &str, name: &str) -> Option<String> {
    let found = Regex::new(&format!(r#"\b{name}\s*=\s*"([^"]*)""#)).unwrap();
    Some(unescape(found.captures(text)?.get(1)?.as_str()))
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&amp;", "&")
}

fn cases(text: &str) -> Vec<Case> {
    let comments = Regex::new(r"(?s)<!--.*?-->").unwrap();
    let text = comments.replace_all(text, "");
    let test = Regex::new(r"(?s)<test\b([^>]*)>(.*?)</test>").unwrap();
    let expression = Regex::new(r"(?s)<expression\b([^>]*)>(.*?)</expression>").unwrap();
    let output = Regex::new(r"(?s)<output\b([^>]*?)(?:/>|>(.*?)</output>)").unwrap();
    test.captures_iter(&text)
        .map(|found| {
            let (head, body) = (&found[1], &found[2]);
            let expression = expression.captures(body).expect("a test has an expression");
            let outputs = output.captures_iter(body).map(|found| {
                let text = found.get(2).map(|text| unescape(text.as_str())).unwrap_or_default();
                (attribute(&found[1], "type").unwrap_or_default(), text)
            });
            let strict = |text: &str| attribute(text, "mode").as_deref() == Some("strict");
            Case {
                name: attribute(head, "name").unwrap_or_default(),
                input: attribute(head, "inputfile"),
                expression: unescape(&expression[2]),
                invalid: attribute(&expression[1], "invalid").is_some_and(|stage| stage != "false"),
                strict: strict(head) || strict(&expression[1]),
                predicate: attribute(head, "predicate").as_deref() == Some("true"),
                ordered: attribute(head, "ordered").as_deref() != Some("false"),
                outputs: outputs.collect(),
            }
        })
        .collect()
}

fn input(folder: &Path, name: &str) -> Json {
    let bytes = std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    if name.ends_with(".xml") {
        return model::xml::parse(&bytes, &Limits::default()).unwrap().resource;
    }
    parse(&bytes, &Limits::default()).unwrap()
}

/// What is wrong with the answer to a case.
fn judge(case: &Case, resource: Option<&Json>) -> Result<(), String> {
    let answer = answer(case, resource);
    if case.invalid {
        return match answer {
            Err(_) => Ok(()),
            Ok(found) => Err(format!("expected an error, found {found:?}")),
        };
    }
    let (mut found, mut wanted) = (answer?, case.outputs.clone());
    if !case.ordered {
        found.sort();
        wanted.sort();
    }
    let plain = |text: &str| text.strip_prefix('@').unwrap_or(text).trim_start_matches('T').to_owned();
    let same = found.len() == wanted.len()
        && found
            .iter()
            .zip(&wanted)
            .all(|(found, wanted)| (wanted.0.is_empty() || wanted.0 == found.0) && plain(&wanted.1) == plain(&found.1));
    if same { Ok(()) } else { Err(format!("expected {wanted:?}, found {found:?}")) }
}

fn answer(case: &Case, resource: Option<&Json>) -> Result<Vec<(String, String)>, String> {
    let expression = Expression::parse(&case.expression).map_err(|error| error.to_string())?;
    let node = resource.map(Node::resource);
    let strictness = if case.strict { Strictness::Strict } else { Strictness::Lenient };
    expression.check(node.map(|node| node.of()), strictness).map_err(|error| error.to_string())?;
    let context = match node {
        Some(node) => Context::new(node),
        None => Context::default(),
    };
    let context = context.with_now(Instant::from_millis(1_790_000_000_000));
    let focus: Vec<Item<'_>> = node.into_iter().map(Item::Node).collect();
    let items = expression.evaluate(&context, &focus).map_err(|error| error.to_string())?;
    if case.predicate {
        return Ok(vec![("boolean".to_owned(), (!items.is_empty()).to_string())]);
    }
    Ok(items.iter().map(|item| (item.type_name().to_owned(), item.to_text().unwrap_or_default().into())).collect())
}

#[test]
fn answers_the_official_suite() {
    let Some(corpus) = corpus("answers_the_official_suite") else { return };
    let text = std::fs::read_to_string(corpus.join("fhirpath/tests-fhir-r4.xml")).unwrap();
    let mut inputs: BTreeMap<String, Json> = BTreeMap::new();
    let cases = cases(&text);
    let mut misses = 0;
    for case in &cases {
        if let Some(name) = &case.input
            && !inputs.contains_key(name)
        {
            inputs.insert(name.clone(), input(&corpus.join("fhirpath/input"), name));
        }
        if let Err(why) = judge(case, case.input.as_ref().and_then(|name| inputs.get(name))) {
            misses += 1;
            eprintln!("{}: {} -- {why}", case.name, case.expression);
        }
    }
    let right = cases.len() - misses;
    eprintln!("official suite: {right} of {}", cases.len());
    assert!(right * 1000 >= cases.len() * 995, "{misses} misses");
}

/// The resources of a package whose file names start so.
fn definitions(corpus: &Path, kinds: &[&str]) -> Vec<Json> {
    let packed = std::fs::File::open(corpus.join("definitions/hl7.fhir.r4.core-4.0.1.tgz")).unwrap();
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut tar).unwrap();
    let mut resources = Vec::new();
    let mut at = 0;
    while at + 512 <= tar.len() {
        let text = |from: usize, to: usize| {
            String::from_utf8_lossy(&tar[at + from..at + to]).trim_matches(['\0', ' ']).to_owned()
        };
        let size = usize::from_str_radix(&text(124, 136), 8).unwrap_or_default();
        let name = text(0, 100);
        let file = name.rsplit('/').next().unwrap_or_default();
        if kinds.iter().any(|kind| file.starts_with(&format!("{kind}-"))) && file.ends_with(".json") {
            let limits = Limits { bytes: 1 << 30, ..Limits::default() };
            resources.push(parse(&tar[at + 512..at + 512 + size], &limits).unwrap());
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    resources
}

/// Expressions of R4 that are not as FHIRPath or R4 itself has them, by a part of their text, and why.
const FAULTY: &[(&str, &str)] = &[
    ("name.matches('[A-Z]([A-Za-z0-9_]){0,254}')", "cid-0: ChargeItemDefinition has no name in R4"),
    ("substanceExposureRisk.exists()", "inv-1: names a slice of the extension as if it were an element"),
];

#[test]
fn checks_every_expression_of_the_definitions() {
    let Some(corpus) = corpus("checks_every_expression_of_the_definitions") else { return };
    let mut seen: BTreeMap<(String, String), String> = BTreeMap::new();
    for resource in definitions(&corpus, &["StructureDefinition", "SearchParameter"]) {
        if let Some(expression) = resource.text_at(&["expression"]) {
            {
                seen.insert((expression.to_owned(), "Resource".to_owned()), "SearchParameter".to_owned());
            }
            continue;
        }
        let elements = resource.at(&["snapshot", "element"]).and_then(Json::as_array).unwrap_or_default();
        for element in elements {
            let path = element.text_at(&["path"]).unwrap_or_default();
            for constraint in element.items("constraint") {
                if let Some(expression) = constraint.text_at(&["expression"]) {
                    let key = constraint.text_at(&["key"]).unwrap_or_default();
                    seen.insert((expression.to_owned(), type_at(path, element)), format!("{path} {key}"));
                }
            }
        }
    }
    let (mut faults, mut total) = (0, 0);
    for ((expression, of), place) in &seen {
        total += 1;
        let checked = Expression::parse(expression).map_err(|error| error.to_string()).and_then(|compiled| {
            let again = Expression::parse(&compiled.to_string()).map_err(|error| format!("{compiled}: {error}"))?;
            if again != compiled {
                return Err(format!("prints as {compiled}"));
            }
            compiled.check(Type::find(of), Strictness::Strict).map_err(|error| error.to_string())
        });
        if let Err(why) = checked {
            let known = FAULTY.iter().find(|(part, _)| expression.contains(part));
            eprintln!("{place} ({of}): {expression} -- {why} ({})", known.map_or("unexpected", |(_, why)| why));
            faults += usize::from(known.is_none());
        }
    }
    eprintln!("expressions of R4: {total}, unexpected faults: {faults}");
    assert_eq!(faults, 0);
}

/// The type that an element's constraints apply to.
fn type_at(path: &str, element: &Json) -> String {
    match element.items("type") {
        [] => path.to_owned(),
        [single] => {
            let code = single.text_at(&["code"]).unwrap_or_default();
            match code {
                "BackboneElement" | "Element" if path.contains('.') => path.to_owned(),
                code if code.starts_with("http") => "string".to_owned(),
                code => code.to_owned(),
            }
        }
        _ => String::new(),
    }
}

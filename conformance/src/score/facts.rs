//! Facts: values read from an input that any sound conversion must carry over.
//!
//! A fact is recovered when ONE resource of an allowed type holds all its values. Values are compared with every
//! leaf of the resource (narrative and references apart), without case and with white space folded, by the fact's
//! kind. Where in the resource a value stands does not matter: that is for validation and golden files to say.

use model::json::{Json, Limits, parse};

/// How much a fact matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Must be there.
    Core,
    /// A good conversion has it.
    Extended,
    /// Header of a clinical document and its Composition.
    Document,
    /// The control id: by it a resource can be traced to its message.
    Trace,
}

impl Tier {
    /// All tiers, gravest first.
    pub const ALL: [Tier; 4] = [Tier::Core, Tier::Extended, Tier::Document, Tier::Trace];

    /// The word in facts files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Extended => "extended",
            Self::Document => "document",
            Self::Trace => "trace",
        }
    }

    fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == word)
    }
}

/// How values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Equal.
    Code,
    /// Equal, or contained if the fact has 8 characters or more.
    Text,
    /// The FHIR value begins with it.
    Date,
    /// Equal as numbers.
    Number,
    /// The last seven digits agree.
    Digits,
}

/// One fact.
#[derive(Clone, Debug)]
pub struct Fact {
    /// How much it matters.
    pub tier: Tier,
    /// How its values compare.
    pub kind: Kind,
    /// Resource types that count; `*` is any, the Bundle itself included.
    pub resources: Vec<String>,
    /// Where it stands in the input.
    pub src: String,
    /// The values, all of which one resource must hold.
    pub all: Vec<String>,
    /// Any of these may stand for the first value.
    pub any_of_first: Vec<String>,
}

/// Reads the `facts` of a facts or expectation file.
///
/// # Errors
/// What was expected, in words, where the file has another form.
pub fn read(bytes: &[u8]) -> Result<Vec<Fact>, String> {
    let file = parse(bytes, &Limits::default()).map_err(|error| error.to_string())?;
    file.items("facts").iter().map(fact).collect()
}

fn fact(json: &Json) -> Result<Fact, String> {
    let words = |name: &str| -> Vec<String> { json.items(name).iter().filter_map(text).collect() };
    let word = |name: &str| json.text_at(&[name]).unwrap_or_default();
    let kind = match word("kind") {
        "code" => Kind::Code,
        "text" => Kind::Text,
        "date" => Kind::Date,
        "number" => Kind::Number,
        "digits" => Kind::Digits,
        other => return Err(format!("expected a kind of fact, found {other:?}")),
    };
    let tier = Tier::read(word("tier")).ok_or_else(|| format!("expected a tier, found {:?}", word("tier")))?;
    Ok(Fact {
        tier,
        kind,
        resources: words("resources"),
        src: word("src").to_owned(),
        all: words("all"),
        any_of_first: words("any_of_first"),
    })
}

fn text(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.to_string()),
        Json::Number(number) => Some(number.as_str().to_owned()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// The leaves of one resource, folded for comparison.
#[derive(Debug)]
struct Leaves {
    resource_type: String,
    /// Those outside of extensions first.
    values: Vec<String>,
    plain: usize,
}

/// Where a fact was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// In the elements of one resource.
    InElements,
    /// In one resource, but for some value only in an extension: kept, not translated.
    WithExtensions,
    /// Nowhere.
    Nowhere,
}

/// The outputs of one input, ready to be asked for facts.
#[derive(Debug, Default)]
pub struct Outputs {
    resources: Vec<Leaves>,
}

impl Outputs {
    /// Adds a Bundle with its resources, or a single resource.
    pub fn add(&mut self, output: &Json) {
        let Some(resource_type) = model::resource::resource_type(output) else { return };
        let (mut own, mut extensions) = (Vec::new(), Vec::new());
        for (name, value) in output.as_object().into_iter().flat_map(|object| object.iter()) {
            if name == "entry" && resource_type == "Bundle" {
                continue;
            }
            if matches!(name, "extension" | "modifierExtension") {
                let mut inside = Vec::new();
                collect(name, value, &mut inside, &mut extensions);
                extensions.append(&mut inside);
            } else {
                collect(name, value, &mut own, &mut extensions);
            }
        }
        let plain = own.len();
        own.append(&mut extensions);
        self.resources.push(Leaves { resource_type: resource_type.to_owned(), values: own, plain });
        for contained in output.items("contained") {
            self.add(contained);
        }
        if resource_type == "Bundle" {
            for entry in output.items("entry") {
                if let Some(resource) = entry.get("resource") {
                    self.add(resource);
                }
            }
        }
    }

    /// How many leaves there are in all.
    pub fn leaves(&self) -> usize {
        self.resources.iter().map(|resource| resource.values.len()).sum()
    }

    /// Whether one resource of an allowed type holds all values of the fact, and where.
    pub fn find(&self, fact: &Fact) -> Found {
        let values: Vec<String> = fact.all.iter().map(|value| fold(value)).collect();
        let alternatives: Vec<String> = fact.any_of_first.iter().map(|value| fold(value)).collect();
        let holds = |leaves: &[String]| {
            let held = |value: &String| leaves.iter().any(|leaf| agree(fact.kind, value, leaf));
            values.iter().enumerate().all(|(n, value)| held(value) || (n == 0 && alternatives.iter().any(held)))
        };
        let allowed = || self.resources.iter().filter(|r| allowed(fact, &r.resource_type));
        if allowed().any(|resource| holds(resource.values.get(..resource.plain).unwrap_or_default())) {
            Found::InElements
        } else if allowed().any(|resource| holds(&resource.values)) {
            Found::WithExtensions
        } else {
            Found::Nowhere
        }
    }
}

fn allowed(fact: &Fact, resource_type: &str) -> bool {
    fact.resources.iter().any(|allowed| allowed == "*" || allowed == resource_type)
}

fn collect(name: &str, value: &Json, out: &mut Vec<String>, extensions: &mut Vec<String>) {
    match value {
        Json::Object(object) => object.iter().for_each(|(name, value)| {
            if matches!(name, "extension" | "modifierExtension") {
                let mut inside = Vec::new();
                collect(name, value, &mut inside, extensions);
                extensions.append(&mut inside);
            } else {
                collect(name, value, out, extensions);
            }
        }),
        Json::Array(items) => items.iter().for_each(|item| collect(name, item, out, extensions)),
        // Narrative says everything and proves nothing; a reference is no value.
        _ if name == "div" || name == "reference" => {}
        leaf => out.extend(text(leaf).map(|text| fold(&text))),
    }
}

/// Lower case, white space folded.
pub(super) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
    out
}

/// A long text may be part of a longer one: an annotation, a formatted address.
const CONTAINED_FROM: usize = 8;

fn agree(kind: Kind, value: &str, leaf: &str) -> bool {
    if value == leaf {
        return true;
    }
    match kind {
        Kind::Code => false,
        Kind::Text => value.chars().count() >= CONTAINED_FROM && leaf.contains(value),
        Kind::Date => leaf.starts_with(value),
        Kind::Number => match (decimal(value), decimal(leaf)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
        Kind::Digits => {
            let (a, b) = (last_digits(value), last_digits(leaf));
            !a.is_empty() && a == b
        }
    }
}

/// A plain decimal with sign, without leading and trailing zeros; text is compared, so no digit is lost.
pub(super) fn decimal(text: &str) -> Option<(bool, String, String)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0').to_owned();
    let fraction = fraction.trim_end_matches('0').to_owned();
    let zero = whole.is_empty() && fraction.is_empty();
    Some((negative && !zero, whole, fraction))
}

fn last_digits(text: &str) -> String {
    let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    digits.iter().skip(digits.len().saturating_sub(7)).collect()
}

//! ICD-10 as ClaML (ISO 13120) and ICD-10-CM as its tabular order file.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::Import;
use super::table::{file, rows};
use crate::concepts::Value;
use crate::release::{Builder, ReleaseError};

/// Imports a ClaML file: classes, their hierarchy, their preferred rubrics and inclusions.
pub(super) fn claml(import: &Import<'_>, progress: &mut dyn FnMut(u64)) -> Result<PathBuf, ReleaseError> {
    let path = file(import.release, "*.xml", &|name| name.ends_with(".xml"))?;
    let title = |reader: &mut Xml| -> Result<Option<String>, ReleaseError> {
        while let Some(event) = reader.next()? {
            if let Event::Start(tag) | Event::Empty(tag) = &event
                && tag.local_name().as_ref() == b"Title"
            {
                return Ok(attribute(tag, b"version").or_else(|| attribute(tag, b"date")));
            }
        }
        Ok(None)
    };
    let version = match import.version {
        Some(version) => version.to_owned(),
        None => title(&mut Xml::open(&path)?)?.ok_or(ReleaseError::Version)?,
    };
    let url = import.url.unwrap_or("http://hl7.org/fhir/sid/icd-10");
    let mut builder = Builder::new(import.folder, "icd-10", url, &version, "ICD-10")?;
    let mut reader = Xml::open(&path)?;
    let mut class: Option<u32> = None;
    let mut rubric: Option<String> = None;
    let mut text: Option<(String, String)> = None;
    let mut total = 0;
    while let Some(event) = reader.next()? {
        match &event {
            Event::Start(tag) | Event::Empty(tag) => {
                let closed = matches!(event, Event::Empty(_));
                match (tag.local_name().as_ref(), class) {
                    (b"Class", _) => {
                        let code = attribute(tag, b"code").ok_or_else(|| reader.layout("a class with a code"))?;
                        let concept = builder.concept(&code);
                        let kind = attribute(tag, b"kind").unwrap_or_default();
                        if kind != "category" {
                            builder.not_selectable(concept);
                        }
                        builder.property(concept, "kind", &Value::Code(kind.into()))?;
                        class = (!closed).then_some(concept);
                        total += 1;
                        if total % 1_000 == 0 {
                            progress(total);
                        }
                    }
                    (b"SuperClass", Some(child)) => {
                        if let Some(code) = attribute(tag, b"code") {
                            let parent = builder.concept(&code);
                            builder.edge(child, parent);
                        }
                    }
                    (b"SubClass", Some(parent)) => {
                        if let Some(code) = attribute(tag, b"code") {
                            let child = builder.concept(&code);
                            builder.edge(child, parent);
                        }
                    }
                    (b"Rubric", Some(_)) => rubric = attribute(tag, b"kind").filter(|_| !closed),
                    (b"Label", Some(_)) if rubric.is_some() && !closed => {
                        text = Some((attribute(tag, b"xml:lang").unwrap_or_default(), String::new()));
                    }
                    _ => {}
                }
            }
            Event::Text(part) => {
                if let Some((_, text)) = &mut text {
                    let part = part.decode().map_err(|_| reader.layout("text in UTF-8"))?;
                    text.push_str(&part);
                }
            }
            Event::GeneralRef(entity) => {
                if let Some((_, text)) = &mut text {
                    let named = entity.decode().map_err(|_| reader.layout("text in UTF-8"))?;
                    match entity.resolve_char_ref() {
                        Ok(Some(letter)) => text.push(letter),
                        _ => text.push_str(quick_xml::escape::resolve_predefined_entity(&named).unwrap_or(" ")),
                    }
                }
            }
            Event::End(tag) => match tag.local_name().as_ref() {
                b"Class" => class = None,
                b"Rubric" => rubric = None,
                b"Label" => {
                    if let (Some((language, label)), Some(concept), Some(kind)) = (text.take(), class, &rubric) {
                        let label = label.split_whitespace().collect::<Vec<_>>().join(" ");
                        match kind.as_str() {
                            "preferred" => builder.display(concept, &label)?,
                            "definition" => builder.definition(concept, &label)?,
                            "preferredLong" | "inclusion" => {
                                builder.designation(concept, &language, (url, kind), &label)?;
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
    if builder.is_empty() {
        return Err(reader.layout("classes of a classification"));
    }
    builder.finish()
}

/// Imports the order file: fixed columns, order number 1-5, code 7-13, header flag 15, short title 17-76, long title
/// from 78 on. The hierarchy is in the codes.
pub(super) fn order(import: &Import<'_>, progress: &mut dyn FnMut(u64)) -> Result<PathBuf, ReleaseError> {
    let named = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.contains("order") && name.ends_with(".txt") && !name.contains("addenda")
    };
    let path = file(import.release, "icd10cm*order*.txt", &named)?;
    let year = || {
        let digits = path.file_stem()?.to_str()?.rsplit(|letter: char| !letter.is_ascii_digit());
        digits.filter(|run| run.len() == 4).map(str::to_owned).next()
    };
    let version = match import.version {
        Some(version) => version.to_owned(),
        None => year().ok_or(ReleaseError::Version)?,
    };
    let url = import.url.unwrap_or("http://hl7.org/fhir/sid/icd-10-cm");
    let mut builder = Builder::new(import.folder, "icd-10-cm", url, &version, "ICD-10-CM")?;
    let total = rows(&path, '\n', |line, fields| {
        let text = fields.first().copied().unwrap_or_default();
        let layout = || ReleaseError::Layout { path: path.clone(), line, expected: "the columns of an order file" };
        let column = |from: usize, to: usize| text.get(from..to.min(text.len())).map(str::trim);
        let compact = column(6, 13).filter(|code| code.len() >= 3).ok_or_else(layout)?;
        let header = column(14, 15).ok_or_else(layout)?;
        let short = column(16, 76).ok_or_else(layout)?;
        let long = text.get(77..).map_or(short, str::trim);
        let concept = builder.concept(&dotted(compact));
        if header == "0" {
            builder.not_selectable(concept);
        }
        builder.display(concept, long)?;
        if short != long {
            builder.designation(concept, "en", (url, "short"), short)?;
        }
        // The file is in order: every heading comes before what is below it.
        let above = (3..compact.len()).rev().filter_map(|length| compact.get(..length));
        if let Some(parent) = above.map(dotted).find_map(|code| builder.find(&code)) {
            builder.edge(concept, parent);
        }
        Ok(())
    })?;
    progress(total);
    builder.finish()
}

/// `A000` is written `A00.0`.
fn dotted(compact: &str) -> String {
    match compact.split_at_checked(3) {
        Some((category, rest)) if !rest.is_empty() => format!("{category}.{rest}"),
        _ => compact.to_owned(),
    }
}

/// A pull parser over a file. Entities that a document type declares are not resolved.
struct Xml {
    reader: Reader<BufReader<File>>,
    buffer: Vec<u8>,
    path: PathBuf,
}

impl Xml {
    fn open(path: &std::path::Path) -> Result<Self, ReleaseError> {
        let file = File::open(path).map_err(ReleaseError::io(path))?;
        let reader = Reader::from_reader(BufReader::with_capacity(1 << 20, file));
        Ok(Self { reader, buffer: Vec::new(), path: path.to_owned() })
    }

    fn next(&mut self) -> Result<Option<Event<'static>>, ReleaseError> {
        self.buffer.clear();
        match self.reader.read_event_into(&mut self.buffer) {
            Ok(Event::Eof) => Ok(None),
            Ok(event) => Ok(Some(event.into_owned())),
            Err(_) => Err(self.layout("well-formed XML")),
        }
    }

    /// Lines are not counted in XML: the byte stands in their place.
    fn layout(&self, expected: &'static str) -> ReleaseError {
        ReleaseError::Layout { path: self.path.clone(), line: self.reader.buffer_position(), expected }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    let found = tag.attributes().flatten().find(|one| one.key.as_ref() == name)?;
    String::from_utf8(found.value.into_owned()).ok()
}

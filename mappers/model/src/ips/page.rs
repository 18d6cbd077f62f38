//! The summary as one page to read and to print: no script, nothing from elsewhere, every text escaped.

use std::fmt::Write;

use crate::json::Json;

use super::narrative::{escape, human_name};

/// Who opened a summary, for the head of the page.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// By whom, as the audit log names them.
    pub by: &'a str,
    /// When.
    pub at: &'a str,
    /// Until when the access is open; `None`: it was no emergency access.
    pub until: Option<&'a str>,
    /// Under which number it is on record.
    pub recorded: Option<&'a str>,
}

/// The style of the page, so that whoever serves it can name it in a policy.
pub const STYLE: &str = "\
*{box-sizing:border-box}body{margin:0 auto;max-width:50rem;padding:1rem;font:1rem/1.45 system-ui,sans-serif;color:#14202b;background:#fff}\
h1{font-size:1.5rem;margin:.2rem 0}h5{font-size:1.1rem;margin:1rem 0 .3rem;border-bottom:2px solid #0b4f6c}\
.who{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.5rem 0}.who dt{color:#52616f}.who dd{margin:0;overflow-wrap:anywhere}\
.opened{background:#fdf0d5;color:#5c3a00;padding:.6rem .9rem;border-radius:.4rem}ul{margin:.2rem 0;padding-left:1.2rem}li{margin:.15rem 0}\
b{color:#9b1c1c}table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.2rem .5rem .2rem 0;border-bottom:1px solid #cfd7de;overflow-wrap:anywhere}\
@media(max-width:34rem){table,tbody,tr,td{display:block}thead{display:none}tr{border-bottom:1px solid #cfd7de;padding:.2rem 0}td{border:0;padding:0}td:first-child{font-weight:600}}\
@media print{body{max-width:none;padding:0;font-size:10pt}.opened{background:none;border:1px solid #000;color:#000}h5{break-after:avoid}li,tr{break-inside:avoid}b{color:#000}}";

/// The page of a summary that [`super::summary`] made. The narratives of that document are taken as they are: they hold no
/// markup but ours.
pub fn page(document: &Json, opened: &Opened<'_>) -> String {
    let entry = |name: &str| {
        let resources = document.items("entry").iter().filter_map(|entry| entry.get("resource"));
        resources.into_iter().find(|resource| resource.text_at(&["resourceType"]) == Some(name))
    };
    let (composition, patient) = (entry("Composition"), entry("Patient"));
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"referrer\" content=\"no-referrer\">\
        <title>Patient summary</title><style>",
    );
    html.push_str(STYLE);
    html.push_str("</style></head><body><main>");
    if let Some(patient) = patient {
        let name = patient.items("name").iter().find_map(human_name);
        html.push_str("<h1>");
        escape(name.as_deref().unwrap_or("Name unknown"), &mut html);
        html.push_str("</h1><dl class=\"who\">");
        fact("Born", patient.text_at(&["birthDate"]).unwrap_or("unknown"), &mut html);
        fact("Sex", patient.text_at(&["gender"]).unwrap_or("unknown"), &mut html);
        let numbers = patient.items("identifier").iter().filter_map(|number| number.text_at(&["value"]));
        let numbers = numbers.collect::<Vec<_>>().join(", ");
        if !numbers.is_empty() {
            fact("Numbers", &numbers, &mut html);
        }
        html.push_str("</dl>");
    }
    html.push_str("<p class=\"opened\">");
    let until = opened.until.map(|until| format!(" The access ends at {until}.")).unwrap_or_default();
    let kind = if opened.until.is_some() { "Opened in an emergency" } else { "Opened" };
    let recorded = opened.recorded.map(|id| format!(" Recorded as {id}.")).unwrap_or_default();
    escape(&format!("{kind} by {} at {}.{until}{recorded}", opened.by, opened.at), &mut html);
    if opened.until.is_some() {
        html.push_str(" The patient is told, and somebody else reviews it. Do not pass on what you read.");
    }
    html.push_str("</p>");
    for section in composition.map(|composition| composition.items("section")).unwrap_or_default() {
        html.push_str("<section>");
        html.push_str(section.text_at(&["text", "div"]).unwrap_or_default());
        html.push_str("</section>");
    }
    let _ = write!(html, "</main></body></html>");
    html
}

fn fact(name: &str, value: &str, html: &mut String) {
    html.push_str("<dt>");
    html.push_str(name);
    html.push_str("</dt><dd>");
    escape(value, html);
    html.push_str("</dd>");
}

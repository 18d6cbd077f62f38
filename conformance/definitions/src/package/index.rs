//! `.index.json`: what is in the files of a package's folder, so that none is read before it is asked for.
//!
//! FHIR Package specification, ".index.json".

use std::collections::BTreeMap;

use model::json::{self, Json};

/// A file of the folder.
pub(super) struct Head {
    pub(super) file: String,
    pub(super) kind: String,
    pub(super) id: Option<String>,
    pub(super) url: Option<String>,
    pub(super) version: Option<String>,
}

/// The members of a file that an index repeats.
const MEMBERS: &[&str] = &["resourceType", "id", "url", "version", "kind", "type"];

/// Reads an index; none unless it speaks of just these files (sorted), for then it is not of this folder.
pub(super) fn read(text: &[u8], files: &[String]) -> Option<Vec<Head>> {
    let index = json::parse(text, &json::Limits { bytes: 64 << 20, ..json::Limits::default() }).ok()?;
    let mut heads: Vec<Head> = Vec::new();
    for entry in index.get("files")?.as_array()? {
        let text = |name: &str| entry.text_at(&[name]).map(str::to_owned);
        let kind = text("resourceType")?;
        if kind == "Bundle" {
            return None;
        }
        heads.push(Head { file: text("filename")?, kind, id: text("id"), url: text("url"), version: text("version") });
    }
    heads.sort_by(|left, right| left.file.cmp(&right.file));
    // Files that are no resources (openapi, xml in JSON …) stand in no index; each file of the index has to be there.
    let all = heads.iter().all(|head| files.binary_search(&head.file).is_ok());
    let unlisted = files.len().checked_sub(heads.len())?;
    (all && unlisted == 0).then_some(heads)
}

/// Makes the index of the files directly in `package/`.
pub(crate) fn write(files: &BTreeMap<String, Vec<u8>>) -> String {
    let listed = files.iter().filter_map(|(name, content)| {
        let name = name.strip_prefix("package/").filter(|name| super::is_definition(name))?;
        let text = super::without_mark(content);
        let member = |member: &&'static str| {
            let value = text.get(json::member_span(text, 0, member)?)?;
            let value = json::parse(value, &json::Limits::default()).ok()?;
            value.as_str().map(|value| (*member, Json::from(value)))
        };
        let members: Vec<(&str, Json)> = MEMBERS.iter().filter_map(member).collect();
        members
            .first()
            .is_some_and(|(name, _)| *name == "resourceType")
            .then(|| Json::object(std::iter::once(("filename", Json::from(name))).chain(members)))
    });
    let files = Json::array(listed);
    Json::object([("index-version", Json::from(2_u64)), ("files", files)]).pretty()
}

//! What reading a document costs: `cargo bench -p formats --bench cda`.

#![expect(clippy::expect_used, reason = "a benchmark may stop with a message")]

use divan::Bencher;
use divan::counter::BytesCount;
use formats::cda::{Document, Limits};

fn main() {
    divan::main();
}

/// A document of about `kilobytes`, as systems write them: indented, with narrative and coded entries.
fn document(kilobytes: usize) -> Vec<u8> {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ClinicalDocument xmlns=\"urn:hl7-org:v3\" xmlns:sdtc=\"urn:hl7-org:sdtc\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n  <component>\n    <structuredBody>\n",
    );
    let mut n = 0;
    while out.len() < kilobytes * 1024 {
        n += 1;
        out.push_str(&format!(
            r##"      <component>
        <section>
          <templateId root="2.16.840.1.113883.10.20.22.2.5.1" extension="2015-08-01"/>
          <code code="11450-4" codeSystem="2.16.840.1.113883.6.1" codeSystemName="LOINC" displayName="Problem list"/>
          <title>Problems &amp; concerns</title>
          <text>
            <table border="1" width="100%">
              <thead><tr><th>Problem</th><th>Status</th></tr></thead>
              <tbody><tr><td><content ID="problem{n}">Made-up illness number {n}</content></td><td>Active</td></tr></tbody>
            </table>
          </text>
          <entry typeCode="DRIV">
            <act classCode="ACT" moodCode="EVN">
              <!-- concern -->
              <id root="2.999.1.{n}" extension="c{n}"/>
              <statusCode code="active"/>
              <effectiveTime>
                <low value="20240102030405+0100"/>
                <high nullFlavor="UNK"/>
              </effectiveTime>
              <entryRelationship typeCode="SUBJ">
                <observation classCode="OBS" moodCode="EVN">
                  <text><reference value="#problem{n}"/></text>
                  <value xsi:type="CD" code="38341003" codeSystem="2.16.840.1.113883.6.96" displayName="Made up"/>
                </observation>
              </entryRelationship>
            </act>
          </entry>
        </section>
      </component>
"##
        ));
    }
    out.push_str("    </structuredBody>\n  </component>\n</ClinicalDocument>\n");
    out.into_bytes()
}

#[divan::bench(args = [10, 100, 1000])]
fn parse(bencher: Bencher<'_, '_>, kilobytes: usize) {
    let raw = document(kilobytes);
    bencher
        .counter(BytesCount::new(raw.len()))
        .bench(|| Document::parse(divan::black_box(&raw), &Limits::default()).expect("a document"));
}

#[divan::bench]
fn parse_utf_16(bencher: Bencher<'_, '_>) {
    let text = String::from_utf8(document(100)).expect("text").replacen("UTF-8", "UTF-16", 1);
    let raw: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    bencher
        .counter(BytesCount::new(raw.len()))
        .bench(|| Document::parse(divan::black_box(&raw), &Limits::default()).expect("a document"));
}

/// Every attribute by name, and every text, as a mapping asks for them.
#[divan::bench]
fn walk(bencher: Bencher<'_, '_>) {
    let document = Document::parse(&document(100), &Limits::default()).expect("a document");
    bencher.bench(|| {
        (0..document.len() as u32)
            .filter_map(|id| document.element(id))
            .map(|e| e.attribute("code").map_or(0, str::len) + e.children().count() + e.texts().count())
            .sum::<usize>()
    });
}

#[divan::bench]
fn every_leaf_path(bencher: Bencher<'_, '_>) {
    let raw = document(100);
    bencher
        .with_inputs(|| Document::parse(&raw, &Limits::default()).expect("a document"))
        .bench_refs(|document| (0..document.leaves()).map(|leaf| document.leaf_path(leaf).len()).sum::<usize>());
}

/// A document that holds a file of 4 MB.
#[divan::bench]
fn parse_with_file(bencher: Bencher<'_, '_>) {
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3\n";
    let raw = format!("<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><component><nonXMLBody><text mediaType=\"application/pdf\" representation=\"B64\">{}</text></nonXMLBody></component></ClinicalDocument>", line.repeat(50_000)).into_bytes();
    bencher
        .counter(BytesCount::new(raw.len()))
        .bench(|| Document::parse(divan::black_box(&raw), &Limits::default()).expect("a document"));
}

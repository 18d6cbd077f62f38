use std::io::Cursor;

use mappers::Packages;
use mappers::flat::assign;

use super::seen::SHOWN;
use super::*;

struct Bytes(Vec<u8>);

impl Source for Bytes {
    fn open(&mut self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }
}

const NAMES: [&str; 3] = ["patients.csv", "phones.csv", "results.csv"];

/// Three files of many rows: patients, a number each, ten results each; invented.
fn extract(patients: usize) -> Vec<Vec<u8>> {
    let mut files = [
        "Patient No;Family name;Given names;Born;Sex;Street;Zip;City;Country\n".to_owned(),
        "Patient No;Kind;Number\n".to_owned(),
        "Patient No;Order;Line;Test;Test name;Value;Unit;Low;High;Flag;Drawn;Status;Remark\n".to_owned(),
    ];
    for patient in 0..patients {
        files[0].push_str(&format!("P{patient};Fam{patient};Given;03.11.1958;F;Street {patient};14;Town;DK\n"));
        files[1].push_str(&format!("P{patient};home;+45 {patient}\n"));
        for line in 0..10 {
            files[2]
                .push_str(&format!("P{patient};A{patient};{line};GLU;Glucose;5.{line};mmol/L;3;6;N;14.06.2024;F;\n"));
        }
    }
    files.map(String::into_bytes).to_vec()
}

fn converted(files: &[Vec<u8>], workers: usize) -> (Vec<u8>, Ended) {
    within(files, workers, MEMORY_BYTES)
}

fn within(files: &[Vec<u8>], workers: usize, memory_bytes: usize) -> (Vec<u8>, Ended) {
    let packages = Packages::embedded().unwrap();
    let heads: Vec<File<'_>> = NAMES.iter().zip(files).map(|(name, bytes)| File { name, bytes }).collect();
    let assigned: Assigned<'_> = assign(&packages, &[], &heads).unwrap();
    let context = Context { namespace: &CONVERT_NAMESPACE, ..Context::default() };
    let request = Request { assigned: &assigned, context: &context, reports: false, workers, memory_bytes };
    let mut sources: Vec<Box<dyn Source>> =
        files.iter().map(|bytes| Box::new(Bytes(bytes.clone())) as Box<dyn Source>).collect();
    let mut out = Vec::new();
    let ended = run(&request, &mut sources, &mut |written| {
        out.extend_from_slice(&written.resources);
        true
    });
    (out, ended.unwrap())
}

#[test]
fn rows_come_in_their_order_whatever_the_number_of_threads() {
    let files = extract(300);
    let (one, ended) = converted(&files, 1);
    assert_eq!((ended.rows, ended.issues.len()), (3300, 0), "{:?}", ended.issues);
    let [total, mapped, kept, dropped] = ended.cells;
    assert_eq!(total, mapped + kept + dropped);
    assert!(kept == 0 && dropped > 0, "{:?}", ended.cells);
    assert_eq!(one.iter().filter(|byte| **byte == b'\n').count(), 3300);
    for workers in [2, 5] {
        assert!(converted(&files, workers).0 == one, "{workers} threads give other bytes");
    }
}

#[test]
fn joined_tables_on_disk_give_the_same_bytes_and_findings() {
    let mut files = extract(300);
    let [patients, phones, results] = files.as_mut_slice() else { panic!("three files") };
    // A key that comes again, one that is missing, and rows that belong to nobody; a row that is not whole.
    patients.extend_from_slice(b"P7;Twice;Given;;;;;;\n;Nobody;Given;;;;;;\n");
    phones.extend_from_slice(b"P999;home;+45 1\n;home;+45 2\nP8;home;\"+45 3\nP9;\"home;+45 4\n");
    results.extend_from_slice(
        b"P998;A;1;GLU;Glucose;5;mmol/L;3;6;N;14.06.2024;F;\n;A;2;GLU;Glucose;5;mmol/L;3;6;N;14.06.2024;F;\n",
    );
    let (memory, ended) = converted(&files, 2);
    let (disk, other) = within(&files, 2, 10_000);
    assert!(memory == disk, "the bytes differ");
    let lines =
        |ended: &Ended| ended.issues.iter().map(|issue| format!("{} {issue:?}", issue.code)).collect::<Vec<_>>();
    assert_eq!(lines(&ended), lines(&other));
    let mut places: Vec<&str> = ended.issues.iter().filter_map(|issue| issue.at.as_deref()).collect();
    places.sort_unstable();
    for expected in [
        "patients:302,Patient No",
        "patients:303,Patient No",
        "phones:302,Patient No",
        "phones:303,Patient No",
        "results:3002,Patient No",
        "results:3003,Patient No",
    ] {
        assert!(places.contains(&expected), "{expected} in {places:?}");
    }
    assert!(ended.issues.iter().any(|issue| issue.rule.as_deref() == Some("quotation-open")), "{places:?}");
}

#[test]
fn a_file_that_is_cut_off_gives_its_rows() {
    let mut files = extract(3);
    let results = files.last_mut().unwrap();
    results.truncate(results.len() - 20);
    let (out, ended) = converted(&files, 2);
    assert_eq!(ended.rows, 33);
    assert!(!out.is_empty());
}

#[test]
fn findings_of_one_kind_are_counted() {
    let mut log = Log::default();
    log.extend((0..50).map(|row| Issue::warning("value", "expected a number").at(format!("{row},x"))));
    let issues = log.finish();
    assert_eq!(issues.len(), SHOWN + 1);
    assert!(issues.last().unwrap().diagnostics.contains("50 times"));
}

#[test]
fn what_a_resource_is_remembered_by_is_the_same_in_every_run() {
    assert_eq!(hash(0, ("Patient", "a")), 2_972_531_752_097_190_372);
    assert_ne!(hash(1, b"a".as_slice()), hash(2, b"a".as_slice()));
}

#[test]
fn a_resource_is_written_again_only_when_it_has_changed() {
    let mut remembered = Remembered::default();
    let writes = [1, 1, 2, 2, 1].map(|content| remembered.is_new(Mark { name: 7, content: [content, 0] }));
    assert_eq!(writes, [true, false, true, false, true]);
}

/// Each resource's text, and the `fullUrl` of its entry; in pieces of every size the same.
#[track_caller]
fn read(text: &str) -> Vec<String> {
    let mut last: Option<Vec<String>> = None;
    for chunk in [1, 3, 64, 1 << 20] {
        let mut out = Vec::new();
        let mut input = io::BufReader::with_capacity(chunk, text.as_bytes());
        let read = each_resource(&mut input, &mut |url, json| {
            out.push(format!("{} {}", url.unwrap_or("-"), json.to_text()));
            Ok(())
        });
        if let Err(error) = read {
            out.push(format!("error: {error}"));
        }
        assert!(last.as_ref().is_none_or(|last| *last == out), "{last:?} and {out:?}");
        last = Some(out);
    }
    last.unwrap_or_default()
}

#[test]
fn a_bundle_is_read_entry_by_entry_and_ndjson_line_by_line() {
    let patient = r#"{"resourceType":"Patient","id":"a","name":[{"family":"]}\"{["}]}"#;
    let list = r#"{"resourceType":"List","entry":[{"item":{"reference":"Patient/a"}}]}"#;
    let bundle = format!(
        "{{ \"resourceType\": \"Bundle\", \"link\": [], \"entry\" : [\n {{\"fullUrl\":\"urn:x\",\"resource\":{patient}}} ,\n{{\"resource\":{list}}}], \"total\": 2 }}"
    );
    let entries = [format!("urn:x {patient}"), format!("- {list}")];
    assert_eq!(read(&bundle), entries);
    // What says late that it is a Bundle is read whole.
    assert_eq!(
        read(&format!("{{\"entry\":[{{\"resource\":{list}}}],\"resourceType\":\"Bundle\"}}")),
        [format!("- {list}")]
    );
    assert_eq!(
        read(&format!("{patient}\n\n{list}\n{bundle}")),
        [vec![format!("- {patient}"), entries[1].clone()], entries.to_vec()].concat()
    );
    assert_eq!(read(r#"{"resourceType":"Bundle","entry":[]}"#), Vec::<String>::new());
}

#[test]
fn what_is_cut_off_or_no_json_is_refused() {
    let end = "error: expected the end of a resource, found that of the input";
    assert_eq!(read(r#"{"resourceType":"Bundle","entry":[{"resource":{"id":"a"}}"#), ["- {\"id\":\"a\"}", end]);
    assert_eq!(read(r#"{"resourceType":"Bundle","entry":["#), [end]);
    assert_eq!(read(r#"{"resourceType":"Patient""#), [end]);
    assert_eq!(read("Patient\n{}"), ["error: expected JSON"]);
}

#[test]
fn resources_on_disk_give_the_same_files_and_accounts() {
    let files = extract(60);
    let (ndjson, _) = converted(&files, 2);
    let packages = Packages::embedded().unwrap();
    let package = packages.named("flat-harbor").unwrap();
    let (mut held, mut disk) = (Held::default(), Spooled::new().unwrap());
    let read = each_resource(&mut ndjson.as_slice(), &mut |url, json| {
        held.add(url, json.clone());
        disk.add(url, json)
    });
    read.unwrap();
    let written = |pool: &dyn mappers::flat::Pool| {
        let (mut text, mut counts) = (String::new(), [0, 0]);
        package.render_flat_pool(pool, true, &mut |piece| {
            text.push_str(&String::from_utf8_lossy(piece.bytes));
            counts[0] += piece.loss.mapped.len();
            counts[1] += piece.loss.dropped.iter().filter(|(_, why)| !why.starts_with("an id")).count();
            true
        });
        (text, counts)
    };
    let (text, counts) = written(&held);
    assert_eq!(counts[1], 0, "all that came from files goes back");
    assert!(counts[0] > 1000 && text.lines().count() == 723, "{counts:?}, {} lines", text.lines().count());
    assert!(written(&disk) == (text, counts), "memory and disk differ");
    disk.check().unwrap();
}

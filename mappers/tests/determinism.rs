//! The same input gives the same bytes in any zone, locale and working directory, and with or without an account.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use std::path::{Path, PathBuf};
use std::process::Command;

use formats::hl7v2::Message;
use mappers::{CONVERT_NAMESPACE, Context, Package, Packages, RenderContext};
use sha2::{Digest, Sha256};

fn examples(package: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packages").join(package).join("examples");
    let mut out: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    out.retain(|path| path.extension().is_some_and(|extension| extension == "hl7"));
    out.sort();
    out
}

fn each_example(mut take: impl FnMut(&Package, &Message, &Context<'_>)) {
    let packages = Packages::embedded().unwrap();
    let package = packages.named("hl7v2-base").unwrap();
    let context =
        Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, received: None, authorities: &[] };
    for path in examples("hl7v2-base") {
        if let Ok(parsed) = Message::parse(&std::fs::read(path).unwrap()) {
            take(package, &parsed.message, &context);
        }
    }
}

/// Everything that is made of the examples, both ways, in one digest.
fn digest() -> String {
    let mut digest = Sha256::new();
    each_example(|package, message, context| {
        let mapped = package.map(message, context);
        let mut account = Vec::new();
        mapped.write_loss(&mut account);
        mapped.write_explain(&mut account);
        digest.update(mapped.bundle.to_bytes());
        digest.update(account);
        digest.update(format!("{:?}", mapped.issues));
        digest.update(package.render(&mapped.bundle, &RenderContext::default()).bytes);
    });
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

const CHILD: &str = "ANCHORLINE_PRINT_DIGEST";

/// Prints the digest for the test below, which runs this one in another process.
#[test]
fn digest_for_another_process() {
    if std::env::var_os(CHILD).is_some() {
        let path = std::env::var(CHILD).unwrap();
        std::fs::write(path, digest()).unwrap();
    }
}

#[test]
fn zone_locale_and_directory_change_no_byte() {
    let here = digest();
    let out = std::env::temp_dir().join(format!("anchorline-digest-{}", std::process::id()));
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "digest_for_another_process"])
        .current_dir(std::env::temp_dir())
        .env("TZ", "Pacific/Chatham")
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("LANG", "tr_TR.UTF-8")
        .env(CHILD, &out)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let there = std::fs::read_to_string(&out).unwrap();
    let _ = std::fs::remove_file(&out);
    assert_eq!(here, there);
}

#[test]
fn an_account_changes_nothing_else() {
    each_example(|package, message, context| {
        let (full, counted) = (package.map(message, context), package.map_counted(message, context));
        assert_eq!(full.bundle, counted.bundle);
        assert_eq!(full.issues, counted.issues);
        assert_eq!(full.loss_counts(), counted.loss_counts());
        let loss = full.loss();
        assert_eq!(full.loss_counts(), [loss.total(), loss.mapped.len(), loss.kept.len(), loss.dropped.len()]);
        let (mut text, mut explained) = (Vec::new(), Vec::new());
        full.write_loss(&mut text);
        full.write_explain(&mut explained);
        assert_eq!(text, loss.to_json().to_bytes());
        let rows = full.explain();
        assert_eq!(explained, model::json::Json::array(rows.iter().map(mappers::Explained::to_json)).to_bytes());
    });
}

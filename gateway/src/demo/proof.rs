//! Step 10: every receipt and the whole ledger are verified with nothing but files and the public key.

use std::path::Path;

use ledger::checkpoint::TrustedKeys;
use ledger::command::{public_pem, verify_directory, verify_receipt};
use ledger::commitment::{Label, Opening, Salt};
use ledger::entry::Record;
use ledger::receipt::Receipt;
use model::json::Json;

use super::print::Tone;
use super::scene::{Scene, met};
use super::{Error, Unmet, samples};
use crate::keys::LEDGER_KEY;

const PROOF: &str = "Proof for outsiders: files and one public key, no word of the gateway is trusted";
/// Where a person finds receipts and key to try again.
const FOLDER: &str = "demo";

pub(super) async fn tell(scene: &mut Scene) -> Result<(), Error> {
    proof(scene).await.map_err(|unmet| unmet.in_step(PROOF))
}

async fn proof(scene: &mut Scene) -> Result<(), Unmet> {
    scene.reporter.step(PROOF);
    let folder = scene.data.join(FOLDER);
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&path, bytes))
            .map_err(|error| Unmet::new(format!("{} to be written", path.display()), error))
    };
    let pem = public_key(&scene.data)?;
    write("ledger-public-key.pem", pem.as_bytes())?;
    let mut keys = TrustedKeys::none();
    keys.add_file(&pem).map_err(|error| Unmet::new("the ledger's public key", error))?;

    let mut results = None;
    for kept in &scene.exchanges {
        let receipt = scene.receipt(&kept.id).await?;
        let verified = verify_receipt(&receipt, &keys, None)
            .map_err(|refusal| Unmet::new(format!("the receipt \"{}\" to hold", kept.what), refusal))?;
        let record = Record::parse(&verified.record).map_err(|error| Unmet::new("a record in the receipt", error))?;
        let about = record.exchange.to_string();
        met(about == kept.id, format!("a receipt of exchange {}", kept.id), about)?;
        write(&format!("{}.receipt", kept.what.replace([' ', ','], "-")), &receipt)?;
        if kept.what == "laboratory results" {
            results = Some((kept.id.clone(), receipt, record, verified.index));
        }
    }
    let count = scene.exchanges.len();
    scene.reporter.told(
        "receipts",
        Tone::Good,
        &format!("{count} of {count} hold, one for each exchange: its record stands in the signed ledger"),
    );

    let (id, receipt, record, index) = results.ok_or_else(|| Unmet::new("the receipt of the results", "none"))?;
    opened(scene, &id, &record, index).await?;
    let forged = forge(&receipt)?;
    write("forged.receipt", &forged)?;
    match verify_receipt(&forged, &keys, None) {
        Ok(_) => return Err(Unmet::new("a forged receipt to be refused", "it was taken")),
        Err(refusal) => {
            scene.reporter.told("forged", Tone::Stopped, &format!("one word changed: refused, {refusal}"));
        }
    }
    for (name, got) in
        [("clinic-got-last.fhir.json", scene.clinic.got.last()), ("insurer-got-last.hl7", scene.insurer.got.last())]
    {
        write(name, &got)?;
    }
    whole(scene, keys).await
}

/// A receipt tells nobody what was sent; who has the bytes and the salt can show that it is about them.
async fn opened(scene: &mut Scene, id: &str, record: &Record, index: u64) -> Result<(), Unmet> {
    let path = format!("/exchanges/{id}/opening");
    let answer = scene.http.get(&path, Some(&scene.tokens.auditor)).await?.with_status(200, "an opening")?.json()?;
    let is_ours = |item: &&Json| {
        item.text_at(&["label"]) == Some(Label::In.as_str())
            && item.get("index").and_then(Json::as_number).and_then(|it| it.as_u64()).is_none_or(|it| it == index)
    };
    let salt =
        answer.items("commitments").iter().find(is_ours).and_then(|item| item.text_at(&["salt"])).and_then(unhex);
    let salt = salt.ok_or_else(|| Unmet::new("the salt of the received bytes", "none"))?;
    let commitment = record.commitment(Label::In).ok_or_else(|| Unmet::new("a commitment to the bytes", "none"))?;
    let opening = Opening { label: Label::In, salt: Salt::new(salt) };
    let sent = samples::on_the_wire(samples::RESULTS);
    met(opening.opens(&commitment, &sent), "the record to fit the bytes that the laboratory sent", "it does not")?;
    let changed = samples::on_the_wire(&samples::RESULTS.replace("4.50", "5.40"));
    met(!opening.opens(&commitment, &changed), "the record to fit nothing else", "it fits a changed value")?;
    let text =
        format!("record {index} fits the {} bytes the laboratory sent, and not a copy with 5.40 for 4.50", sent.len());
    scene.reporter.told("content", Tone::Good, &text);
    Ok(())
}

async fn whole(scene: &mut Scene, keys: TrustedKeys) -> Result<(), Unmet> {
    let folder = scene.data.join("ledger");
    let verified = tokio::task::spawn_blocking(move || verify_directory(&folder, &keys, |_, _| {})).await;
    let checkpoint = verified
        .map_err(|error| Unmet::new("the ledger to be verified", error))?
        .map_err(|error| Unmet::new("a sound ledger", error))?;
    let size = checkpoint.size();
    met(size >= scene.exchanges.len() as u64, "a record for each exchange", size)?;
    let text = format!("all {size} records lead to the sum that the last checkpoint signs: none is missing or changed");
    scene.reporter.told("ledger", Tone::Good, &text);
    Ok(())
}

/// The public half of the log's key.
fn public_key(data: &Path) -> Result<String, Unmet> {
    let path = data.join("keys").join(LEDGER_KEY);
    let private = std::fs::read_to_string(&path).map_err(|error| Unmet::new(path.display(), error))?;
    public_pem(&private).map_err(|error| Unmet::new("the ledger's public key", error))
}

/// Changes the outcome in a receipt's record, as somebody would who wants the past to be otherwise.
fn forge(receipt: &[u8]) -> Result<Vec<u8>, Unmet> {
    let mut forged = Receipt::parse(receipt).map_err(|refusal| Unmet::new("a receipt", refusal))?;
    let record = String::from_utf8(forged.extra.take().unwrap_or_default()).unwrap_or_default();
    let changed = record.replace(r#""outcome":"stored""#, r#""outcome":"forged""#);
    met(changed != record, "a record with the outcome stored", "another")?;
    forged.extra = Some(changed.into_bytes());
    Ok(forged.to_text().into_bytes())
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(index.checked_mul(2)?..)?.get(..2)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

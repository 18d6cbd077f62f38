//! `anchorline ledger`: keys, proofs, verification. Reads files and addresses; the rules are in crate `ledger`.

use std::path::{Path, PathBuf};

use ledger::checkpoint::{SignedCheckpoint, TrustedKeys};
use ledger::command::{self, KeyUse};
use ledger::entry::ExchangeId;
use ledger::fsck::{self, FsckError};
use ledger::log::View;
use ledger::store::DirectoryReader;

use super::Failure;
use super::args::{KeyFormat, LedgerCommand, ReceiptCommand};
use super::fetch::Remote;
use super::input;
use super::progress::Progress;
use super::reporter::Reporter;
use crate::keys;

/// Where a data directory keeps its log.
const LOG_FOLDER: &str = "ledger";

pub(crate) fn run(command: LedgerCommand, reporter: &Reporter) -> Result<(), Failure> {
    match command {
        LedgerCommand::Verify { log, key, ca } => verify(&log, &key, ca.as_deref(), reporter),
        LedgerCommand::Receipt(ReceiptCommand::Verify { key, record, receipt }) => {
            verify_receipt(&key, record.as_deref(), &receipt, reporter)
        }
        LedgerCommand::Keygen { data, name } => keygen(&data, &name, reporter),
        LedgerCommand::Pubkey { data, format } => pubkey(&data, format, reporter),
        LedgerCommand::Prove { data, record } => prove(&data, &record, reporter),
        LedgerCommand::Export { data, out } => export(&data, &out, reporter),
    }
}

fn verify(log: &str, key: &[PathBuf], ca: Option<&Path>, reporter: &Reporter) -> Result<(), Failure> {
    let keys = trusted(key)?;
    let progress = std::cell::RefCell::new((None::<Progress>, 0_u64));
    let told = |done: u64, all: u64| {
        let mut progress = progress.borrow_mut();
        let before = std::mem::replace(&mut progress.1, done);
        progress.0.get_or_insert_with(|| Progress::over(all, *reporter)).advance(done.saturating_sub(before), 0);
    };
    let checkpoint = if log.contains("://") {
        let mut remote = Remote::new(log, ca)?;
        sound(fsck::verify(|path| remote.fetch(path).map(|file| file.map(Vec::from)), &keys, told))?
    } else {
        sound(command::verify_directory(Path::new(log), &keys, told))?
    };
    reporter.line(&format!(
        "{} records, root {}: every entry, tile and signature holds",
        checkpoint.size(),
        checkpoint.root().to_base64()
    ))
}

fn sound<E: std::error::Error + 'static>(
    outcome: Result<SignedCheckpoint, FsckError<E>>,
) -> Result<SignedCheckpoint, Failure> {
    outcome.map_err(|error| match &error {
        FsckError::Refused(refusal) => Failure::refused(refusal),
        FsckError::Fetch { source, .. } => Failure::Refused(format!("{error}: {source}")),
    })
}

fn verify_receipt(key: &[PathBuf], record: Option<&Path>, receipt: &Path, reporter: &Reporter) -> Result<(), Failure> {
    let keys = trusted(key)?;
    let record = record.map(input::read).transpose()?;
    let verified =
        command::verify_receipt(&input::read(receipt)?, &keys, record.as_deref()).map_err(Failure::refused)?;
    reporter.line(&format!(
        "index {} of {}: the record is in the signed log",
        verified.index,
        verified.checkpoint.size()
    ))
}

fn keygen(data: &Path, name: &str, reporter: &Reporter) -> Result<(), Failure> {
    let secret = keys::random::<32>().map_err(Failure::refused)?;
    let made = command::keygen(&secret, name, KeyUse::Log).map_err(Failure::usage)?;
    keys::write_log_key(data, &made.private_pem, name).map_err(Failure::usage)?;
    reporter.line(&made.vkey.to_string())
}

fn pubkey(data: &Path, format: KeyFormat, reporter: &Reporter) -> Result<(), Failure> {
    let (pem, name) = ledger_key(data)?;
    match format {
        KeyFormat::Pem => reporter.result(command::public_pem(&pem).map_err(Failure::refused)?.as_bytes()),
        KeyFormat::Vkey => {
            let vkey = command::verifier_key(&pem, &name, KeyUse::Log).map_err(Failure::refused)?;
            reporter.line(&vkey.to_string())
        }
    }
}

fn prove(data: &Path, record: &str, reporter: &Reporter) -> Result<(), Failure> {
    let view = view(data)?;
    let index = match record.parse::<u64>() {
        Ok(index) if record.len() < 20 => index,
        _ => {
            let exchange =
                ExchangeId::parse(record).map_err(|_| Failure::usage("expected an index or an exchange id"))?;
            command::find_exchange(&view, &exchange.to_string())
                .map_err(Failure::refused)?
                .ok_or_else(|| Failure::refused("no record of this exchange is sealed"))?
        }
    };
    reporter.result(view.receipt(index).map_err(Failure::refused)?.as_bytes())
}

fn export(data: &Path, out: &Path, reporter: &Reporter) -> Result<(), Failure> {
    let files = command::export(&view(data)?, |path, bytes| -> Result<(), ledger::Error> {
        let target = out.join(path);
        let written =
            target.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&target, bytes));
        written.map_err(|source| {
            ledger::Error::Store(ledger::store::StoreError::Io { action: "write", path: target, source })
        })
    })
    .map_err(|error| match &error {
        ledger::Error::Store(cause) => Failure::refused(cause),
        _ => Failure::refused(&error),
    })?;
    reporter.remark(&format!("{files} files written to {}", out.display()));
    Ok(())
}

fn view(data: &Path) -> Result<View<DirectoryReader>, Failure> {
    let (pem, name) = ledger_key(data)?;
    let mut keys = TrustedKeys::none();
    keys.add(command::verifier_key(&pem, &name, KeyUse::Log).map_err(Failure::refused)?);
    View::open(DirectoryReader::new(data.join(LOG_FOLDER)), &keys).map_err(|error| match &error {
        ledger::Error::Refused(refusal) | ledger::Error::Disagrees(refusal) => Failure::refused(refusal),
        _ => Failure::refused(&error),
    })
}

/// The private PEM and the name of a data directory's log key; needs no lock.
fn ledger_key(data: &Path) -> Result<(String, String), Failure> {
    let path = data.join("keys").join(keys::LEDGER_KEY);
    let pem = String::from_utf8(input::read(&path)?)
        .map_err(|_| Failure::Refused(format!("{}: expected a private key in PEM form", path.display())))?;
    let name = keys::log_origin(data)
        .map_err(Failure::refused)?
        .ok_or_else(|| Failure::Refused(format!("{}: the log has no name yet", data.display())))?;
    Ok((pem, name))
}

fn trusted(files: &[PathBuf]) -> Result<TrustedKeys, Failure> {
    let mut keys = TrustedKeys::none();
    for path in files {
        let content = String::from_utf8(input::read(path)?)
            .map_err(|_| Failure::Usage(format!("{}: expected a PEM or verifier key", path.display())))?;
        keys.add_file(&content).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    }
    Ok(keys)
}

//! The command line as `--help` shows it: one struct per command, an example on each.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The FHIR gateway: translates, asks the patient's consent, forwards, and anchors each exchange in a signed ledger.
#[derive(Debug, Parser)]
#[command(name = "anchorline", version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "Example: anchorline demo")]
pub(crate) struct Arguments {
    /// Prints no progress and no remarks; results and errors only.
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// How logs are written to standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the main job on bundled samples: arrive, translate, decide, forward or withhold, anchor, retrieve, verify.
    Demo(DemoArguments),
    /// Runs the gateway.
    Serve(ServeArguments),
    /// Says everything that is wrong with a configuration.
    CheckConfig(CheckConfigArguments),
    /// Translates messages; stores nothing.
    Convert(ConvertArguments),
    /// Validates FHIR resources.
    Validate(ValidateArguments),
    /// Consent decisions.
    #[command(subcommand)]
    Consent(ConsentCommand),
    /// Keys, proofs and verification of the ledger.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Checks of mapping packages and of mapping quality.
    #[command(subcommand)]
    Conformance(ConformanceCommand),
    /// Prints one development token.
    Token(TokenArguments),
    /// Moves and checks the data directory.
    #[command(subcommand)]
    Store(StoreCommand),
}

#[derive(Debug, Args)]
#[command(after_help = "Example: anchorline demo --exit")]
pub(crate) struct DemoArguments {
    /// Where the demonstration keeps its data [default: a new folder under the system's temporary folder].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Ends when the job is done; exit status 0 only if every step held.
    #[arg(long)]
    pub(crate) exit: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: anchorline serve --config anchorline.toml --data /var/lib/anchorline")]
pub(crate) struct ServeArguments {
    /// The configuration [default: what is built in].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "anchorline-data")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: anchorline check-config anchorline.toml")]
pub(crate) struct CheckConfigArguments {
    /// The configuration file.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetFormat {
    FhirR4,
    Hl7v2,
    Ccda,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceFormat {
    Auto,
    Hl7v2,
    Ccda,
    FhirR4,
    FhirR4b,
    FhirR5,
    FhirStu3,
    FhirDstu2,
    Csv,
    Device,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: anchorline convert --to fhir-r4 --loss loss.json message.hl7")]
pub(crate) struct ConvertArguments {
    /// The format to write.
    #[arg(long, value_enum)]
    pub(crate) to: TargetFormat,
    /// The format of the input.
    #[arg(long, value_enum, default_value_t = SourceFormat::Auto)]
    pub(crate) from: SourceFormat,
    /// A mapping package to use before those chosen by the message; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) package: Vec<String>,
    /// Where results go; required for several inputs.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Writes the OperationOutcome of the conversion.
    #[arg(long, value_name = "FILE")]
    pub(crate) outcome: Option<PathBuf>,
    /// Writes where every piece of the input went.
    #[arg(long, value_name = "FILE")]
    pub(crate) loss: Option<PathBuf>,
    /// Writes which table row made each element.
    #[arg(long, value_name = "FILE")]
    pub(crate) explain: Option<PathBuf>,
    /// The time zone of feeds that give none, as an IANA name or an offset such as +01:00.
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    pub(crate) timezone: Option<String>,
    /// The inputs; `-` is standard input.
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: anchorline validate --format json patient.json")]
pub(crate) struct ValidateArguments {
    /// A profile to validate against; may be repeated.
    #[arg(long, value_name = "URL")]
    pub(crate) profile: Vec<String>,
    /// An implementation guide by package id; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) ig: Vec<String>,
    /// Definitions to load first; may be repeated.
    #[arg(long, value_name = "FILE|DIR|TGZ")]
    pub(crate) package: Vec<PathBuf>,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// FHIR files; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConsentCommand {
    /// Runs decision cases and compares them with what they expect.
    #[command(after_help = "Example: anchorline consent decide cases.json")]
    Decide {
        /// Decides everything this many times and prints once.
        #[arg(long, value_name = "N", default_value_t = 1)]
        repeat: u32,
        /// A file of cases; `-` is standard input.
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyFormat {
    Pem,
    Vkey,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Re-derives a whole log and names the first index that is wrong.
    #[command(after_help = "Example: anchorline ledger verify --log anchorline-data/ledger --key ledger.pem")]
    Verify {
        /// The log: a directory, or the address it is served under.
        #[arg(long, value_name = "DIR|URL")]
        log: String,
        /// Public keys, PEM or verifier key lines.
        #[arg(long, required = true, value_name = "FILE")]
        key: Vec<PathBuf>,
        /// Authorities to trust for an address, in PEM form [default: those of this machine].
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
    },
    /// Receipts.
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Makes a signing key in the data directory and prints its verifier key.
    #[command(after_help = "Example: anchorline ledger keygen --data anchorline-data --name hospital.example/log")]
    Keygen {
        /// The data directory.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// The key's name, which is the log's origin.
        #[arg(long)]
        name: String,
    },
    /// Prints the public key of a data directory; needs no lock.
    #[command(after_help = "Example: anchorline ledger pubkey --data anchorline-data > ledger.pem")]
    Pubkey {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "anchorline-data")]
        data: PathBuf,
        /// How the key is written.
        #[arg(long, value_enum, default_value_t = KeyFormat::Pem)]
        format: KeyFormat,
    },
    /// Prints the receipt of a record by its index or exchange id.
    #[command(after_help = "Example: anchorline ledger prove --data anchorline-data 42")]
    Prove {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "anchorline-data")]
        data: PathBuf,
        /// A leaf index or an exchange id.
        record: String,
    },
    /// Writes checkpoint and tiles to a directory.
    #[command(after_help = "Example: anchorline ledger export --data anchorline-data --out log")]
    Export {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "anchorline-data")]
        data: PathBuf,
        /// Where the log is written.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Verifies one receipt without any network.
    #[command(after_help = "Example: anchorline ledger receipt verify --key ledger.pem receipt.txt")]
    Verify {
        /// Public keys, PEM or verifier key lines.
        #[arg(long, required = true, value_name = "FILE")]
        key: Vec<PathBuf>,
        /// The record, where it is not the receipt's own `extra` line.
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
        /// The receipt; `-` is standard input.
        receipt: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConformanceCommand {
    /// Checks mapping packages.
    #[command(after_help = "Example: anchorline conformance lint mappers/packages/hl7v2-base")]
    Lint {
        /// How the report is written.
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
        /// Folders of packages.
        #[arg(required = true, value_name = "PACKAGE")]
        packages: Vec<PathBuf>,
    },
    /// Measures the mappings over a corpus: facts recovered, validity, determinism, accounting.
    #[command(after_help = "Example: anchorline conformance score --corpus corpus/hl7v2 --report score.html")]
    Score {
        /// The folder of messages, with facts beside them.
        #[arg(long, value_name = "DIR")]
        corpus: PathBuf,
        /// Writes the report: JSON, or an HTML page if the name ends so.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        /// How the summary is written.
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example: anchorline token --role clinician --purpose TREAT --actor Practitioner/p1 --actor Organization/o1"
)]
pub(crate) struct TokenArguments {
    /// The configuration [default: what is built in].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data directory whose key signs.
    #[arg(long, value_name = "DIR", default_value = "anchorline-data")]
    pub(crate) data: PathBuf,
    /// source, clinician, emergency, patient, auditor or administrator; may be repeated.
    #[arg(long, required = true)]
    pub(crate) role: Vec<String>,
    /// A v3-ActReason code, or SYSTEM|CODE; may be repeated.
    #[arg(long, required = true, value_name = "CODE")]
    pub(crate) purpose: Vec<String>,
    /// A reference the holder goes by; the first is the person; may be repeated.
    #[arg(long, value_name = "REF")]
    pub(crate) actor: Vec<String>,
    /// An identifier of the holder; may be repeated.
    #[arg(long, value_name = "SYSTEM|VALUE")]
    pub(crate) identifier: Vec<String>,
    /// The holder may declare an emergency.
    #[arg(long)]
    pub(crate) emergency_authorised: bool,
    /// The patient the token is bound to.
    #[arg(long, value_name = "ID")]
    pub(crate) patient: Option<String>,
    /// How long the token is valid.
    #[arg(long, default_value = "10m")]
    pub(crate) ttl: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Writes everything stored as a portable stream.
    #[command(after_help = "Example: anchorline store export --data anchorline-data --out backup.store")]
    Export {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "anchorline-data")]
        data: PathBuf,
        /// The file to write; `-` is standard output.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Fills an empty data directory from an export.
    #[command(after_help = "Example: anchorline store import --data anchorline-data backup.store")]
    Import {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "anchorline-data")]
        data: PathBuf,
        /// The file to read; `-` is standard input.
        file: PathBuf,
    },
    /// Checks every byte stored and that the index agrees with it.
    #[command(after_help = "Example: anchorline store check --data anchorline-data")]
    Check {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "anchorline-data")]
        data: PathBuf,
    },
    /// Rewrites the index without what it no longer needs.
    #[command(after_help = "Example: anchorline store compact --data anchorline-data")]
    Compact {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "anchorline-data")]
        data: PathBuf,
    },
}

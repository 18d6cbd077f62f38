//! The command line as `--help` shows it: one struct per command, an example on each.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use formats::hl7v2::Delimiters;

use crate::convert::{Format, target};

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
    /// Evaluates FHIRPath on FHIR resources.
    Fhirpath(FhirpathArguments),
    /// Consent decisions.
    #[command(subcommand)]
    Consent(ConsentCommand),
    /// Keys, proofs and verification of the ledger.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Checks of mapping packages and of mapping quality.
    #[command(subcommand)]
    Conformance(ConformanceCommand),
    /// Making mapping packages.
    #[command(subcommand)]
    Mappers(MappersCommand),
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
    /// The data directory it is for: mapping packages under `packages/` of it are checked too.
    #[arg(long, value_name = "DIR", default_value = "anchorline-data")]
    pub(crate) data: PathBuf,
}

/// One of these formats, by its name.
fn format_of(names: impl Iterator<Item = &'static str>) -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(names.collect::<Vec<_>>()).map(|name| Format::parse(&name).unwrap_or(Format::Auto))
}

#[derive(Debug, Args)]
#[command(after_help = "Example: anchorline convert --to fhir-r4 --loss loss.json message.hl7")]
pub(crate) struct ConvertArguments {
    /// The format to write.
    #[arg(long, value_name = "FORMAT", value_parser = format_of(Format::targets()))]
    pub(crate) to: Format,
    /// The format of the input.
    #[arg(long, value_name = "FORMAT", value_parser = format_of(Format::names()), default_value = "auto")]
    pub(crate) from: Format,
    /// A mapping package, by name or by folder, to use before those chosen by the message; may be repeated.
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
    /// The version of HL7 v2 to write, 2.3 to 2.9: what it does not have is left out and said.
    #[arg(long, value_name = "VERSION", value_parser = target::version)]
    pub(crate) hl7_version: Option<String>,
    /// The delimiters of HL7 v2 to write: field, component, repetition, escape, subcomponent.
    #[arg(long, value_name = "CHARACTERS", value_parser = target::delimiters)]
    pub(crate) delimiters: Option<Delimiters>,
    /// The HL7 v2 message to write, such as ADT^A08, instead of the one that the content calls for.
    #[arg(long, value_name = "TYPE", value_parser = target::message_type)]
    pub(crate) message_type: Option<(String, String)>,
    /// The C-CDA document to write: ccd, referral-note, discharge-summary or a LOINC code.
    #[arg(long, value_name = "TYPE", value_parser = target::document_type)]
    pub(crate) document_type: Option<String>,
    /// Of a flat extract: always a resource a line, not a transaction Bundle where the input is small.
    #[arg(long)]
    pub(crate) ndjson: bool,
    /// The inputs; `-` is standard input, a folder is a flat extract of several tables.
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MappersCommand {
    /// Drafts a package from a sample of a flat file and prints what the columns look like.
    #[command(after_help = "Example: anchorline mappers draft results.csv --name quay-lab")]
    Draft {
        /// The sample; `-` is standard input.
        file: PathBuf,
        /// The package's name [default: the file's].
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Where it is written; its last folder is the package's name [default: ./NAME].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example: anchorline validate --ig hl7.fhir.us.core#6.1.0 --profile http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient patient.json"
)]
pub(crate) struct ValidateArguments {
    /// A profile to validate against besides those a resource names itself; may be repeated.
    #[arg(long, value_name = "URL")]
    pub(crate) profile: Vec<String>,
    /// An implementation guide by package id, such as hl7.fhir.us.core#6.1.0; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) ig: Vec<String>,
    /// Definitions to load first; may be repeated.
    #[arg(long, value_name = "FILE|DIR|TGZ")]
    pub(crate) package: Vec<PathBuf>,
    /// Where FHIR packages are installed [default: ~/.fhir/packages].
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Where code systems are installed [default: ~/.fhir/terminology].
    #[arg(long, value_name = "DIR")]
    pub(crate) terminology: Option<PathBuf>,
    /// A FHIR terminology server for codes that cannot be decided here; codes and value sets' names are sent to it.
    #[arg(long, value_name = "URL")]
    pub(crate) terminology_server: Option<String>,
    /// Certificates to trust for it instead of the machine's own.
    #[arg(long, value_name = "FILE", requires = "terminology_server")]
    pub(crate) ca: Option<PathBuf>,
    /// How much is checked.
    #[arg(long, value_enum, default_value_t = ValidationLevel::Profile)]
    pub(crate) level: ValidationLevel,
    /// Warns where a resource does not follow what definitions call best practice.
    #[arg(long)]
    pub(crate) best_practice: bool,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// FHIR files, JSON or XML; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ValidationLevel {
    /// Elements, cardinality, types, form of primitives, codes of closed value sets.
    Structure,
    /// And profiles, slicing, extensions, invariants, terminology, references.
    Profile,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: anchorline fhirpath \"name.where(use = 'official').given\" patient.json")]
pub(crate) struct FhirpathArguments {
    /// Prints the type of each item beside its value.
    #[arg(long)]
    pub(crate) typed: bool,
    /// Expressions to evaluate, a line each: {"id", "expression", "file"?, "strict"?}; `-` is standard input.
    #[arg(long, value_name = "FILE.ndjson", conflicts_with_all = ["expression", "file"])]
    pub(crate) batch: Option<PathBuf>,
    /// The expression.
    #[arg(required_unless_present = "batch")]
    pub(crate) expression: Option<String>,
    /// A FHIR resource, JSON or XML; `-` is standard input.
    #[arg(required_unless_present = "batch")]
    pub(crate) file: Option<PathBuf>,
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
    /// Carries a FHIR R5 Consent over to R4, or says what has no home there.
    #[command(after_help = "Example: anchorline consent convert consent-r5.json")]
    Convert {
        /// An R5 Consent as JSON; `-` is standard input.
        file: PathBuf,
    },
    /// Shows which sensitivity labels resources get from their codes, and why.
    #[command(
        after_help = "Example: anchorline consent label --sensitivity PSY=mental-health.json --measure record.ndjson"
    )]
    Label {
        /// The organisation's own rules as well: a table, ValueSet, ConceptMap, Bundle or folder of them.
        #[arg(long, value_name = "[LABEL=]PATH")]
        sensitivity: Vec<String>,
        /// The rules that a configuration names.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Compares with the sensitivity labels in `meta.security` and prints precision and recall as the last line.
        #[arg(long)]
        measure: bool,
        /// Resources and Bundles as JSON, or one a line in `.ndjson`; `-` is standard input, one a line.
        #[arg(required = true)]
        files: Vec<PathBuf>,
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
        /// Writes `expected/` anew from what the examples give now, before checking; names the files that changed.
        #[arg(long)]
        accept: bool,
        /// How the report is written.
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
        /// Folders of packages.
        #[arg(required = true, value_name = "PACKAGE")]
        packages: Vec<PathBuf>,
    },
    /// Compares a mapping package with its guide (HL7 v2-to-FHIR, or C-CDA on FHIR in both directions): implemented, left
    /// out with a reason, or open, row by row.
    #[command(
        after_help = "Examples: anchorline conformance coverage --reference v2-to-fhir --check\n          anchorline conformance coverage --reference v2-to-fhir --segment PID --segment CX\n          anchorline conformance coverage --reference ccda-on-fhir --package ccda-base --segment CF-allergy"
    )]
    Coverage(CoverageArguments),
    /// Measures mappings over a corpus: what is kept, made up, valid, honest and fast; ours or another converter's.
    #[command(
        after_help = "Examples: anchorline conformance score --corpus messages --report score.html\n          anchorline conformance score --corpus messages --converter 'other-tool {input} {output}' --report both.html"
    )]
    Score(Box<ScoreArguments>),
    /// Runs test suites against a running system, ours or another's.
    #[command(
        after_help = "Example: anchorline conformance run --suite testscript --base https://localhost:8443/fhir --html report.html scripts/"
    )]
    Run(Box<RunArguments>),
    /// Licensed code systems: SNOMED CT, LOINC, RxNorm, ICD-10.
    #[command(subcommand)]
    Terminology(TerminologyCommand),
    /// Installs FHIR packages (implementation guides), so that `--ig` and the configuration find them.
    #[command(after_help = "Example: anchorline conformance add-package hl7.fhir.us.core-6.1.0.tgz")]
    AddPackage(AddPackageArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CoverageArguments {
    /// The guide's tables as CSV: a folder with messages, segments, datatypes and codesystems; of documents one with
    /// tables-ccda-to-fhir, tables-fhir-to-ccda, datatypes, conceptmaps and terms [default: $ANCHORLINE_REFERENCE].
    #[arg(long, value_name = "DIR")]
    pub(crate) reference: Option<PathBuf>,
    /// The mapping package, by name or by folder [default: hl7v2-base].
    #[arg(long, value_name = "NAME|DIR")]
    pub(crate) package: Option<String>,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// Writes the page for people, in Markdown.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Lists each row of the tables of this segment, data type, vocabulary, message structure or template; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) segment: Vec<String>,
    /// Lists the rows that are open.
    #[arg(long)]
    pub(crate) open: bool,
    /// Exit status 1 while a row is open or a citation names none.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AddPackageArguments {
    /// Where packages lie [default: FHIR_PACKAGE_CACHE, else ~/.fhir/packages].
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Puts the package in the place of another content of the same version.
    #[arg(long)]
    pub(crate) replace: bool,
    /// How what was done is written.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// Package archives (.tgz); `-`: standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TerminologyCommand {
    /// Imports a publisher's release, for which you need a licence, so that codes are checked against it.
    #[command(after_help = "Example: anchorline conformance terminology import --system loinc Loinc_2.80/")]
    Import {
        /// Which code system it is.
        #[arg(long, value_enum)]
        system: LicensedSystem,
        /// The version, if the files do not say it.
        #[arg(long, value_name = "VERSION")]
        release_version: Option<String>,
        /// The code system's URI, where a country's ICD-10 has its own.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// Where imported code systems are kept [default: ~/.fhir/terminology].
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
        /// The unpacked release: a folder, or the one file of ICD-10.
        release: PathBuf,
    },
    /// Lists what is imported.
    #[command(after_help = "Example: anchorline conformance terminology list --verify")]
    List {
        /// Where imported code systems are kept [default: ~/.fhir/terminology].
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
        /// Reads every file whole and compares its checksum.
        #[arg(long)]
        verify: bool,
        /// How the list is written.
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LicensedSystem {
    /// SNOMED CT, an RF2 snapshot.
    Snomed,
    /// LOINC, with parts, answers and translations where they are.
    Loinc,
    /// RxNorm, RRF.
    Rxnorm,
    /// ICD-10, ClaML.
    #[value(name = "icd-10")]
    Icd10,
    /// ICD-10-CM, the tabular order file.
    #[value(name = "icd-10-cm")]
    Icd10Cm,
}

#[derive(Debug, Args)]
pub(crate) struct ScoreArguments {
    /// The folder of messages, with facts beside them if there are any.
    #[arg(long, value_name = "DIR")]
    pub(crate) corpus: PathBuf,
    /// Writes the report: JSON, or an HTML page if the name ends so; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Vec<PathBuf>,
    /// How the summary is written.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// A mapping package, by name or by folder, used before the base package; may be repeated.
    #[arg(long, value_name = "NAME|DIR")]
    pub(crate) package: Vec<String>,
    /// Another converter to compare with, such as `CMD {input} {output}`; without these words it reads standard input
    /// and writes standard output. No shell is involved. May be repeated.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) converter: Vec<String>,
    /// Longest run of another converter for one input.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) timeout_seconds: u64,
    /// Most memory another converter may hold.
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    pub(crate) memory_mib: u64,
    /// Compares with the figures in this file: a drop is exit 1. UPDATE_RATCHET=1 writes them.
    #[arg(long, value_name = "FILE")]
    pub(crate) ratchet: Option<PathBuf>,
    /// Only inputs of this format, such as ccda; may be repeated.
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(conformance::score::Format::ALL.map(|it| it.as_str())))]
    pub(crate) input_format: Vec<String>,
    /// Lists so many places whose content found no home, the most frequent first.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) unmapped: usize,
    /// Lists so many places whose facts are missed, and so many of the worst inputs.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) missed: usize,
    /// Only this set of the corpus; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) set: Vec<String>,
    /// Only messages of this type, such as ADT^A01; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) message_type: Vec<String>,
    /// The time zone of feeds that give none.
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    pub(crate) timezone: Option<String>,
    /// How outputs are validated; a ratchet holds the figures of one level.
    #[arg(long, value_enum, default_value_t = ValidationLevel::Structure)]
    pub(crate) level: ValidationLevel,
    /// Shows values of the messages in the report: for samples only, they are patient data elsewhere.
    #[arg(long)]
    pub(crate) show_values: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// A suite's name, or a file or folder that holds one; may be repeated.
    #[arg(long, required = true, value_name = "NAME|FILE")]
    pub(crate) suite: Vec<String>,
    /// The FHIR endpoint to test; the n-th is destination n of a TestScript.
    #[arg(long, value_name = "URL")]
    pub(crate) base: Vec<String>,
    /// The MLLP listener to test.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) mllp: Option<String>,
    /// A bearer token for the endpoints; reports never show it.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// A file that holds the bearer token.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A header for every request, such as `X-Tenant: a`; may be repeated.
    #[arg(long, value_name = "NAME:VALUE")]
    pub(crate) header: Vec<String>,
    /// Certificates to trust instead of the machine's own.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// A client certificate.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// The key of the client certificate.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Takes any certificate of servers on loopback; elsewhere it changes nothing.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// A folder for the report in every form.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Writes the report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Writes the report as a page of HTML.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// How the report is printed.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// As many tests at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=256))]
    pub(crate) parallel: usize,
    /// Longest wait for one answer.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(crate) timeout: String,
    /// A value for `${NAME}` in scripts and suites; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) variable: Vec<String>,
    /// A folder with fixtures of TestScripts; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub(crate) fixtures: Vec<PathBuf>,
    /// Requirement tables for the suite us-core: a file, or a folder of them.
    #[arg(long, value_name = "DIR")]
    pub(crate) requirements: Option<PathBuf>,
    /// An implementation guide by package id, for checks against its profiles; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) ig: Vec<String>,
    /// Definitions to load for checks against profiles; may be repeated.
    #[arg(long, value_name = "FILE|DIR|TGZ")]
    pub(crate) package: Vec<PathBuf>,
    /// Where FHIR packages are installed [default: ~/.fhir/packages].
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Asks for XML where a script does not say.
    #[arg(long)]
    pub(crate) xml: bool,
    /// Also reads `responseBody` and `matchesRegex` in asserts, which are not part of R4.
    #[arg(long)]
    pub(crate) testscript_extensions: bool,
    /// Files and folders for the suite, such as TestScripts.
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
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
    /// A scope as patient/Observation.rs, user/*.cruds or system/Patient.r: narrows what the roles reach; may be repeated.
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Vec<String>,
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

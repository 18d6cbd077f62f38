//! Sections of the file to structs, defaults named, and the rules that span sections.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::{Table, Value};

use super::read::{Findings, Section};
use super::units::{size, wait};
use super::{
    Auth, AuthMode, Backend, Config, Ledger, Listen, Store, destination, mappings, rules, served, source, validation,
};

const HTTPS: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 8443));
const MLLP: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 2575));
const BODY_LIMIT_BYTES: u64 = 16 << 20;
const FRAME_LIMIT_BYTES: u64 = 16 << 20;
const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
const KEEPALIVE: Duration = Duration::from_secs(60);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const DRAIN: Duration = Duration::from_secs(10);
const CONNECTIONS: usize = 1024;
const CONCURRENCY: usize = 256;
const CACHE_BYTES: u64 = 128 << 20;
const MIN_FREE_BYTES: u64 = 256 << 20;
const REPEAT_WINDOW: Duration = Duration::from_secs(30 * 86_400);
const SEAL_INTERVAL: Duration = Duration::from_millis(50);
const SEAL_SIZE: usize = 512;

/// Reads every section; what is wrong is in `findings` and has its default in the result.
pub(super) fn read(table: Table, base: &Path, findings: &mut Findings) -> Config {
    let mut root = Section::new("", table, findings);
    let (listen, store, ledger) = (root.table("listen"), root.table("store"), root.table("ledger"));
    let (consent, auth) = (root.table("consent"), root.table("auth"));
    let (validation, mappings, search) = (root.table("validation"), root.table("mappings"), root.table("search"));
    let fhir = root.table("fhir");
    let (sources, destinations) = (root.tables("source"), root.tables("destination"));
    root.finish();

    let listen = read_listen(listen, base, findings);
    let config = Config {
        store: read_store(store, findings),
        ledger: read_ledger(ledger, base, findings),
        consent: rules::read(consent, base, findings),
        auth: read_auth(auth, &listen, findings),
        validation: validation::read(validation, base, findings),
        mappings: mappings::read(mappings, base, findings),
        fhir: served::read(fhir, findings),
        search_parameters: read_search(search, base, findings),
        destinations: destination::read(destinations.unwrap_or_default(), base, findings),
        // Without any source nothing could be received: the built-in ones stand in.
        sources: source::read(sources.unwrap_or_else(embedded_sources), base, findings),
        listen,
        notices: Vec::new(),
    };
    check_loopback(&config, findings);
    source::check_destinations(&config, findings);
    config
}

fn read_search(table: Table, base: &Path, findings: &mut Findings) -> Vec<PathBuf> {
    let mut section = Section::new("search", table, findings);
    let paths = section.texts("parameters", "[\"search-parameters.json\", \"guide.tgz\"]").unwrap_or_default();
    let paths: Vec<PathBuf> = paths.into_iter().map(|text| base.join(text)).collect();
    for path in paths.iter().filter(|path| !path.exists()) {
        let (key, text) = (section.key("parameters"), format!("nothing at {}", path.display()));
        section.findings.error(key, text, "paths are relative to the configuration file");
    }
    section.finish();
    paths
}

fn embedded_sources() -> Vec<Table> {
    let table: Table = super::EMBEDDED.parse().unwrap_or_default();
    match table.get("source") {
        Some(Value::Array(items)) => items.iter().filter_map(|item| item.as_table().cloned()).collect(),
        _ => Vec::new(),
    }
}

fn read_listen(table: Table, base: &Path, findings: &mut Findings) -> Listen {
    let mut section = Section::new("listen", table, findings);
    let path = |text: String| base.join(text);
    let listen = Listen {
        http: section.take("http", "\"127.0.0.1:8080\"", address).unwrap_or(None),
        https: section.take("https", "\"127.0.0.1:8443\"", address).unwrap_or(Some(HTTPS)),
        mllp: section.take("mllp", "\"127.0.0.1:2575\"", address).unwrap_or(Some(MLLP)),
        mllp_tls: section.take("mllp_tls", "true", truth).unwrap_or(false),
        cert_file: section.text("cert_file", "\"server.pem\"").map(path),
        key_file: section.text("key_file", "\"server-key.pem\"").map(path),
        client_ca_file: section.text("client_ca_file", "\"partners.pem\"").map(path),
        cors_origins: section.take("cors_origins", "[\"https://app.example\"]", web_origins).unwrap_or_default(),
        body_limit_bytes: bytes(section.take("body_limit", "\"16MiB\"", size).unwrap_or(BODY_LIMIT_BYTES)),
        frame_limit_bytes: bytes(section.take("frame_limit", "\"16MiB\"", size).unwrap_or(FRAME_LIMIT_BYTES)),
        frame_timeout: section.take("frame_timeout", "\"30s\"", wait).unwrap_or(FRAME_TIMEOUT),
        idle_timeout: section.take("idle_timeout", "\"1h\"", wait).unwrap_or(IDLE_TIMEOUT),
        request_timeout: section.take("request_timeout", "\"30s\"", wait).unwrap_or(REQUEST_TIMEOUT),
        keepalive: section.take("keepalive", "\"60s\"", wait).unwrap_or(KEEPALIVE),
        connections_per_peer: section.number("connections_per_peer", 1, "64"),
        connections: section.number("connections", 1, "1024").unwrap_or(CONNECTIONS),
        concurrency: section.number("concurrency", 1, "256").unwrap_or(CONCURRENCY),
        drain: section.take("drain", "\"10s\"", wait).unwrap_or(DRAIN),
    };
    for (key, path) in
        [("cert_file", &listen.cert_file), ("key_file", &listen.key_file), ("client_ca_file", &listen.client_ca_file)]
    {
        must_exist(&mut section, key, path.as_deref());
    }
    if listen.cert_file.is_some() != listen.key_file.is_some() {
        section.findings.error(
            "listen.cert_file",
            "a certificate and its key go together",
            "set cert_file and key_file, or neither",
        );
    }
    section.finish();
    listen
}

fn read_store(table: Table, findings: &mut Findings) -> Store {
    let mut section = Section::new("store", table, findings);
    let backend = section
        .word("backend", &[("sled", Some(Backend::Sled)), ("memory", Some(Backend::Memory)), ("postgres", None)]);
    if backend == Some(None) {
        section.findings.error("store.backend", "postgres is not in this release", "write \"sled\"");
    }
    let store = Store {
        backend: backend.flatten().unwrap_or(Backend::Sled),
        cache_bytes: section.take("cache", "\"128MiB\"", size).unwrap_or(CACHE_BYTES),
        min_free_bytes: section.take("min_free", "\"256MiB\"", size).unwrap_or(MIN_FREE_BYTES),
        repeat_window: section.take("repeat_window", "\"30d\"", wait).unwrap_or(REPEAT_WINDOW),
    };
    section.finish();
    store
}

fn read_ledger(table: Table, base: &Path, findings: &mut Findings) -> Ledger {
    let mut section = Section::new("ledger", table, findings);
    let ledger = Ledger {
        origin: section.take("origin", "\"hospital.example/log\"", origin),
        key_file: section.text("key_file", "\"ledger-key.pem\"").map(|text| base.join(text)),
        seal_interval: section.take("seal_interval", "\"50ms\"", wait).unwrap_or(SEAL_INTERVAL),
        seal_size: section.number("seal_size", 1, "512").unwrap_or(SEAL_SIZE),
        sealing: section.word("sealing", &[("on", true), ("off", false)]).unwrap_or(true),
    };
    must_exist(&mut section, "key_file", ledger.key_file.as_deref());
    let quorum = section.number("quorum", 0, "0").unwrap_or(0);
    let witnesses = section.tables("witness").unwrap_or_default();
    for (index, table) in witnesses.into_iter().enumerate() {
        let mut witness = Section::new(format!("ledger.witness[{}]", index + 1), table, section.findings);
        let (url, key) =
            (witness.text("url", "\"https://witness.example/\""), witness.text("key", "\"name+hash+key\""));
        if url.is_none() || key.is_none() {
            let key = witness.key("url");
            witness.findings.error(key, "a witness needs url and key", "set both");
        }
        let path = witness.key("url");
        // Going on without the witness would issue receipts that look as strong as the operator asked for and are not.
        witness.findings.error(path, "cosigning by witnesses is not in this release", "remove the section");
        witness.finish();
    }
    if quorum > 0 {
        section.findings.error("ledger.quorum", "cosigning by witnesses is not in this release", "write 0");
    }
    section.finish();
    ledger
}

fn read_auth(table: Table, listen: &Listen, findings: &mut Findings) -> Auth {
    let mut section = Section::new("auth", table, findings);
    let modes = [("smart", AuthMode::Smart), ("development", AuthMode::Development), ("open", AuthMode::Open)];
    let loopback =
        [listen.http, listen.https, listen.mllp].into_iter().flatten().all(|address| address.ip().is_loopback());
    // The mode that a file does not name is the strictest that can work there.
    let absent = if loopback { AuthMode::Development } else { AuthMode::Smart };
    let mode = section.word("mode", &modes).unwrap_or(absent);
    if mode == AuthMode::Smart {
        section.findings.notice(
            "auth.mode",
            "the SMART server is not in this release: only credentials of sources and client certificates are known",
            "people's tokens need \"development\" on loopback",
        );
    }
    section.finish();
    Auth { mode }
}

fn check_loopback(config: &Config, findings: &mut Findings) {
    let listen = &config.listen;
    let outside = |address: Option<SocketAddr>| address.is_some_and(|address| !address.ip().is_loopback());
    if outside(listen.http) {
        findings.error("listen.http", "plain HTTP is for loopback only", "use https, or an address of 127.0.0.1");
    }
    if outside(listen.mllp) {
        if listen.client_ca_file.is_none() {
            findings.error(
                "listen.client_ca_file",
                "MLLP off loopback needs client certificates",
                "name the authority of your partners",
            );
        }
        if listen.cert_file.is_none() {
            findings.error("listen.cert_file", "MLLP off loopback needs a certificate", "set cert_file and key_file");
        }
    } else if listen.mllp_tls && listen.client_ca_file.is_none() {
        findings.error(
            "listen.client_ca_file",
            "MLLP in TLS needs client certificates",
            "name the authority of your partners",
        );
    }
    let mode = match config.auth.mode {
        AuthMode::Smart => None,
        AuthMode::Development => Some("development"),
        AuthMode::Open => Some("open"),
    };
    if let Some(mode) = mode {
        for (key, address) in [("listen.https", listen.https), ("listen.mllp", listen.mllp)] {
            if outside(address) {
                findings.error(
                    key,
                    format!("auth.mode \"{mode}\" is for loopback only"),
                    "listen on 127.0.0.1, or set auth.mode = \"smart\"",
                );
            }
        }
    }
    if !config.ledger.sealing && (mode.is_none() || !config.is_loopback()) {
        findings.error(
            "ledger.sealing",
            "off is for measuring: loopback with development or open only",
            "write \"on\"",
        );
    }
    if listen.http.is_none() && listen.https.is_none() && listen.mllp.is_none() {
        findings.error("listen.https", "nothing is listened on", "set https, mllp or http");
    }
}

/// `"off"` or an address with its port; port 0 lets the system choose.
fn address(value: &Value) -> Result<Option<SocketAddr>, String> {
    let expected = || "expected \"off\" or an address with its port".to_owned();
    let text = value.as_str().ok_or_else(expected)?;
    if text == "off" {
        return Ok(None);
    }
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    text.parse().map(Some).map_err(|_| expected())
}

/// Origins as browsers write them (RFC 6454, section 6.2): compared byte by byte, so they must be written so.
fn web_origins(value: &Value) -> Result<Vec<String>, String> {
    let expected = || "expected a list of origins such as \"https://app.example\", without a path".to_owned();
    let items = value.as_array().ok_or_else(expected)?;
    items
        .iter()
        .map(|item| item.as_str().filter(|text| is_web_origin(text)).map(str::to_owned).ok_or_else(expected))
        .collect()
}

fn is_web_origin(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    authority.is_some_and(|authority| {
        let is_sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
        !authority.is_empty() && authority.bytes().all(is_sound)
    })
}

fn truth(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "expected true or false".to_owned())
}

/// A log's origin is a key name of a signed note: no blanks, no plus (C2SP signed-note, "Format").
fn origin(value: &Value) -> Result<String, String> {
    match value.as_str() {
        Some(text) if !text.is_empty() && !text.contains('+') && !text.contains(char::is_whitespace) => {
            Ok(text.to_owned())
        }
        _ => Err("expected a name without blanks and plus signs".to_owned()),
    }
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn must_exist(section: &mut Section<'_>, key: &str, path: Option<&Path>) {
    if let Some(path) = path
        && !path.is_file()
    {
        let key = section.key(key);
        section.findings.error(
            key,
            format!("no file at {}", path.display()),
            "paths are relative to the configuration file",
        );
    }
}

//! What all steps share: the running gateway, its partners, tokens, and how an outcome is waited for and checked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use auth::{Role, Verifier};
use bytes::Bytes;
use http::Method;
use model::json::Json;
use model::time::{Clock, SystemClock};
use ring::rand::SystemRandom;

use super::Unmet;
use super::client::{Answer, Content, Http};
use super::partner::Partner;
use super::print::{Reporter, Tone};
use crate::keys;
use crate::serve::Running;
use crate::tls;

/// Longest wait for something the gateway does behind its answer: a delivery, a seal.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Who the demonstration is to the gateway.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) administrator: String,
    pub(super) auditor: String,
    pub(super) home_scale: String,
    pub(super) paramedic: String,
    /// For the person who looks at the console: exchanges, and the emergency form.
    pub(super) console: String,
}

/// An exchange whose receipt is verified at the end.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) what: &'static str,
    pub(super) id: String,
}

/// The stage on which the steps play.
pub(super) struct Scene {
    pub(super) http: Http,
    pub(super) https: Http,
    pub(super) mllp: SocketAddr,
    pub(super) clinic: Partner,
    pub(super) insurer: Partner,
    pub(super) tokens: Tokens,
    pub(super) data: PathBuf,
    pub(super) reporter: Reporter,
    pub(super) patient: String,
    pub(super) exchanges: Vec<Kept>,
}

impl Scene {
    pub(super) fn new(
        running: &Running,
        data: &Path,
        clinic: Partner,
        insurer: Partner,
        reporter: Reporter,
    ) -> Result<Self, Unmet> {
        let address = |name: &str, address: Option<SocketAddr>| address.ok_or_else(|| Unmet::new(name, "no listener"));
        let certificate = data.join("keys").join(tls::CERTIFICATE_FILE);
        Ok(Self {
            http: Http::plain(address("a plain HTTP listener", running.http())?),
            https: Http::secure(address("an HTTPS listener", running.https())?, &certificate)?,
            mllp: address("an MLLP listener", running.mllp())?,
            clinic,
            insurer,
            tokens: Tokens::issue(data)?,
            data: data.to_owned(),
            reporter,
            patient: String::new(),
            exchanges: Vec::new(),
        })
    }

    pub(super) fn keep(&mut self, what: &'static str, id: &str) {
        if !self.exchanges.iter().any(|kept| kept.id == id) {
            self.exchanges.push(Kept { what, id: id.to_owned() });
        }
    }

    /// An exchange as its address shows it, once nothing is under way for it and `holds` says so.
    pub(super) async fn exchange(&self, id: &str, until: impl Fn(&Json) -> bool) -> Result<Json, Unmet> {
        let path = format!("/exchanges/{id}");
        let started = Instant::now();
        loop {
            let answer = self.http.get(&path, Some(&self.tokens.auditor)).await?.with_status(200, "an exchange")?;
            let exchange = answer.json()?;
            let state = exchange.text_at(&["state"]).unwrap_or_default();
            if !matches!(state, "accepted" | "delivering") && until(&exchange) {
                return Ok(exchange);
            }
            if started.elapsed() > PATIENCE {
                let found = format!("state {state} after {} s", PATIENCE.as_secs());
                return Err(Unmet::new("an exchange that comes to its end", found));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The receipt of an exchange, as soon as the ledger has sealed it.
    pub(super) async fn receipt(&self, id: &str) -> Result<Bytes, Unmet> {
        let path = format!("/ledger/receipts/{id}");
        let started = Instant::now();
        loop {
            // Without a token: the id is the secret.
            let answer = self.http.get(&path, None).await?;
            if answer.status != 202 || started.elapsed() > PATIENCE {
                return Ok(answer.with_status(200, "a receipt")?.body);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// A FHIR resource written by the administrator; the exchange that the write became is kept.
    pub(super) async fn put(
        &mut self,
        what: &'static str,
        address: &str,
        body: String,
        status: u16,
    ) -> Result<(), Unmet> {
        let content = Content {
            token: Some(&self.tokens.administrator),
            media_type: "application/fhir+json",
            body: Bytes::from(body),
        };
        let answer =
            self.http.send(Method::PUT, &format!("/fhir/{address}"), content).await?.with_status(status, what)?;
        let id = answer.header("ledger-exchange").to_owned();
        met(!id.is_empty(), "a write that names its exchange", "none")?;
        self.keep(what, &id);
        Ok(())
    }

    /// A FHIR search by the administrator.
    pub(super) async fn search(&self, query: &str) -> Result<Vec<Json>, Unmet> {
        let answer = self.http.get(&format!("/fhir/{query}"), Some(&self.tokens.administrator)).await?;
        let bundle = answer.with_status(200, "a search")?.json()?;
        Ok(bundle.items("entry").iter().filter_map(|entry| entry.get("resource").cloned()).collect())
    }

    /// POST of JSON by the paramedic.
    pub(super) async fn paramedic(&self, path: &str, body: &Json) -> Result<Answer, Unmet> {
        let content = Content {
            token: Some(&self.tokens.paramedic),
            media_type: "application/json",
            body: Bytes::from(body.to_bytes()),
        };
        self.http.send(Method::POST, path, content).await
    }

    /// Checks what became of a delivery and tells why.
    pub(super) fn delivery(&mut self, exchange: &Json, destination: &str, fate: Fate) -> Result<(), Unmet> {
        let wanted = |delivery: &&Json| delivery.text_at(&["destination"]) == Some(destination);
        let delivery = exchange.items("deliveries").iter().find(wanted).unwrap_or(&Json::Null);
        let state = delivery.text_at(&["state"]).unwrap_or("none");
        let decision = delivery.text_at(&["decision"]).unwrap_or_default();
        let error = delivery.text_at(&["last_error"]).unwrap_or_default();
        let expected = format!("the delivery to the {destination} {}", fate.state());
        met(state == fate.state(), expected, format!("{state} {decision} {error}"))?;
        match fate {
            Fate::Sent(how) => {
                let text = format!("{} sent {how}: {}", resources(decision)?, why(decision));
                self.reporter.told(destination, Tone::Good, &text);
            }
            Fate::Withheld => {
                let text = format!("withheld: {}", why(decision));
                self.reporter.told(destination, Tone::Stopped, &text);
            }
        }
        Ok(())
    }

    /// Checks that an exchange stands in the ledger, waits for the signature over it, and tells where.
    pub(super) async fn anchored(&mut self, exchange: &Json) -> Result<(), Unmet> {
        let indexes: Vec<u64> =
            exchange.items("ledger_records").iter().filter_map(|index| index.as_number()?.as_u64()).collect();
        let newest = indexes.iter().max().ok_or_else(|| Unmet::new("an exchange with ledger records", "none"))?;
        let size = self.checkpoint_over(*newest).await?;
        let word = if indexes.len() == 1 { "record" } else { "records" };
        let indexes: Vec<String> = indexes.iter().map(u64::to_string).collect();
        let indexes: Vec<&str> = indexes.iter().map(String::as_str).collect();
        self.reporter
            .fact("anchored", &format!("{word} {} of the ledger, under signed checkpoint {size}", list(&indexes)));
        Ok(())
    }

    /// The size of a signed checkpoint that covers this record. C2SP tlog-checkpoint: its second line.
    async fn checkpoint_over(&self, index: u64) -> Result<u64, Unmet> {
        let started = Instant::now();
        loop {
            let answer = self.http.get("/ledger/checkpoint", None).await?;
            let note = String::from_utf8_lossy(&answer.body);
            // Before the first seal there is none.
            let size = note.lines().nth(1).and_then(|line| line.parse::<u64>().ok()).unwrap_or(0);
            if size > index {
                return Ok(size);
            }
            met(started.elapsed() < PATIENCE, format!("a seal over record {index}"), format!("checkpoint {size}"))?;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// What is to become of a delivery.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// Delivered, in this form.
    Sent(&'static str),
    /// Held back.
    Withheld,
}

impl Fate {
    fn state(self) -> &'static str {
        match self {
            Self::Sent(_) => "delivered",
            Self::Withheld => "withheld",
        }
    }
}

impl Tokens {
    fn issue(data: &Path) -> Result<Self, Unmet> {
        let key = keys::token_key(data).map_err(|error| Unmet::new("the key of tokens", error))?;
        let verifier = Verifier::of_data_directory(&key);
        let now = SystemClock.now().millis().div_euclid(1000);
        let issue = |roles: &[Role], purposes: &[&str], actor: &str, emergency_authorised: bool, ttl: Duration| {
            let request = auth::Request {
                roles: roles.to_vec(),
                purposes: purposes.iter().map(|code| (*code).to_owned()).collect(),
                actors: vec![actor.to_owned()],
                emergency_authorised,
                ttl,
                ..auth::Request::default()
            };
            auth::issue(&key, &verifier, &request, now, &SystemRandom::new())
                .map_err(|error| Unmet::new("a development token", error))
        };
        let (short, long) = (Duration::from_secs(3600), Duration::from_secs(8 * 3600));
        Ok(Self {
            administrator: issue(&[Role::Administrator], &["HOPERAT"], "Practitioner/front-desk", false, short)?,
            auditor: issue(&[Role::Auditor], &["HSYSADMIN"], "Practitioner/auditor", false, short)?,
            home_scale: issue(&[Role::Source], &[], "Device/home-scale", false, short)?,
            paramedic: issue(&[Role::Emergency], &["BTG"], "Practitioner/paramedic-7", true, short)?,
            console: issue(&[Role::Auditor, Role::Emergency], &["BTG"], "Practitioner/visitor", true, long)?,
        })
    }
}

/// Nothing if it holds, else what was expected and found.
pub(super) fn met(holds: bool, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> Result<(), Unmet> {
    if holds { Ok(()) } else { Err(Unmet::new(expected, found)) }
}

/// Why a decision fell as it did, in words; the gateway's own text where it is none of the usual reasons.
pub(super) fn why(decision: &str) -> String {
    let consents = consents(decision);
    let permits: Vec<&str> =
        consents.iter().filter(|(_, said)| *said == "permit").map(|(name, _)| name.as_str()).collect();
    let denies: Vec<&str> =
        consents.iter().filter(|(_, said)| *said == "deny").map(|(name, _)| name.as_str()).collect();
    match decision.split_once(':').map_or(decision, |(word, _)| word) {
        "permit" | "redact" if !permits.is_empty() => format!("{} permits it", list(&permits)),
        "deny" if !denies.is_empty() => format!("{} forbids it", list(&denies)),
        "deny" if decision.contains("implicit-policy") => {
            "no consent on file permits it, and silence is no consent".to_owned()
        }
        _ => decision.to_owned(),
    }
}

/// How many resources a decision let out: `permit: 3 of 3 resources (…)`.
fn resources(decision: &str) -> Result<String, Unmet> {
    let count = decision.split_once(": ").and_then(|(_, rest)| rest.split_once(" of "));
    let count = count.and_then(|(count, _)| count.parse::<u64>().ok()).filter(|count| *count > 0);
    match count {
        Some(1) => Ok("1 resource".to_owned()),
        Some(count) => Ok(format!("{count} resources")),
        None => Err(Unmet::new("a decision that says how much it lets out", decision)),
    }
}

/// The consents that a decision names, each once, with what they said: `Consent/ID/_history/VERSION#PATH: SAID`.
fn consents(decision: &str) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    for piece in decision.split("Consent/").skip(1) {
        let Some((name, rest)) = piece.split_once('#') else { continue };
        let said = rest.split_once(": ").map(|(_, said)| said).unwrap_or_default();
        let said = said.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        let name = match name.split_once("/_history/") {
            Some((id, version)) => format!("Consent/{id} (version {version})"),
            None => format!("Consent/{name}"),
        };
        if !found.iter().any(|(known, _)| *known == name) {
            found.push((name, said));
        }
    }
    found
}

/// `a`, `a and b`, `a, b and c`; runs of numbers as `3 to 5`.
pub(super) fn list(items: &[&str]) -> String {
    let numbers: Option<Vec<u64>> = items.iter().map(|item| item.parse().ok()).collect();
    if let (Some(numbers), true) = (numbers, items.len() > 2)
        && let (Some(first), Some(last)) = (numbers.first(), numbers.last())
        && numbers.windows(2).all(|pair| matches!(pair, [one, next] if one.checked_add(1) == Some(*next)))
    {
        return format!("{first} to {last}");
    }
    match items {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

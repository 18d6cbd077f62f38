use std::sync::Mutex;

use super::*;

/// A clock that is set by hand.
#[derive(Clone)]
struct Hand(Arc<Mutex<Instant>>);

impl Clock for Hand {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }
}

fn clock(at: &str) -> (Hand, SteadyClock) {
    let hand = Hand(Arc::new(Mutex::new(instant(at))));
    let steady = SteadyClock::new(Arc::new(hand.clone()), Metrics::default());
    (hand, steady)
}

fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

#[test]
fn stands_while_the_machine_is_behind_and_goes_on_after() {
    let (hand, steady) = clock("2026-03-01T10:00:00Z");
    let set = |at: &str| *hand.0.lock().unwrap() = instant(at);
    assert_eq!(steady.now(), instant("2026-03-01T10:00:00Z"));
    set("2026-03-01T11:00:00Z");
    assert_eq!(steady.now(), instant("2026-03-01T11:00:00Z"));
    set("2025-03-01T11:00:00Z");
    assert_eq!(steady.now(), instant("2026-03-01T11:00:00Z"));
    assert!(steady.is_behind());
    set("2026-03-01T11:00:01Z");
    assert_eq!(steady.now(), instant("2026-03-01T11:00:01Z"));
    assert!(!steady.is_behind());
    set("2026-03-01T11:00:00.500Z");
    assert!(!steady.is_behind(), "what time servers correct all day is nothing to notice");
    assert_eq!(steady.now(), instant("2026-03-01T11:00:01Z"));
}

#[test]
fn a_restart_is_no_way_back_and_a_wrong_date_is_no_prison() {
    let (_, steady) = clock("2026-03-01T10:00:00Z");
    steady.go_on_from(instant("2026-03-01T09:00:00Z"));
    assert_eq!(steady.now(), instant("2026-03-01T10:00:00Z"));
    steady.go_on_from(instant("2026-03-02T09:59:00Z"));
    assert_eq!(steady.now(), instant("2026-03-02T09:59:00Z"));
    let (_, steady) = clock("2026-03-01T10:00:00Z");
    steady.go_on_from(instant("2036-03-01T10:00:00Z"));
    assert_eq!(steady.now(), instant("2026-03-01T10:00:00Z"));
}

/// A running gateway whose clock is set by hand, and whoever asks it.
struct Moved {
    running: crate::serve::Running,
    hand: Hand,
    key: auth::TokenKey,
    _folder: tempfile::TempDir,
}

impl Moved {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"off\"\nmllp = \"off\"\n[auth]\nmode = \"development\"\n\
                    [store]\nbackend = \"memory\"\n";
        let config = crate::config::Config::parse(text, folder.path()).unwrap();
        let hand = Hand(Arc::new(Mutex::new(instant("2026-03-01T10:00:00Z"))));
        let data = folder.path().join("data");
        let running = crate::serve::start(config, &data, Arc::new(hand.clone())).await.unwrap();
        let key = crate::keys::token_key(&data).unwrap();
        Self { running, hand, key, _folder: folder }
    }

    fn set(&self, time: &str) {
        *self.hand.0.lock().unwrap() = instant(&format!("2026-03-01T{time}:00Z"));
    }

    fn token(&self, role: auth::Role, purpose: &str, ttl: u64) -> String {
        let request = auth::Request {
            roles: vec![role],
            purposes: vec![purpose.to_owned()],
            actors: vec!["Practitioner/c".to_owned()],
            emergency_authorised: purpose == "BTG",
            ttl: Duration::from_secs(ttl),
            ..auth::Request::default()
        };
        let now = self.hand.now().millis() / 1000;
        let verifier = auth::Verifier::of_data_directory(&self.key);
        auth::issue(&self.key, &verifier, &request, now, &ring::rand::SystemRandom::new()).unwrap()
    }

    async fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(self.running.http().unwrap()).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
             Content-Type: application/fhir+json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    async fn read(&self, token: &str) -> u16 {
        self.ask("GET", "/fhir/Patient/p", token, "").await.0
    }
}

const CONSENT: &str = r#"{"resourceType":"Consent","id":"c","status":"active","dateTime":"2026-03-01T12:00:00Z","patient":{"reference":"Patient/p"},
"scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
"category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"policy":[{"uri":"urn:example:policy"}],
"provision":{"type":"permit","period":{"end":"2026-03-01T13:00:00Z"},"actor":[{"role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},
"reference":{"reference":"Practitioner/c"}}]}}"#;

#[tokio::test]
async fn nothing_that_is_over_or_not_yet_begun_counts_when_the_clock_is_moved() {
    use auth::Role;
    let moved = Moved::start().await;
    let administrator = moved.token(Role::Administrator, "HOPERAT", 24 * 3600);
    let day = moved.token(Role::Clinician, "TREAT", 24 * 3600);
    let brief = moved.token(Role::Clinician, "TREAT", 600);
    let emergency = moved.token(Role::Emergency, "BTG", 24 * 3600);
    let patient = r#"{"resourceType":"Patient","id":"p","birthDate":"1980-02-03"}"#;
    assert_eq!(moved.ask("PUT", "/fhir/Patient/p", &administrator, patient).await.0, 201);
    assert_eq!(moved.ask("PUT", "/fhir/Consent/c", &administrator, CONSENT).await.0, 201);
    let declaration = r#"{"patient":"Patient/p","reason":"found unconscious"}"#;
    let (status, answer) = moved.ask("POST", "/emergency/declare", &emergency, declaration).await;
    assert_eq!(status, 201, "{answer}");
    let grant = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().trim().to_owned();
    let summary = format!("{grant}/summary");
    assert_eq!(moved.ask("GET", &summary, &emergency, "").await.0, 200);
    assert_eq!(moved.read(&brief).await, 404, "a consent of noon is none at ten");

    moved.set("11:01");
    assert!(matches!(moved.ask("GET", &summary, &emergency, "").await.0, 403 | 404 | 410));
    assert_eq!(moved.read(&brief).await, 401);
    for time in ["10:30", "10:05", "09:00"] {
        moved.set(time);
        assert!(matches!(moved.ask("GET", &summary, &emergency, "").await.0, 403 | 404 | 410), "{time}");
        assert_eq!(moved.read(&emergency).await, 404, "{time}: the grant is over");
        assert_eq!(moved.read(&brief).await, 401, "{time}: the token is over");
        assert_eq!(moved.read(&day).await, 404, "{time}: the consent has not begun");
        assert!(moved.ask("GET", "/health/ready", "", "").await.1.contains("behind"), "{time}");
    }
    moved.set("12:01");
    assert_eq!(moved.read(&day).await, 200);
    moved.set("13:01");
    assert_eq!(moved.read(&day).await, 404, "the consent has ended");
    moved.set("12:30");
    assert_eq!(moved.read(&day).await, 404, "and does not begin again");
    assert!(!moved.ask("GET", "/fhir/Patient/p/_history", &day, "").await.1.contains("1980-02-03"));

    let records = store::LedgerQueue::ledger_records(&moved.running.app().store, 0, 1000).unwrap();
    let time = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.split("\"time\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned()
    };
    let times: Vec<String> = records.iter().map(|record| time(&record.bytes)).collect();
    assert!(times.len() >= 4 && times.is_sorted(), "{times:?}");
    moved.running.stop().await;
}

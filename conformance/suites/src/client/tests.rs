use std::time::Duration;

use super::{Client, HttpError, Options, Request, url};
use crate::fake::{Fake, json};

fn client(fake: &Fake, change: impl FnOnce(&mut Options)) -> Client {
    let mut options = Options { bases: vec![fake.base.clone()], timeout: Duration::from_secs(5), ..Options::default() };
    change(&mut options);
    Client::new(options).unwrap()
}

#[tokio::test]
async fn sends_and_keeps_the_whole_exchange() {
    let fake = Fake::start(|asked| json(201, &asked.body)).await;
    let client = client(&fake, |_| ());
    for round in 0..3 {
        let request = Request::new("POST", format!("{}/Patient", fake.base)).body("application/fhir+json", "{}");
        let exchange = client.send(request).await;
        let answer = exchange.answer.as_ref().unwrap();
        assert_eq!(
            (answer.status, answer.body.as_ref(), answer.media_type().as_str()),
            (201, &b"{}"[..], "application/fhir+json")
        );
        assert_eq!(fake.asked().len(), round + 1);
    }
    assert!(fake.asked()[0].header("user-agent").unwrap().starts_with("anchorline-conformance/"));
    assert!(fake.asked()[0].header("host").unwrap().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn keeps_the_token_for_the_servers_under_test() {
    let (tested, stranger) = (Fake::start(|_| json(200, "{}")).await, Fake::start(|_| json(200, "{}")).await);
    let client = client(&tested, |options| {
        options.bearer = Some("very-secret".to_owned());
        options.headers = vec![("X-Tenant".to_owned(), "a".to_owned())];
    });
    client.send(Request::new("GET", format!("{}/Patient", tested.base))).await;
    client.send(Request::new("GET", format!("{}/Patient", stranger.base))).await;
    client.send(Request::new("GET", format!("{}/Patient", tested.base)).header("Authorization", "")).await;
    assert_eq!(tested.asked()[0].header("authorization"), Some("Bearer very-secret"));
    assert_eq!(tested.asked()[0].header("x-tenant"), Some("a"));
    assert_eq!(stranger.asked()[0].header("authorization"), None);
    assert_eq!(stranger.asked()[0].header("x-tenant"), None);
    assert_eq!(tested.asked()[1].header("authorization"), None);
}

#[tokio::test]
async fn bounds_time_and_size() {
    let fake = Fake::start(|asked| {
        if asked.path.ends_with("slow") { (0, Vec::new(), String::new()) } else { json(200, &"x".repeat(5000)) }
    })
    .await;
    let client = client(&fake, |options| {
        options.timeout = Duration::from_millis(200);
        options.body_limit_bytes = 1000;
    });
    let slow = client.send(Request::new("GET", format!("{}/slow", fake.base))).await;
    assert_eq!(slow.answer, Err(HttpError::Timeout(Duration::from_millis(200))));
    let large = client.send(Request::new("GET", format!("{}/large", fake.base))).await;
    assert_eq!(large.answer, Err(HttpError::TooLarge(1000)));
}

#[tokio::test]
async fn says_why_there_is_no_answer() {
    let client = Client::new(Options { timeout: Duration::from_secs(5), ..Options::default() }).unwrap();
    for address in ["no address", "ftp://localhost/x", "http://127.0.0.1:1/x"] {
        assert!(client.send(Request::new("GET", address)).await.answer.is_err(), "{address}");
    }
    let odd = Request::new("GE T", "http://127.0.0.1:1/x");
    assert!(matches!(client.send(odd).await.answer, Err(HttpError::Request(_))));
}

#[test]
fn names_the_file_that_holds_no_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "nothing").unwrap();
    let error = Client::new(Options { authorities: Some(file.clone()), ..Options::default() }).unwrap_err();
    assert!(error.to_string().contains("ca.pem"), "{error}");
}

#[test]
fn joins_and_escapes_addresses() {
    assert_eq!(url::join("http://h/fhir/", "Patient/1"), "http://h/fhir/Patient/1");
    assert_eq!(url::join("http://h/fhir", "/metadata"), "http://h/fhir/metadata");
    assert_eq!(url::join("http://h/fhir", ""), "http://h/fhir");
    assert_eq!(url::join("http://h/fhir", "?_type=Patient"), "http://h/fhir?_type=Patient");
    assert_eq!(url::join("http://h/fhir", "https://other/x"), "https://other/x");
    assert_eq!(url::encode("http://h/P?a=b c|d&e=%20é"), "http://h/P?a=b%20c%7Cd&e=%20%C3%A9");
    assert_eq!(url::encode_least("http://h/P?a=b c|d"), "http://h/P?a=b%20c|d");
    assert_eq!(url::component("a&b=c|d"), "a%26b%3Dc%7Cd");
    assert_eq!(url::decode("a%26b+c%7Cd%zz"), "a&b c|d%zz");
}

#[test]
fn writes_a_curl_line_without_secrets() {
    let options = Options {
        bearer: Some("secret-token".to_owned()),
        headers: vec![("X-Api-Key".to_owned(), "key-of-mine".to_owned())],
        insecure: true,
        ..Options::default()
    };
    let client = Client::new(options).unwrap();
    let request = Request::new("PUT", "http://h/Patient/1?access_token=abcdef&x=1")
        .header("Authorization", "Bearer secret-token")
        .header("X-Api-Key", "key-of-mine")
        .body("application/fhir+json", "{\"a\":\"it's secret-token\"}");
    let line = client.mask().curl(&request, None);
    assert_eq!(
        line,
        "curl -sS -i -k -X PUT 'http://h/Patient/1?access_token=***&x=1' -H \"Authorization: Bearer $TOKEN\" \
         -H 'X-Api-Key: ***' -H 'Content-Type: application/fhir+json' --data-binary '{\"a\":\"it'\\''s ***\"}'"
    );
    let long = Request::new("POST", "http://h/").body("text/plain", "x".repeat(10_000));
    assert!(client.mask().curl(&long, Some("bodies/1.txt")).ends_with("--data-binary @bodies/1.txt"));
}

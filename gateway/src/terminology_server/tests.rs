use std::io::{Read, Write};
use std::net::TcpListener;

use terminology::{Coding, Membership};

use super::*;

/// A server that answers every request with this status and body, and says how often it was asked.
fn serve(status: u16, body: &'static str) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0_u8; 8192];
            let _ = stream.read(&mut buffer);
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/fhir+json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(text.as_bytes());
        }
    });
    (base, asked)
}

fn coding() -> Coding<'static> {
    Coding { system: Some("http://s.example"), version: None, code: "a", display: None }
}

fn quick() -> Policy {
    Policy { timeout: Duration::from_secs(2), ..Policy::default() }
}

#[test]
fn a_server_says_whether_a_code_is_in_a_value_set_and_is_asked_once() {
    let yes = r#"{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":true}]}"#;
    let (base, asked) = serve(200, yes);
    let remote = connect(&base, None, quick()).unwrap();
    for _ in 0..3 {
        assert!(matches!(remote.member("http://v.example/set", &coding()), Membership::In));
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[test]
fn a_server_that_is_not_there_or_fails_decides_nothing() {
    let nobody = connect("http://127.0.0.1:9", None, quick()).unwrap();
    assert!(matches!(nobody.member("http://v.example/set", &coding()), Membership::Unknown(_)));
    let (base, _) = serve(500, "no");
    let broken = connect(&base, None, quick()).unwrap();
    assert!(matches!(broken.member("http://v.example/set", &coding()), Membership::Unknown(_)));
}

#[test]
fn addresses_that_would_send_codes_in_the_clear_are_refused() {
    for base in ["http://tx.example/r4", "ftp://127.0.0.1", "nothing", ""] {
        assert!(matches!(connect(base, None, quick()), Err(ServerError::Address)), "{base}");
    }
    assert!(connect("https://tx.example/r4", None, quick()).is_ok());
}

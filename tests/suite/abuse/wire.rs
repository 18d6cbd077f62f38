//! Requests that two readers could read differently, byte by byte through the real listener: each is refused, or read in
//! the one way HTTP allows, and never as one request more than it is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tests::raw;

use super::site;

/// The request that must not be answered: it stands where a body is.
const INNER: &str = "GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";

/// What may come of a request.
#[derive(Debug, Clone, Copy)]
enum Expect {
    /// One answer of 400 or more, or none; then the connection is closed.
    Refused,
    /// These answers, in this order.
    Reads(&'static [u16]),
    /// These answers, and the connection is closed after them.
    ReadsAndCloses(&'static [u16]),
}
use Expect::{Reads, ReadsAndCloses, Refused};

/// A search by form with these fields and this body; `{}` is whoever asks.
fn post(fields: &str, body: &str) -> String {
    format!(
        "POST /fhir/Patient/_search HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {{}}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n{fields}\r\n{body}"
    )
}

/// A read with these fields.
fn get(fields: &str) -> String {
    format!("GET /fhir/Patient/seen HTTP/1.1\r\n{fields}Authorization: Bearer {{}}\r\n\r\n")
}

fn line(line: &str) -> String {
    format!("{line}\r\nHost: a\r\nAuthorization: Bearer {{}}\r\n\r\n")
}

fn lengths() -> Vec<(&'static str, String, Expect)> {
    let whole = format!("_id=seen{INNER}");
    let chunked = format!("8\r\n_id=seen\r\n0\r\n\r\n{INNER}");
    vec![
        ("a length", post("Content-Length: 8\r\n", "_id=seen"), Reads(&[200])),
        ("a length, then another request", post("Content-Length: 8\r\n", &whole), Reads(&[200, 200])),
        ("chunks", post("Transfer-Encoding: chunked\r\n", "8\r\n_id=seen\r\n0\r\n\r\n"), ReadsAndCloses(&[200])),
        ("CL.TE", post("Content-Length: 60\r\nTransfer-Encoding: chunked\r\n", &chunked), ReadsAndCloses(&[200])),
        ("TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &chunked), ReadsAndCloses(&[200])),
        (
            "CL.TE with the length of the chunks",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{INNER}")),
            ReadsAndCloses(&[200]),
        ),
        (
            "CL.TE.CL",
            post("Content-Length: 8\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n", &chunked),
            ReadsAndCloses(&[200]),
        ),
        ("two lengths", post("Content-Length: 8\r\nContent-Length: 9\r\n", &whole), Refused),
        ("two lengths, the other way", post("Content-Length: 8\r\nContent-Length: 0\r\n", &whole), Refused),
        ("one length twice", post("Content-Length: 8\r\nContent-Length: 8\r\n", "_id=seen"), Reads(&[200])),
        ("a list of lengths", post("Content-Length: 8, 8\r\n", &whole), Refused),
        ("a list of two lengths", post("Content-Length: 8,0\r\n", &whole), Refused),
        ("a length with a sign", post("Content-Length: +8\r\n", &whole), Refused),
        ("a length below nothing", post("Content-Length: -8\r\n", &whole), Refused),
        ("a length in hex", post("Content-Length: 0x8\r\n", &whole), Refused),
        ("a length as a fraction", post("Content-Length: 8.0\r\n", &whole), Refused),
        ("a length with a power", post("Content-Length: 8e0\r\n", &whole), Refused),
        ("a length in two words", post("Content-Length: 8 0\r\n", &whole), Refused),
        ("an empty length", post("Content-Length: \r\n", &whole), Refused),
        ("a length beyond numbers", post("Content-Length: 18446744073709551624\r\n", &whole), Refused),
        ("a length in other digits", post("Content-Length: \u{0668}\r\n", &whole), Refused),
        ("a length with a semicolon", post("Content-Length: 8;\r\n", &whole), Refused),
        ("a length behind a NUL", post("Content-Length: \08\r\n", &whole), Refused),
        ("a length behind a vertical tab", post("Content-Length: \x0b8\r\n", &whole), Refused),
        ("a space before the colon of a length", post("Content-Length : 8\r\n", &whole), Refused),
        ("a body behind a read", format!("{}{INNER}", get("Host: a\r\nContent-Length: 0\r\n")), Reads(&[200, 200])),
        (
            "a length in a read",
            format!("{}{INNER}", get(&format!("Host: a\r\nContent-Length: {}\r\n", INNER.len()))),
            Reads(&[200]),
        ),
    ]
}

fn codings() -> Vec<(&'static str, String, Expect)> {
    let body = format!("8\r\n_id=seen\r\n0\r\n\r\n{INNER}");
    let te = |field: &str| post(&format!("{field}\r\n"), &body);
    let chunks = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    vec![
        ("chunked in capitals", te("Transfer-Encoding: CHUNKED"), ReadsAndCloses(&[200])),
        ("xchunked", te("Transfer-Encoding: xchunked"), Refused),
        ("chunked in quotes", te("Transfer-Encoding: \"chunked\""), Refused),
        ("chunked with a parameter", te("Transfer-Encoding: chunked;q=1"), Refused),
        ("chunked twice in one field", te("Transfer-Encoding: chunked, chunked"), Refused),
        ("chunked in two fields", te("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), Refused),
        ("chunked, then something", te("Transfer-Encoding: chunked\r\nTransfer-Encoding: x"), Refused),
        ("something, then chunked", te("Transfer-Encoding: x\r\nTransfer-Encoding: chunked"), Refused),
        ("chunked, identity", te("Transfer-Encoding: chunked, identity"), Refused),
        ("identity, chunked", te("Transfer-Encoding: identity, chunked"), Refused),
        ("identity", te("Transfer-Encoding: identity\r\nContent-Length: 8"), Refused),
        ("gzip, chunked", te("Transfer-Encoding: gzip, chunked"), Refused),
        ("gzip", te("Transfer-Encoding: gzip"), Refused),
        ("an empty coding", te("Transfer-Encoding: \r\nContent-Length: 8"), Refused),
        ("a comma", te("Transfer-Encoding: chunked,"), Refused),
        ("a space before the colon", te("Transfer-Encoding : chunked"), Refused),
        ("a tab before the colon", te("Transfer-Encoding\t: chunked"), Refused),
        ("a vertical tab before the value", te("Transfer-Encoding:\x0bchunked"), Refused),
        ("a NUL behind the value", te("Transfer-Encoding: chunked\0"), Refused),
        ("a line that is folded", te("X: y\r\n Transfer-Encoding: chunked"), Refused),
        ("a value on the next line", te("Transfer-Encoding:\r\n chunked"), Refused),
        ("a name that looks like it", te("Transfer_Encoding: chunked"), Reads(&[200, 400])),
        ("chunks in HTTP/1.0", chunks("8\r\n_id=seen\r\n0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0"), Refused),
        ("an extension of a chunk", chunks("8;name=value;x\r\n_id=seen\r\n0;last\r\n\r\n"), ReadsAndCloses(&[200])),
        ("an extension with a line feed", chunks(&format!("8;a\nb\r\n_id=seen\r\n0\r\n\r\n{INNER}")), Refused),
        ("a size with a line feed alone", chunks(&format!("8\n_id=seen\r\n0\r\n\r\n{INNER}")), Refused),
        ("an extension of 100 KB", chunks(&format!("8;{}\r\n_id=seen\r\n0\r\n\r\n", "x".repeat(100_000))), Refused),
        ("a size with 0x", chunks(&format!("0x8\r\n_id=seen\r\n0\r\n\r\n{INNER}")), Refused),
        ("a size with a sign", chunks(&format!("+8\r\n_id=seen\r\n0\r\n\r\n{INNER}")), Refused),
        ("a size below nothing", chunks(&format!("-8\r\n_id=seen\r\n0\r\n\r\n{INNER}")), Refused),
        ("a size with an underscore", chunks(&format!("0_8\r\n_id=seen\r\n0\r\n\r\n{INNER}")), Refused),
        ("a size beyond numbers", chunks(&format!("FFFFFFFFFFFFFFFFF8\r\n_id=seen\r\n0\r\n\r\n{INNER}")), Refused),
        ("no size", chunks(&format!("\r\n_id=seen\r\n0\r\n\r\n{INNER}")), Refused),
        ("a chunk that is longer than it says", chunks(&format!("4\r\n_id=seen\r\n0\r\n\r\n{INNER}")), Refused),
        (
            "a trailer that claims a length",
            chunks("8\r\n_id=seen\r\n0\r\nContent-Length: 5\r\n\r\n"),
            ReadsAndCloses(&[200]),
        ),
        (
            "a trailer that claims a token",
            chunks("8\r\n_id=seen\r\n0\r\nAuthorization: Bearer x\r\nHost: b\r\n\r\n"),
            ReadsAndCloses(&[200]),
        ),
        (
            "a trailer of a megabyte",
            chunks(&format!("8\r\n_id=seen\r\n0\r\nX: {}\r\n\r\n", "x".repeat(1 << 20))),
            Refused,
        ),
    ]
}

fn heads() -> Vec<(&'static str, String, Expect)> {
    vec![
        ("a read", get("Host: a\r\n"), Reads(&[200])),
        ("no Host", get(""), Refused),
        ("two Hosts", get("Host: a\r\nHost: b\r\n"), Refused),
        ("one Host twice", get("Host: a\r\nHost: a\r\n"), Refused),
        ("a list of Hosts", get("Host: a, b\r\n"), Refused),
        ("a Host with a path", get("Host: a/fhir\r\n"), Refused),
        ("a Host with a user", get("Host: u@a\r\n"), Refused),
        ("a Host with a space", get("Host: a b\r\n"), Refused),
        ("a Host with a quote", get("Host: a\"><script>\r\n"), Refused),
        ("a space before the colon of Host", get("Host : a\r\n"), Refused),
        ("a Host that is folded", get("Host:\r\n a\r\n"), Refused),
        ("absolute form", line("GET http://a/fhir/Patient/seen HTTP/1.1"), Reads(&[200])),
        ("absolute form of another host", line("GET http://b/fhir/Patient/seen HTTP/1.1"), Refused),
        ("absolute form with a user", line("GET http://u@a/fhir/Patient/seen HTTP/1.1"), Refused),
        ("absolute form with a user like a host", line("GET http://a@b/fhir/Patient/seen HTTP/1.1"), Refused),
        ("absolute form of another scheme", line("GET file:///etc/passwd HTTP/1.1"), Refused),
        ("authority form", line("CONNECT a:443 HTTP/1.1"), Refused),
        ("a read of an authority", line("GET a:443 HTTP/1.1"), Refused),
        ("asterisk form", line("OPTIONS * HTTP/1.1"), Refused),
        ("a read of everything", line("GET * HTTP/1.1"), Refused),
        ("two slashes", line("GET //fhir/Patient/seen HTTP/1.1"), Refused),
        ("two slashes and a host", line("GET //b/fhir/Patient/seen HTTP/1.1"), Refused),
        ("dots", line("GET /console/../fhir/Patient/seen HTTP/1.1"), Refused),
        ("escaped dots", line("GET /console/%2e%2e/fhir/Patient/seen HTTP/1.1"), Refused),
        ("a dot", line("GET /fhir/./Patient/seen HTTP/1.1"), Refused),
        ("an escaped slash", line("GET /fhir%2FPatient%2Fseen HTTP/1.1"), Refused),
        ("an escaped slash in an id", line("GET /fhir/Patient/x%2F..%2Fseen HTTP/1.1"), Refused),
        ("a backslash", line("GET /fhir\\Patient\\seen HTTP/1.1"), Refused),
        ("a parameter of a segment", line("GET /fhir/Patient/seen;x=y HTTP/1.1"), Refused),
        ("an escaped NUL", line("GET /fhir/Patient/seen%00 HTTP/1.1"), Refused),
        ("a NUL", line("GET /fhir/Patient/seen\0 HTTP/1.1"), Refused),
        ("an escaped line end", line("GET /fhir/Patient/seen%0d%0aX:y HTTP/1.1"), Refused),
        ("capitals in the path", line("GET /FHIR/Patient/seen HTTP/1.1"), Refused),
        ("a fragment", line("GET /fhir/Patient/seen#x HTTP/1.1"), Reads(&[200])),
        ("two spaces", line("GET  /fhir/Patient/seen HTTP/1.1"), Refused),
        ("tabs", line("GET\t/fhir/Patient/seen\tHTTP/1.1"), Refused),
        ("a space behind the version", line("GET /fhir/Patient/seen HTTP/1.1 "), Refused),
        ("a space in the path", line("GET /fhir/Patient/seen x HTTP/1.1"), Refused),
        ("no version", line("GET /fhir/Patient/seen"), Refused),
        ("the version in small letters", line("GET /fhir/Patient/seen http/1.1"), Refused),
        ("HTTP/1.2", line("GET /fhir/Patient/seen HTTP/1.2"), Refused),
        ("HTTP/1.10", line("GET /fhir/Patient/seen HTTP/1.10"), Refused),
        ("HTTP/2.0", line("GET /fhir/Patient/seen HTTP/2.0"), Refused),
        ("HTTP/0.9", "GET /fhir/Patient/seen\r\n".to_owned(), Refused),
        ("HTTP/1.0", line("GET /fhir/Patient/seen HTTP/1.0"), ReadsAndCloses(&[200])),
        ("a method in small letters", line("get /fhir/Patient/seen HTTP/1.1"), Refused),
        ("a method with a colon", line("GET: /fhir/Patient/seen HTTP/1.1"), Refused),
        ("a TLS hello", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00".to_owned(), Refused),
    ]
}

fn fields() -> Vec<(&'static str, String, Expect)> {
    let field = |field: &str| get(&format!("Host: a\r\n{field}\r\n"));
    vec![
        ("a name with a space", field("X Y: z"), Refused),
        ("no name", field(": z"), Refused),
        ("no colon", field("XYZ"), Refused),
        ("a name with a NUL", field("X\0: z"), Refused),
        ("a name beyond ASCII", field("X\u{e4}: z"), Refused),
        ("a value with a NUL", field("X: a\0b"), Refused),
        ("a value with a carriage return", field("X: a\rAuthorization: Bearer x"), Refused),
        ("a value with a bell", field("X: a\x07b"), Refused),
        ("a folded value", field("X: a\r\n b"), Refused),
        ("a folded value with a tab", field("X: a\r\n\tb"), Refused),
        (
            "hop-by-hop names of what matters",
            field("Connection: close, Authorization, Content-Length"),
            ReadsAndCloses(&[200]),
        ),
        (
            "an upgrade to h2c",
            field("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__"),
            Reads(&[200]),
        ),
        (
            "an upgrade to a socket",
            field("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAA"),
            Reads(&[200]),
        ),
        ("an expectation nobody has", post("Content-Length: 8\r\nExpect: 200-ok\r\n", "_id=seen"), Reads(&[200])),
        ("a field of 100 KB", field(&format!("X: {}", "x".repeat(100_000))), Refused),
        ("a thousand fields", field(&"X: y\r\n".repeat(1000)), Refused),
        ("a path of 100 KB", line(&format!("GET /fhir/Patient/{} HTTP/1.1", "x".repeat(100_000))), Refused),
        // Lines that end in a line feed alone (RFC 9112, section 2.2): a reader may take them for lines, and this one does;
        // what must not be is that they end a head for one reader and not for the next.
        ("line feeds alone", get("Host: a\r\n").replace("\r\n", "\n"), Reads(&[200])),
        (
            "a line feed before a length",
            post("X: y\nContent-Length: 8\r\n", &format!("_id=seen{INNER}")),
            Reads(&[200, 200]),
        ),
        ("a carriage return alone between fields", get("Host: a\rX: y\r\n"), Refused),
        ("a line end before the request", format!("\r\n{}", get("Host: a\r\n")), Reads(&[200])),
        ("two tokens", field("Authorization: Bearer x"), Refused),
        (
            "two kinds of content",
            post("Content-Type: application/fhir+json\r\nContent-Length: 8\r\n", &format!("_id=seen{INNER}")),
            Refused,
        ),
    ]
}

#[track_caller]
fn check(address: SocketAddr, name: &str, request: &str, token: &str, expect: Expect) {
    // A vertical tab, a NUL and the like stand in the text as they are; nothing is escaped on the way.
    let bytes = request.replace("{}", token).into_bytes();
    let heard = raw::send(address, &bytes);
    let statuses = heard.statuses();
    let said = || format!("{name}: {statuses:?}, closed: {}\n{}", heard.closed, String::from_utf8_lossy(&heard.bytes));
    match expect {
        Refused => {
            assert!(statuses.len() <= 1 && statuses.iter().all(|status| (400..=505).contains(status)), "{}", said());
            assert!(!statuses.is_empty() || heard.closed, "neither answered nor closed: {}", said());
        }
        Reads(expected) => assert_eq!(statuses, expected, "{}", said()),
        ReadsAndCloses(expected) => {
            assert_eq!(statuses, expected, "{}", said());
            assert!(heard.closed, "{}", said());
        }
    }
}

#[test]
fn a_hundred_and_thirty_requests_are_read_in_one_way_or_not_at_all() {
    let site = site();
    let address = site.gateway.http.unwrap();
    let all: Vec<_> = [lengths(), codings(), heads(), fields()].concat();
    assert!(all.len() >= 130, "{}", all.len());
    for (name, request, expect) in &all {
        check(address, name, request, &site.clinician, *expect);
    }
    // Arriving byte by byte they are the same requests.
    for (name, request, expect) in lengths().into_iter().take(8) {
        let bytes = request.replace("{}", &site.clinician).into_bytes();
        let parts: Vec<&[u8]> = bytes.chunks(bytes.len().div_ceil(7)).collect();
        let statuses = raw::send_in_parts(address, &parts).statuses();
        match expect {
            Reads(expected) | ReadsAndCloses(expected) => assert_eq!(statuses, expected, "{name} in parts"),
            Refused => assert!(statuses.len() <= 1 && statuses.iter().all(|status| *status >= 400), "{name} in parts"),
        }
    }
    site.still_works();
}

/// One request of HTTP/2 by frames; whether the first answer is 200.
fn h2(address: SocketAddr, fields: &[(&str, &str)], body: Option<&[u8]>) -> bool {
    let mut block = Vec::new();
    for (name, value) in fields {
        // RFC 7541, section 6.2.2: a literal that is not indexed, without Huffman.
        block.push(0);
        for text in [name, value] {
            let length = text.len();
            if length < 127 {
                block.push(u8::try_from(length).unwrap());
            } else {
                block.push(127);
                let mut rest = length - 127;
                while rest >= 128 {
                    block.push(u8::try_from(rest % 128).unwrap() | 128);
                    rest /= 128;
                }
                block.push(u8::try_from(rest).unwrap());
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    };
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes.extend(frame(1, if body.is_some() { 4 } else { 5 }, 1, &block));
    if let Some(body) = body {
        bytes.extend(frame(0, 1, 1, body));
    }
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    stream.write_all(&bytes).unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 16384];
    while let Ok(count) = stream.read(&mut buffer) {
        if count == 0 {
            break;
        }
        heard.extend_from_slice(&buffer[..count]);
    }
    let mut rest = heard.as_slice();
    while rest.len() >= 9 {
        let length = usize::try_from(u32::from_be_bytes([0, rest[0], rest[1], rest[2]])).unwrap();
        let (kind, stream) = (rest[3], u32::from_be_bytes([rest[5], rest[6], rest[7], rest[8]]));
        if kind == 1 && stream == 1 {
            // Static table, index 8: `:status: 200`.
            return rest.get(9) == Some(&0x88);
        }
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    false
}

#[test]
fn pseudo_fields_of_http_2_are_what_they_must_be() {
    let site = site();
    let address = site.gateway.http.unwrap();
    let bearer = format!("Bearer {}", site.clinician);
    let base = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/fhir/Patient/seen"),
        ("authorization", bearer.as_str()),
    ];
    assert!(h2(address, &base, None), "a good one is answered");
    let more = |field: (&'static str, &'static str)| [&base[..], &[field]].concat();
    let without = |name: &str| base.iter().copied().filter(|(known, _)| *known != name).collect::<Vec<_>>();
    let instead = |name: &str, value: &'static str| {
        base.iter().map(|(known, old)| (*known, if *known == name { value } else { *old })).collect::<Vec<_>>()
    };
    let refused: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("no method", without(":method")),
        ("no path", without(":path")),
        ("no token", without("authorization")),
        ("an empty path", instead(":path", "")),
        ("a path without a slash", instead(":path", "fhir/Patient/seen")),
        ("a path with a space", instead(":path", "/fhir/Patient/seen HTTP/1.1")),
        ("a path with a line end", instead(":path", "/fhir/Patient/seen\r\nX: y")),
        ("an authority with a user", instead(":authority", "u@a")),
        ("an authority with a path", instead(":authority", "a/x")),
        ("an authority with a line end", instead(":authority", "a\r\nX: y")),
        ("a method with a space", instead(":method", "GET /x")),
        ("two paths", more((":path", "/fhir/Patient/seen"))),
        ("two authorities", more((":authority", "b"))),
        ("a pseudo field nobody knows", [&[(":purpose", "BTG")], &base[..]].concat()),
        ("an answer's pseudo field", [&[(":status", "200")], &base[..]].concat()),
        ("a name in capitals", more(("X-Y", "z"))),
        ("a name with a space", more(("x y", "z"))),
        ("a name with a line end", more(("x\r\ny", "z"))),
        ("a value with a line end", more(("x", "a\r\nauthorization: Bearer x"))),
        ("a value with a NUL", more(("x", "a\0b"))),
        ("a coding", more(("transfer-encoding", "chunked"))),
        ("a connection", more(("connection", "close"))),
        ("an upgrade", more(("upgrade", "h2c"))),
        ("a Host that is another", more(("host", "b"))),
        ("two tokens", more(("authorization", "Bearer x"))),
        ("a length without a body", more(("content-length", "8"))),
    ];
    for (name, fields) in &refused {
        assert!(!h2(address, fields, None), "{name}");
    }
    let form = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/fhir/Patient/_search"),
        ("authorization", bearer.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    assert!(h2(address, &form, Some(b"_id=seen")));
    for length in ["4", "9", "8,8", "-8"] {
        assert!(!h2(address, &[&form[..], &[("content-length", length)]].concat(), Some(b"_id=seen")), "{length}");
    }
    site.still_works();
}

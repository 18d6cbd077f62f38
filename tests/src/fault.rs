//! A faulty gateway: a proxy before the real one that plants one fault in what goes through.
//!
//! It shows that the conformance suites find what they are for. It is part of the tests and of nothing else.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::http;

/// A request or an answer, whole.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// `GET`, `POST` …; empty in an answer.
    pub method: String,
    /// Path and query; empty in an answer.
    pub path: String,
    /// The status; 0 in a request.
    pub status: u16,
    /// Names in lower case, with their values; lengths are the proxy's own affair.
    pub headers: Vec<(String, String)>,
    /// The body; what is no text stands as [`bytes`](Self::bytes) gives it, unless the body is changed.
    pub body: String,
    /// The body as it came; see [`bytes`](Self::bytes).
    pub original: Vec<u8>,
}

impl Message {
    /// An answer with a body of FHIR JSON.
    #[must_use]
    pub fn answer(status: u16, body: &str) -> Self {
        let headers = vec![("content-type".to_owned(), "application/fhir+json".to_owned())];
        Self { status, headers, body: body.to_owned(), ..Self::default() }
    }

    fn take_body(&mut self, bytes: &[u8]) {
        self.body = String::from_utf8_lossy(bytes).into_owned();
        self.original = bytes.to_vec();
    }

    /// The body as it goes over the wire: as it came, or as a fault has made it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        if String::from_utf8_lossy(&self.original) == self.body { &self.original } else { self.body.as_bytes() }
    }

    /// Replaces the body by bytes that need not be text.
    pub fn set_bytes(&mut self, bytes: &[u8]) {
        self.take_body(bytes);
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Sets a header, or takes it away with an empty value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Whether it is a request of this method whose path holds the text.
    #[must_use]
    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

/// What the proxy does with an exchange: gives the answer, asking the gateway as often as it likes.
pub type Fault = dyn Fn(Message, &mut dyn FnMut(&Message) -> Message) -> Message + Send + Sync;

/// What the proxy does with an HL7 v2 message: gives the bytes to answer with, asking the gateway as often as it likes.
pub type MllpFault = dyn Fn(&str, &mut dyn FnMut(&str) -> String) -> Vec<u8> + Send + Sync;

/// A running proxy; dropping it ends it.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

impl Proxy {
    /// An HTTP proxy before this address.
    ///
    /// # Panics
    /// If no port is to be had.
    #[must_use]
    pub fn http(upstream: SocketAddr, fault: Arc<Fault>) -> Self {
        Self::start(move |stream| {
            let _ = serve_http(stream, upstream, &*fault);
        })
    }

    /// An MLLP proxy before this address.
    ///
    /// # Panics
    /// If no port is to be had.
    #[must_use]
    pub fn mllp(upstream: SocketAddr, fault: Arc<MllpFault>) -> Self {
        Self::start(move |stream| {
            let _ = serve_mllp(stream, upstream, &*fault);
        })
    }

    fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, serve) = (Arc::clone(&stop), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let serve = Arc::clone(&serve);
                // Each ends with its connection; the client of a suite closes all of its own.
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { address, stop }
    }
}

fn serve_http(mut stream: TcpStream, upstream: SocketAddr, fault: &Fault) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut bytes)? {
        let mut failed = None;
        let answer = fault(request, &mut |message| match forward(upstream, message) {
            Ok(answer) => answer,
            Err(error) => {
                failed = Some(error);
                Message::default()
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if answer.status == 0 {
            // The fault is that there is no answer.
            return stream.shutdown(Shutdown::Both);
        }
        let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
        for (name, value) in &answer.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if answer.status != 304 && answer.status != 204 {
            head.push_str(&format!("content-length: {}\r\n", answer.bytes().len()));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        if answer.status != 304 && answer.status != 204 {
            stream.write_all(answer.bytes())?;
        }
    }
    Ok(())
}

fn read_request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<Option<Message>> {
    let mut buffer = [0_u8; 16384];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
            let mut lines = head.split("\r\n");
            let mut words = lines.next().unwrap_or_default().split(' ');
            let mut message = Message {
                method: words.next().unwrap_or_default().to_owned(),
                path: words.next().unwrap_or_default().to_owned(),
                headers: http::headers(lines),
                ..Message::default()
            };
            let length = message.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0_usize);
            let whole = end.saturating_add(4).saturating_add(length);
            if bytes.len() >= whole {
                message.take_body(bytes.get(end + 4..whole).unwrap_or_default());
                message.set("content-length", "");
                bytes.drain(..whole);
                return Ok(Some(message));
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        }
    }
}

fn forward(upstream: SocketAddr, request: &Message) -> io::Result<Message> {
    let mut stream = TcpStream::connect(upstream)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut text = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", request.method, request.path);
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "connection") {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", request.bytes().len()));
    stream.write_all(text.as_bytes())?;
    stream.write_all(request.bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let answer = http::parse(&bytes).ok_or(io::ErrorKind::InvalidData)?;
    let mut message = Message { status: answer.status, headers: answer.headers, ..Message::default() };
    message.take_body(&answer.body);
    for name in ["content-length", "transfer-encoding", "connection"] {
        message.set(name, "");
    }
    Ok(message)
}

fn serve_mllp(mut stream: TcpStream, upstream: SocketAddr, fault: &MllpFault) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut bytes = Vec::new();
    let mut buffer = [0_u8; 16384];
    loop {
        let end = bytes.windows(2).position(|pair: &[u8]| pair == [0x1C, 0x0D]);
        if let Some(end) = end {
            let frame: Vec<u8> = bytes.drain(..end + 2).collect();
            let start = frame.iter().position(|byte| *byte == 0x0B).map_or(0, |at| at + 1);
            let message = String::from_utf8_lossy(frame.get(start..end).unwrap_or_default()).into_owned();
            let answer = fault(&message, &mut |message| {
                let connection = crate::mllp::Mllp::connect(upstream);
                connection.and_then(|mut connection| connection.send(message)).unwrap_or_default()
            });
            stream.write_all(&answer)?;
            continue;
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            read => bytes.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// An MLLP frame around a text.
#[must_use]
pub fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x0B];
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(&[0x1C, 0x0D]);
    bytes
}

//! A plain HTTP/1.1 client for loopback: one request a connection, so that nothing hides between two of them.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::canary;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header names in lower case with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// A client for one address, with or without a token.
#[derive(Debug, Clone)]
pub struct Http {
    address: SocketAddr,
    token: Option<String>,
}

impl Http {
    /// Without a token.
    #[must_use]
    pub fn to(address: SocketAddr) -> Self {
        Self { address, token: None }
    }

    /// With a token.
    #[must_use]
    pub fn with(&self, token: &str) -> Self {
        Self { address: self.address, token: Some(token.to_owned()) }
    }

    /// GET.
    ///
    /// # Panics
    /// If there is no answer.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// POST of JSON.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("Content-Type", "application/fhir+json")], body.to_string().as_bytes())
    }

    /// PUT of a resource to its own address.
    ///
    /// # Panics
    /// Unless it is taken.
    #[track_caller]
    pub fn store(&self, resource: &Value) -> Answer {
        let name = |member: &str| resource.get(member).and_then(Value::as_str).unwrap_or_default();
        let path = format!("/fhir/{}/{}", name("resourceType"), name("id"));
        let answer = self.put(&path, resource);
        assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text());
        answer
    }

    /// PUT of JSON.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[("Content-Type", "application/fhir+json")], body.to_string().as_bytes())
    }

    /// Any request.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body).expect("an answer")
    }

    /// Any request.
    ///
    /// # Errors
    /// What the system says, or `InvalidData` if the answer is no HTTP.
    pub fn try_send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if let Some(token) = &self.token {
            request.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method != "GET" {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes())?;
        stream.write_all(body)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let answer = parse(&bytes).ok_or(io::ErrorKind::InvalidData)?;
        keeps_names_to_itself(&answer, &request, body);
        Ok(answer)
    }
}

/// A refusal holds no name of a patient but one that was asked for by it: every refusal that any test gets is looked at.
fn keeps_names_to_itself(answer: &Answer, request: &str, body: &[u8]) {
    if answer.status < 400 {
        return;
    }
    let asked = format!("{request}{}", String::from_utf8_lossy(body)).to_lowercase();
    let said = format!("{:?}{}", answer.headers, answer.text()).to_lowercase();
    let name = canary::NAMES.iter().map(|name| name.to_lowercase()).find(|name| said.contains(name));
    if let Some(name) = name.filter(|name| !asked.contains(name)) {
        let first = request.lines().next().unwrap_or_default();
        panic!("{first}: {} holds {name}", answer.status);
    }
}

/// Header lines with names in lower case.
pub(crate) fn headers<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<(String, String)> {
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

pub(crate) fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = headers(lines);
    let rest = bytes.get(end + 4..)?;
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value.contains("chunked"));
    let body = if chunked { dechunk(rest)? } else { rest.to_vec() };
    Some(Answer { status, headers, body })
}

fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..end)?).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        rest = rest.get(end + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

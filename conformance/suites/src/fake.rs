//! A server of the tests' own: answers what a closure says, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the fake was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What it answers: status, headers, body.
pub(crate) type Reply = (u16, Vec<(&'static str, String)>, String);

pub(crate) fn json(status: u16, body: &str) -> Reply {
    (status, vec![("Content-Type", "application/fhir+json".to_owned())], body.to_owned())
}

pub(crate) struct Fake {
    pub(crate) base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/fhir", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&kept)));
            }
        });
        Self { base, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve<A: Fn(&Asked) -> Reply>(mut stream: TcpStream, answer: Arc<A>, kept: Arc<Mutex<Vec<Asked>>>) {
    let mut bytes = Vec::new();
    loop {
        let Some(end) = bytes.windows(4).position(|four: &[u8]| four == b"\r\n\r\n") else {
            let mut buffer = [0_u8; 4096];
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            }
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let mut asked = Asked {
            method: words.next().unwrap_or_default().to_owned(),
            path: words.next().unwrap_or_default().to_owned(),
            headers: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            body: String::new(),
        };
        let length = asked.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0_usize);
        while bytes.len() < end + 4 + length {
            let mut buffer = [0_u8; 4096];
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            }
        }
        asked.body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
        bytes.drain(..end + 4 + length);
        let (status, headers, body) = answer(&asked);
        kept.lock().unwrap().push(asked);
        if status == 0 {
            // A server that never answers.
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
            return;
        }
        let mut reply = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            reply.push_str(&format!("{name}: {value}\r\n"));
        }
        reply.push_str("\r\n");
        reply.push_str(&body);
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A validator that knows every profile but one called `unknown`, and finds a resource without `active` wrong.
pub(crate) struct Judge;

impl crate::context::Validate for Judge {
    fn knows(&self, profile: &str) -> bool {
        !profile.contains("unknown")
    }

    fn issues(&self, resource: &model::json::Json, _: &[String]) -> Vec<model::outcome::Issue> {
        let patient = resource.text_at(&["resourceType"]) == Some("Patient");
        match resource.get("active") {
            None if patient => {
                vec![model::outcome::Issue::error("required", "expected an element").at("Patient.active")]
            }
            _ => Vec::new(),
        }
    }
}

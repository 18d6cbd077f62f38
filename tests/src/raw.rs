//! Bytes on a socket as they are, for requests that no client would write.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::http::{Answer, headers};

/// How long nothing may come before the other side is taken to be done.
const SILENCE: Duration = Duration::from_millis(700);

/// What came back on one connection.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the other side closed the connection.
    pub closed: bool,
}

impl Heard {
    /// The answers, one after the other, as a client would read them.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        let (mut answers, mut rest) = (Vec::new(), self.bytes.as_slice());
        while let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
            let mut lines = head.split("\r\n");
            let first = lines.next().unwrap_or_default();
            let Some(status) = first.split(' ').nth(1).and_then(|status| status.parse().ok()) else { break };
            let headers = headers(lines);
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
            let length = if status < 200 { 0 } else { length };
            let after = end + 4;
            let body = rest.get(after..after + length).unwrap_or_default().to_vec();
            rest = rest.get(after + length..).unwrap_or_default();
            answers.push(Answer { status, headers, body });
        }
        answers
    }

    /// The statuses of the answers; 100 (Continue) is none.
    #[must_use]
    pub fn statuses(&self) -> Vec<u16> {
        self.answers().iter().map(|answer| answer.status).filter(|status| *status >= 200).collect()
    }
}

/// Sends bytes over one connection and listens until it is closed or silent.
///
/// # Panics
/// If nobody listens there.
#[must_use]
pub fn send(address: SocketAddr, bytes: &[u8]) -> Heard {
    send_in_parts(address, &[bytes])
}

/// The same, with a pause between the parts.
///
/// # Panics
/// If nobody listens there.
#[must_use]
pub fn send_in_parts(address: SocketAddr, parts: &[&[u8]]) -> Heard {
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    stream.set_read_timeout(Some(SILENCE)).expect("a time limit can be set");
    stream.set_write_timeout(Some(Duration::from_secs(30))).expect("a time limit can be set");
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            std::thread::sleep(Duration::from_millis(50));
        }
        // Refused before it was all sent: what was answered is still there to be read.
        if stream.write_all(part).is_err() {
            break;
        }
    }
    let mut heard = Heard::default();
    let mut buffer = [0_u8; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => {
                heard.closed = true;
                return heard;
            }
            Ok(count) => heard.bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) => {
                heard.closed = !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                return heard;
            }
        }
    }
}

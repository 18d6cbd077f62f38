//! An MLLP client: one connection, one message at a time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection to an MLLP listener.
pub struct Mllp {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Mllp {
    /// Connects.
    ///
    /// # Errors
    /// What the system says.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, rest: Vec::new() })
    }

    /// Sends a message and waits for one answer.
    ///
    /// # Errors
    /// What the system says; `UnexpectedEof` if the connection ends before the answer does.
    pub fn send(&mut self, message: &str) -> io::Result<String> {
        let mut frame = vec![0x0B];
        frame.extend_from_slice(message.as_bytes());
        frame.extend_from_slice(&[0x1C, 0x0D]);
        self.send_raw(&frame)?;
        self.answer()
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// What the system says.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Waits for one answer.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn answer(&mut self) -> io::Result<String> {
        let mut buffer = [0_u8; 8192];
        loop {
            if let Some(end) = self.rest.windows(2).position(|pair| pair == [0x1C, 0x0D]) {
                let frame: Vec<u8> = self.rest.drain(..end + 2).collect();
                let content = frame.get(1..end).unwrap_or_default();
                return Ok(String::from_utf8_lossy(content).into_owned());
            }
            let read = self.stream.read(&mut buffer)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.rest.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
    }
}

/// A field of the first segment of that name in a message or acknowledgement; empty if there is none.
#[must_use]
pub fn field<'a>(message: &'a str, segment: &str, number: usize) -> &'a str {
    let line = message.split(['\r', '\n']).find(|line| line.starts_with(segment)).unwrap_or_default();
    // In MSH the field separator is the first field.
    let index = if segment == "MSH" { number.saturating_sub(1) } else { number };
    line.split('|').nth(index).unwrap_or_default()
}

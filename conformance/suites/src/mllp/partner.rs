//! The suite's own receiver: takes what the system under test forwards, and accepts all of it.

use std::sync::{Arc, Mutex, PoisonError};

use formats::hl7v2::{AckCode, Acknowledgement, Message, Origin, ack};
use formats::mllp::{Decoder, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Largest message that is taken.
const MESSAGE_LIMIT_BYTES: usize = 64 << 20;

/// As many messages are kept; a suite that forwards more has to count fewer.
const KEPT_MESSAGES: usize = 10_000;

type Received = Arc<Mutex<Vec<Vec<u8>>>>;

/// A listener; it ends when dropped.
pub(crate) struct Partner {
    received: Received,
    task: JoinHandle<()>,
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Partner {
    /// Listens on `host:port`.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn listen(address: &str) -> Result<Self, String> {
        let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
        let received = Received::default();
        let taking = Arc::clone(&received);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                // Done connections are let go, so that a long run keeps none.
                while connections.try_join_next().is_some() {}
                connections.spawn(serve(stream, Arc::clone(&taking)));
            }
        });
        Ok(Self { received, task })
    }

    /// How many messages contain all of these texts.
    pub(crate) fn count(&self, texts: &[String]) -> usize {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.iter().filter(|message| texts.iter().all(|text| contains(message, text.as_bytes()))).count()
    }
}

fn contains(message: &[u8], text: &[u8]) -> bool {
    text.is_empty() || message.windows(text.len()).any(|window| window == text)
}

async fn serve(mut stream: TcpStream, received: Received) {
    let mut decoder = Decoder::new(MESSAGE_LIMIT_BYTES);
    let mut buffer = vec![0_u8; 64 << 10];
    let mut number = 0_u64;
    loop {
        while let Some(frame) = decoder.next() {
            let Ok(message) = frame else { return };
            number += 1;
            let answer = accept(&message, number);
            {
                let mut kept = received.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() < KEPT_MESSAGES {
                    kept.push(message);
                }
            }
            if stream.write_all(&encode(&answer)).await.is_err() {
                return;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(length) if length > 0 => decoder.push(buffer.get(..length).unwrap_or_default()),
            _ => return,
        }
    }
}

fn accept(message: &[u8], number: u64) -> Vec<u8> {
    let origin = match Message::parse(message) {
        Ok(parsed) => Origin::of(&parsed.message),
        Err(_) => Origin::guess(message),
    };
    let control_id = format!("P{number}");
    let code = AckCode::ApplicationAccept;
    ack(&origin, &Acknowledgement { code, control_id: &control_id, time: "", text: "", errors: &[] })
}

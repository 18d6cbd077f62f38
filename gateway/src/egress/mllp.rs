//! A partner's MLLP listener: one message at a time, its answer found by control id, and what comes later handed on.
//!
//! HL7 v2.8.2 chapter 2, "Message processing rules", original and enhanced mode.

use std::collections::VecDeque;
use std::sync::Arc;

use formats::mllp::{Decoder, encode};
use model::time::Clock;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::fhir::{connect, secure};
use super::send::{ANSWER_LIMIT_BYTES, Failure, Outgoing, Sent};
use crate::config::{DestinationMllp, PeerAddress};
use crate::ingress::mllp::{Answered, answered, commit_accept, keep_alive};

/// Control ids remembered of what was sent: a late answer to one of them is no answer to the next message.
const RECENT: usize = 64;

/// An application acknowledgement that came when nobody waited for it.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) control_id: String,
    pub(crate) code: String,
}

/// A client of one listener; its connection stays open between messages, as partners of this kind expect.
pub(crate) struct Client {
    address: PeerAddress,
    tls: Option<Arc<ClientConfig>>,
    conversation: DestinationMllp,
    heard: mpsc::Sender<Heard>,
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    connection: Option<mpsc::Sender<Order>>,
    recent: VecDeque<String>,
}

/// A message to send and where its answer goes.
struct Order {
    outgoing: Outgoing,
    recent: Vec<String>,
    answer: oneshot::Sender<Result<Sent, Failure>>,
}

impl Client {
    pub(crate) fn new(
        address: &PeerAddress,
        tls: Option<Arc<ClientConfig>>,
        conversation: DestinationMllp,
        heard: mpsc::Sender<Heard>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { address: address.clone(), tls, conversation, heard, clock, kept: Mutex::default() }
    }

    /// Sends once, on the kept connection if it still lives. Dropping the future ends the connection, so that no late
    /// answer can be taken for the answer to the next message.
    pub(crate) async fn send(&self, outgoing: Outgoing) -> Result<Sent, Failure> {
        let (kept, recent) = {
            let mut kept = self.kept.lock().await;
            let recent: Vec<String> = kept.recent.iter().cloned().collect();
            if kept.recent.len() >= RECENT {
                kept.recent.pop_front();
            }
            kept.recent.push_back(outgoing.control_id.clone());
            // A connection reads all the time: one that the partner has closed is known before anything is sent on it.
            (kept.connection.take().filter(|connection| !connection.is_closed()), recent)
        };
        let reused = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut answer = ask(&connection, &outgoing, &recent).await;
        if reused && matches!(answer, Err(Failure::Broken)) {
            // The partner closed it in this moment. The message goes again with the same control id, by which the partner
            // can tell a repeat.
            connection = self.connect().await?;
            answer = ask(&connection, &outgoing, &recent).await;
        }
        if matches!(answer, Ok(_) | Err(Failure::NotNow(_) | Failure::Refused(_))) {
            self.kept.lock().await.connection = Some(connection);
        }
        answer
    }

    async fn connect(&self) -> Result<mpsc::Sender<Order>, Failure> {
        let stream = connect(&self.address).await?;
        keep_alive(&stream, self.conversation.keepalive);
        let (sender, orders) = mpsc::channel(1);
        let wire = Wire {
            orders,
            heard: self.heard.clone(),
            clock: self.clock.clone(),
            decoder: Decoder::new(ANSWER_LIMIT_BYTES),
        };
        // Owned by the sender of its orders: it ends as soon as that is dropped.
        match &self.tls {
            None => tokio::spawn(wire.run(stream)),
            Some(config) => tokio::spawn(wire.run(secure(stream, &self.address, config).await?)),
        };
        Ok(sender)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

async fn ask(connection: &mpsc::Sender<Order>, outgoing: &Outgoing, recent: &[String]) -> Result<Sent, Failure> {
    let (answer, answered) = oneshot::channel();
    let order = Order { outgoing: outgoing.clone(), recent: recent.to_vec(), answer };
    connection.send(order).await.map_err(|_| Failure::Broken)?;
    answered.await.unwrap_or(Err(Failure::Broken))
}

/// One connection, read for as long as it lives.
struct Wire {
    orders: mpsc::Receiver<Order>,
    heard: mpsc::Sender<Heard>,
    clock: Arc<dyn Clock>,
    decoder: Decoder,
}

/// Why a connection is not used any more.
enum Over {
    Closed,
    /// It carries something else than answers.
    Garbage(&'static str),
}

impl Wire {
    async fn run<S>(mut self, mut stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut buffer = vec![0; 4096];
        loop {
            // Also what came in one packet with the last answer.
            if self.drain(&mut stream).await.is_err() {
                return;
            }
            let order = tokio::select! {
                order = self.orders.recv() => order,
                read = stream.read(&mut buffer) => {
                    match read {
                        Ok(0) | Err(_) => return,
                        Ok(count) => self.decoder.push(buffer.get(..count).unwrap_or_default()),
                    }
                    continue;
                }
            };
            let Some(Order { outgoing, recent, mut answer }) = order else { return };
            let answered = tokio::select! {
                // Whoever asked has given up: a late answer must find nobody.
                () = answer.closed() => return,
                answered = self.exchange(&mut stream, &outgoing, &recent) => answered,
            };
            let over = matches!(answered, Err(Failure::Broken | Failure::Garbage(_)));
            if over {
                // Closed before the answer is given: who asks next finds it closed.
                self.orders.close();
            }
            let _ = answer.send(answered);
            if over {
                return;
            }
        }
    }

    /// What comes while nothing is asked: application acknowledgements of earlier messages, and late answers.
    async fn drain<S>(&mut self, stream: &mut S) -> Result<(), Over>
    where
        S: AsyncWrite + Unpin + Send,
    {
        while let Some(frame) = self.decoder.next() {
            let frame = frame.map_err(|_| Over::Garbage("bytes that are no MLLP frame"))?;
            if let Some(answer) = answered(&frame) {
                self.hand_on(stream, &frame, answer).await?;
            }
        }
        Ok(())
    }

    async fn exchange<S>(&mut self, stream: &mut S, outgoing: &Outgoing, recent: &[String]) -> Result<Sent, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        write(stream, &outgoing.bytes).await.map_err(|_| Failure::Broken)?;
        let mut buffer = vec![0; 4096];
        loop {
            while let Some(frame) = self.decoder.next() {
                let frame = frame.map_err(|_| Failure::Garbage("bytes that are no MLLP frame"))?;
                let answer = answered(&frame).ok_or(Failure::Garbage("a message without MSA"))?;
                if answer.control_id == outgoing.control_id {
                    return judge(&answer.code);
                }
                if !recent.contains(&answer.control_id) && !answer.is_application() {
                    return Err(Failure::Garbage("an acknowledgement of another message"));
                }
                self.hand_on(stream, &frame, answer).await.map_err(|over| match over {
                    Over::Closed => Failure::Broken,
                    Over::Garbage(what) => Failure::Garbage(what),
                })?;
            }
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return Err(Failure::Broken),
                Ok(count) => self.decoder.push(buffer.get(..count).unwrap_or_default()),
            }
        }
    }

    /// Gives an application acknowledgement to whoever keeps account of them, and answers it if it asks for that.
    async fn hand_on<S>(&mut self, stream: &mut S, frame: &[u8], answer: Answered) -> Result<(), Over>
    where
        S: AsyncWrite + Unpin + Send,
    {
        if !answer.is_application() {
            return Ok(());
        }
        let accept = answer.wants_commit.then(|| commit_accept(frame, self.clock.now()));
        let heard = Heard { control_id: answer.control_id, code: answer.code };
        // Bounded: a partner that sends more than can be recorded is read more slowly.
        let _ = self.heard.send(heard).await;
        match accept {
            Some(accept) => write(stream, &accept).await.map_err(|_| Over::Closed),
            None => Ok(()),
        }
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, message: &[u8]) -> std::io::Result<()> {
    stream.write_all(&encode(message)).await?;
    stream.flush().await
}

/// What an acknowledgement means. HL7 v2.8.2 chapter 2, MSA-1 (table 0008).
fn judge(code: &str) -> Result<Sent, Failure> {
    match code {
        "AA" => Ok(Sent::Processed),
        "CA" => Ok(Sent::Accepted),
        // AE may pass: the partner's own system behind its interface may be down.
        "AE" | "CE" => Err(Failure::NotNow(code.to_owned())),
        "AR" | "CR" => Err(Failure::Refused(code.to_owned())),
        _ => Err(Failure::Garbage("an acknowledgement code that is none")),
    }
}

/// Bytes of a message with MSH-15 and MSH-16 set.
pub(super) fn asking(message: &[u8], accept: &str, application: &str) -> Vec<u8> {
    let Some(separator) = message.get(3).copied().filter(u8::is_ascii_punctuation) else {
        return message.to_vec();
    };
    let end = message.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(message.len());
    let (header, rest) = message.split_at_checked(end).unwrap_or((message, &[]));
    let mut fields: Vec<&[u8]> = header.split(|byte| *byte == separator).collect();
    // MSH-1 is the separator itself: MSH-n stands at n - 1.
    fields.resize(fields.len().max(16), b"");
    for (place, value) in [(14, accept), (15, application)] {
        if let Some(field) = fields.get_mut(place) {
            *field = value.as_bytes();
        }
    }
    let mut out = fields.join(&separator);
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests;

//! A partner's MLLP listener: one message, one acknowledgement.

use std::sync::Arc;

use formats::hl7v2::Message;
use formats::mllp::{Decoder, encode};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::client::TlsStream;

use super::fhir::{connect, secure};
use super::send::{ANSWER_LIMIT_BYTES, Failure, Outgoing};
use crate::config::PeerAddress;

/// A client of one listener; its connection stays open between messages, as partners of this kind expect.
#[derive(Debug)]
pub(super) struct Client {
    address: PeerAddress,
    tls: Option<Arc<ClientConfig>>,
    connection: Mutex<Option<Connection>>,
}

#[derive(Debug)]
enum Connection {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Client {
    pub(super) fn new(address: &PeerAddress, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { address: address.clone(), tls, connection: Mutex::new(None) }
    }

    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<(), Failure> {
        // Taken out: if this future is dropped half-way, the connection goes with it, and no late answer can be taken for
        // the answer to the next message.
        let kept = self.connection.lock().await.take();
        let reused = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut answer = exchange_on(&mut connection, &outgoing).await;
        if reused && matches!(answer, Err(Failure::Broken)) {
            // The partner closed it while it was idle: that is no failure of this message.
            connection = self.connect().await?;
            answer = exchange_on(&mut connection, &outgoing).await;
        }
        if matches!(answer, Ok(()) | Err(Failure::NotNow(_) | Failure::Refused(_))) {
            *self.connection.lock().await = Some(connection);
        }
        answer
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let stream = connect(&self.address).await?;
        match &self.tls {
            None => Ok(Connection::Plain(stream)),
            Some(config) => Ok(Connection::Secure(Box::new(secure(stream, &self.address, config).await?))),
        }
    }
}

async fn exchange_on(connection: &mut Connection, outgoing: &Outgoing) -> Result<(), Failure> {
    match connection {
        Connection::Plain(stream) => exchange(stream, outgoing).await,
        Connection::Secure(stream) => exchange(stream, outgoing).await,
    }
}

async fn exchange<S>(stream: &mut S, outgoing: &Outgoing) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    stream.write_all(&encode(&outgoing.bytes)).await.map_err(|_| Failure::Broken)?;
    stream.flush().await.map_err(|_| Failure::Broken)?;
    let mut decoder = Decoder::new(ANSWER_LIMIT_BYTES);
    let mut buffer = vec![0; 4096];
    loop {
        match decoder.next() {
            Some(Ok(frame)) => return judge(&frame, &outgoing.control_id),
            Some(Err(_)) => return Err(Failure::Garbage("bytes that are no MLLP frame")),
            None => {}
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return Err(Failure::Broken),
            Ok(count) => decoder.push(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// What an acknowledgement means. HL7 v2.8.2 chapter 2, MSA-1 (table 0008) and MSA-2.
fn judge(frame: &[u8], control_id: &str) -> Result<(), Failure> {
    let parsed = Message::parse(frame).map_err(|_| Failure::Garbage("a frame that is no HL7 v2"))?;
    let msa = parsed.message.segment("MSA").ok_or(Failure::Garbage("a message without MSA"))?;
    let answered = msa.field(2).raw().to_owned();
    if answered != control_id {
        return Err(Failure::Garbage("an acknowledgement of another message"));
    }
    match msa.field(1).raw() {
        "AA" | "CA" => Ok(()),
        // AE may pass: the partner's own system behind its interface may be down.
        code @ ("AE" | "CE") => Err(Failure::NotNow(code.to_owned())),
        code @ ("AR" | "CR") => Err(Failure::Refused(code.to_owned())),
        _ => Err(Failure::Garbage("an acknowledgement code that is none")),
    }
}

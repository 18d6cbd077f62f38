//! The sample partners: a clinic that takes FHIR transactions, an insurer that takes HL7 v2. They keep what they got in
//! memory, so that the demonstration can check what left the gateway and what did not.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use formats::hl7v2::{AckCode, Acknowledgement, Origin, ack};
use formats::mllp::{Decoder, encode};
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use model::json::{Json, Limits, parse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const MESSAGE_LIMIT_BYTES: usize = 16 << 20;

/// What a partner got, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Got(Arc<Mutex<Vec<Bytes>>>);

impl Got {
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The newest.
    pub(super) fn last(&self) -> Bytes {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last().cloned().unwrap_or_default()
    }

    fn add(&self, bytes: Bytes) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

/// A partner that listens until it is dropped.
#[derive(Debug)]
pub(super) struct Partner {
    pub(super) address: SocketAddr,
    pub(super) got: Got,
    listener: JoinHandle<()>,
}

impl Partner {
    /// A FHIR endpoint. FHIR R4 http.html, "batch/transaction".
    pub(super) async fn clinic() -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, got) = (socket.local_addr()?, Got::default());
        Ok(Self { address, listener: tokio::spawn(take_fhir(socket, got.clone())), got })
    }

    /// An MLLP listener.
    pub(super) async fn insurer() -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, got) = (socket.local_addr()?, Got::default());
        Ok(Self { address, listener: tokio::spawn(take_hl7(socket, got.clone())), got })
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn take_fhir(socket: TcpListener, got: Got) {
    while let Ok((stream, _)) = socket.accept().await {
        let got = got.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| transaction(request, got.clone()));
            // A connection that breaks is the sender's to tell: it tries again.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn transaction(request: Request<Incoming>, got: Got) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_post = request.method() == Method::POST && request.uri().path() == "/fhir";
    let body = match Limited::new(request.into_body(), MESSAGE_LIMIT_BYTES).collect().await {
        Ok(body) if is_post => body.to_bytes(),
        _ => Bytes::new(),
    };
    let is_transaction = parse(&body, &Limits::default()).is_ok_and(|json| {
        json.text_at(&["resourceType"]) == Some("Bundle") && json.text_at(&["type"]) == Some("transaction")
    });
    let (status, answer) = if is_transaction {
        got.add(body);
        let words = [("resourceType", "Bundle"), ("type", "transaction-response")];
        (StatusCode::OK, Json::object(words.map(|(name, word)| (name, Json::from(word)))))
    } else {
        (StatusCode::BAD_REQUEST, Json::object([("resourceType", Json::from("OperationOutcome"))]))
    };
    let mut response = Response::new(Full::from(answer.to_bytes()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/fhir+json"));
    Ok(response)
}

async fn take_hl7(socket: TcpListener, got: Got) {
    while let Ok((stream, _)) = socket.accept().await {
        tokio::spawn(acknowledge(stream, got.clone()));
    }
}

async fn acknowledge(mut stream: TcpStream, got: Got) {
    let mut decoder = Decoder::new(MESSAGE_LIMIT_BYTES);
    let mut buffer = vec![0; 4096];
    loop {
        while let Some(frame) = decoder.next() {
            let Ok(frame) = frame else { return };
            let accept = AckCode::ApplicationAccept;
            let acknowledgement = Acknowledgement { code: accept, control_id: "1", time: "", text: "", errors: &[] };
            let answer = encode(&ack(&Origin::guess(&frame), &acknowledgement));
            got.add(Bytes::from(frame));
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => decoder.push(buffer.get(..count).unwrap_or_default()),
        }
    }
}

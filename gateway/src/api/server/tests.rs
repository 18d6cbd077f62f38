//! The listener as a client meets it.

use bytes::Bytes;
use http_body_util::Full;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

use super::*;
use crate::tls;

const GET: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn echo()
-> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static {
    tower::service_fn(|request: Request<Incoming>| async move {
        let peer = request.extensions().get::<Peer>().unwrap().clone();
        let text = format!("secure={} certificate={}", peer.secure, peer.certificate.is_some());
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
    })
}

async fn start(tls: Option<Arc<ServerConfig>>) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), tls).await.unwrap();
    let address = listener.local_address().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        let _ = stopped.await;
    };
    let running = tokio::spawn(listener.run(echo(), stopped, Duration::from_secs(5)));
    (address, stop, running)
}

async fn exchange(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) -> String {
    stream.write_all(GET).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn speaks_tls_with_the_certificate_of_the_first_start() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = tls::self_signed(directory.path()).unwrap();
    let (address, _stop, _running) = start(Some(tls::server(&certificate, &key, None, &PROTOCOLS).unwrap())).await;
    let connector = TlsConnector::from(tls::client(Some(&certificate)).unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let answer = exchange(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("secure=true certificate=false"), "{answer}");
}

#[tokio::test]
async fn asks_for_a_client_certificate_where_authorities_are_set() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = tls::self_signed(directory.path()).unwrap();
    let config = tls::server(&certificate, &key, Some(&certificate), &PROTOCOLS).unwrap();
    let (address, _stop, _running) = start(Some(config)).await;
    let connector = TlsConnector::from(tls::client(Some(&certificate)).unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    let answer = match connector.connect(ServerName::try_from("localhost").unwrap(), stream).await {
        // In TLS 1.3 the client learns of the refusal when it first reads.
        Ok(stream) => exchange(stream).await,
        Err(_) => String::new(),
    };
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn ends_in_order_and_takes_nothing_more() {
    let (address, stop, running) = start(None).await;
    assert!(exchange(TcpStream::connect(address).await.unwrap()).await.contains("secure=false"));
    let idle = TcpStream::connect(address).await.unwrap();
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), running)
        .await
        .expect("an idle connection must not hold the end up")
        .unwrap();
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}

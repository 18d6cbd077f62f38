use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use model::time::SystemClock;
use tokio::net::{TcpListener, TcpStream};

use super::*;

const KEEPALIVE: Duration = Duration::from_secs(60);

fn client(address: SocketAddr) -> (Client, mpsc::Receiver<Heard>) {
    let (heard, later) = mpsc::channel(8);
    let address = PeerAddress { host: address.ip().to_string(), port: address.port(), tls: false, path: String::new() };
    (Client::new(&address, None, DestinationMllp::original(KEEPALIVE), heard, Arc::new(SystemClock)), later)
}

fn message(control_id: &str) -> Outgoing {
    let text = format!("MSH|^~\\&|A|B|C|D|1||ADT^A01|{control_id}|P|2.5.1\rPID|1\r");
    Outgoing { bytes: Bytes::from(text), control_id: control_id.to_owned() }
}

fn answer(code: &str, control_id: &str) -> Vec<u8> {
    encode(format!("MSH|^~\\&|C|D|A|B|1||ACK|X|P|2.5.1\rMSA|{code}|{control_id}\r").as_bytes())
}

/// The control id of the next message on a partner's side.
async fn next(stream: &mut TcpStream) -> Option<String> {
    let mut decoder = Decoder::new(1 << 20);
    let mut buffer = [0; 4096];
    loop {
        if let Some(frame) = decoder.next() {
            let text = String::from_utf8(frame.ok()?).ok()?;
            return text.split('|').nth(9).map(str::to_owned);
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => decoder.push(&buffer[..count]),
        }
    }
}

#[test]
fn msh_15_and_16_are_written_in_the_delimiters_of_the_message() {
    let asked = |text: &str| String::from_utf8(asking(text.as_bytes(), "AL", "NE")).unwrap();
    assert_eq!(asked("MSH|^~\\&|A\rPID|1\r"), "MSH|^~\\&|A||||||||||||AL|NE\rPID|1\r");
    assert_eq!(
        asked("MSH$%~\\&$A$B$C$D$1$$ADT$1$P$2.5$7$8$$$AT$8859/1\r"),
        "MSH$%~\\&$A$B$C$D$1$$ADT$1$P$2.5$7$8$AL$NE$AT$8859/1\r"
    );
    assert_eq!(asked("x"), "x");
}

#[tokio::test]
async fn late_answers_are_passed_over_and_application_answers_are_handed_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, mut later) = client(listener.local_addr().unwrap());
    let partner = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(next(&mut stream).await.as_deref(), Some("1"));
        stream.write_all(&answer("CA", "1")).await.unwrap();
        assert_eq!(next(&mut stream).await.as_deref(), Some("2"));
        // A repeat of the first commit, the application's word on it, and only then the answer.
        for (code, id) in [("CA", "1"), ("AE", "1"), ("AA", "2")] {
            stream.write_all(&answer(code, id)).await.unwrap();
        }
        stream.write_all(&answer("AR", "elsewhere")).await.unwrap();
        stream
    });
    assert!(matches!(client.send(message("1")).await, Ok(Sent::Accepted)));
    assert!(matches!(client.send(message("2")).await, Ok(Sent::Processed)));
    for (code, id) in [("AE", "1"), ("AR", "elsewhere")] {
        let heard = later.recv().await.unwrap();
        assert_eq!((heard.code.as_str(), heard.control_id.as_str()), (code, id));
    }
    drop(partner.await.unwrap());
}

#[tokio::test]
async fn a_connection_that_the_partner_closed_is_not_sent_on_and_one_lost_in_between_is_made_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, _later) = client(listener.local_addr().unwrap());
    let partner = tokio::spawn(async move {
        let mut got = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            got.push(next(&mut stream).await.unwrap());
            stream.write_all(&answer("AA", got.last().unwrap())).await.unwrap();
        }
        // The third connection: reads, breaks off, and gets the same message on the next.
        let (mut stream, _) = listener.accept().await.unwrap();
        got.push(next(&mut stream).await.unwrap());
        stream.write_all(&answer("AA", "3")).await.unwrap();
        got.push(next(&mut stream).await.unwrap());
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        got.push(next(&mut stream).await.unwrap());
        stream.write_all(&answer("AA", "4")).await.unwrap();
        got
    });
    for id in ["1", "2", "3", "4"] {
        assert!(matches!(client.send(message(id)).await, Ok(Sent::Processed)), "{id}");
        if id == "1" || id == "2" {
            let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
            while client.kept.lock().await.connection.as_ref().is_some_and(|kept| !kept.is_closed()) {
                assert!(tokio::time::Instant::now() < deadline, "the end was not noticed");
                tokio::task::yield_now().await;
            }
        }
    }
    assert_eq!(partner.await.unwrap(), ["1", "2", "3", "4", "4"]);
}

#[tokio::test]
async fn what_is_no_answer_ends_the_connection() {
    for wrong in [answer("AA", "stranger").replace_code(b"CA"), b"noise without a frame".repeat(300), answer("XX", "1")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, _later) = client(listener.local_addr().unwrap());
        let partner = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = next(&mut stream).await;
            stream.write_all(&wrong).await.unwrap();
            next(&mut stream).await
        });
        let failed = client.send(message("1")).await;
        assert!(matches!(failed, Err(Failure::Garbage(_))), "{failed:?}");
        assert_eq!(partner.await.unwrap(), None);
    }
}

trait Replace {
    fn replace_code(self, code: &[u8]) -> Vec<u8>;
}

impl Replace for Vec<u8> {
    fn replace_code(mut self, code: &[u8]) -> Vec<u8> {
        let at = self.windows(4).position(|four| four == b"MSA|").unwrap() + 4;
        self[at..at + 2].copy_from_slice(code);
        self
    }
}

#[tokio::test]
async fn whoever_gives_up_waiting_leaves_no_connection_for_a_late_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, _later) = client(listener.local_addr().unwrap());
    let partner = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        let one = next(&mut first).await;
        let (mut second, _) = listener.accept().await.unwrap();
        let again = next(&mut second).await;
        second.write_all(&answer("AA", "1")).await.unwrap();
        // Closed from the other side, so a late answer finds nobody.
        let end = next(&mut first).await;
        (one, again, end)
    });
    let waited = tokio::time::timeout(Duration::from_millis(200), client.send(message("1"))).await;
    assert!(waited.is_err());
    assert!(matches!(client.send(message("1")).await, Ok(Sent::Processed)));
    assert_eq!(partner.await.unwrap(), (Some("1".to_owned()), Some("1".to_owned()), None));
}

//! The running gateway on real sockets, ports drawn by the system.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use formats::mllp::{Decoder, encode};
use model::time::SystemClock;
use store::{Delivery, DeliveryState, Exchange, ExchangeQuery, Exchanges};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::Config;
use crate::serve::{Running, start};

const PATIENCE: Duration = Duration::from_secs(60);

struct Line {
    stream: TcpStream,
    decoder: Decoder,
}

impl Line {
    async fn to(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).await.unwrap())
    }

    fn of(stream: TcpStream) -> Self {
        Self { stream, decoder: Decoder::new(1 << 20) }
    }

    async fn say(&mut self, message: &str) {
        self.stream.write_all(&encode(message.as_bytes())).await.unwrap();
    }

    /// The next message; `None` at the end of the connection.
    async fn hear(&mut self) -> Option<String> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.next() {
                return String::from_utf8(frame.unwrap()).ok();
            }
            match tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("an answer in time") {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.decoder.push(&buffer[..count]),
            }
        }
    }

    async fn ask(&mut self, message: &str) -> String {
        self.say(message).await;
        self.hear().await.unwrap()
    }
}

fn message(control_id: &str, rest_of_header: &str) -> String {
    format!(
        "MSH|^~\\&|ADT|NORTH|A|B|20260301101500+0100||ADT^A01^ADT_A01|{control_id}|P|2.5.1{rest_of_header}\r\
         EVN|A01|20260301101500+0100\rPID|1||{control_id}^^^NORTH^MR||DOE^JANE||19700101|F\rPV1|1|I|W^1^A\r"
    )
}

async fn gateway(source: &str, more: &str) -> (Running, SocketAddr, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[listen]\nhttps = \"off\"\nmllp = \"127.0.0.1:0\"\n[store]\nbackend = \"memory\"\nmin_free = \"1B\"\n\
         [consent]\nimplicit_policy = \"permit-all\"\n\
         [[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\n{source}\n{more}"
    );
    let config = Config::parse(&text, folder.path()).unwrap();
    let running = start(config, &folder.path().join("data"), Arc::new(SystemClock)).await.unwrap();
    let address = running.mllp().unwrap();
    (running, address, folder)
}

fn exchange(running: &Running, control_id: &str) -> Option<Exchange> {
    let query = ExchangeQuery { message_control_id: Some(control_id.to_owned()), limit: 1, ..ExchangeQuery::default() };
    let store = &running.app().store;
    let line = store.exchanges(&query).unwrap().exchanges.into_iter().next()?;
    store.exchange(&line.id).unwrap()
}

async fn until(running: &Running, control_id: &str, what: impl Fn(&Delivery) -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = exchange(running, control_id);
        if found.as_ref().is_some_and(|exchange| exchange.deliveries.first().is_some_and(&what)) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{:?}", found.map(|exchange| exchange.deliveries));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn field(message: &str, segment: &str, number: usize) -> String {
    let line = message.split('\r').find(|line| line.starts_with(segment)).unwrap_or_default();
    let index = if segment == "MSH" { number - 1 } else { number };
    line.split('|').nth(index).unwrap_or_default().to_owned()
}

fn acknowledgement(code: &str, control_id: &str) -> String {
    format!("MSH|^~\\&|CLINIC|X|ANCHORLINE||20260301||ACK|P{code}|P|2.5.1|||AL|NE\rMSA|{code}|{control_id}\r")
}

#[tokio::test]
async fn a_partner_accepts_first_and_answers_for_its_application_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let more = format!(
        "[[destination]]\nname = \"clinic\"\ntransport = \"mllp\"\naddress = \"{}\"\nrecipient = [\"Organization/x\"]\n\
         acknowledgement = \"enhanced\"\napplication_ack_timeout = \"3s\"\n",
        listener.local_addr().unwrap()
    );
    let (running, address, _folder) = gateway("destinations = [\"clinic\"]", &more).await;
    let mut sender = Line::to(address).await;
    assert_eq!(field(&sender.ask(&message("E1", "")).await, "MSA", 1), "AA");
    let mut partner = Line::of(listener.accept().await.unwrap().0);

    // On a connection that the partner opens.
    let got = partner.hear().await.unwrap();
    assert_eq!((field(&got, "MSH", 15).as_str(), field(&got, "MSH", 16).as_str()), ("AL", "AL"), "{got:?}");
    let id = field(&got, "MSH", 10);
    partner.say(&format!("MSH|^~\\&|C|X|A||1||ACK|1|P|2.5.1\rMSA|CA|{id}\r")).await;
    until(&running, "E1", |delivery| delivery.last_error.as_deref() == Some(super::super::WAITING)).await;
    let mut back = Line::to(address).await;
    let answer = back.ask(&acknowledgement("AA", &id)).await;
    assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), ("CA".to_owned(), "PAA".to_owned()));
    until(&running, "E1", |delivery| delivery.last_error.as_deref() == Some("")).await;

    // On the same connection, refusing: a person has to look, and nothing is sent again.
    sender.ask(&message("E2", "")).await;
    let id = field(&partner.hear().await.unwrap(), "MSH", 10);
    partner.say(&format!("MSH|^~\\&|C|X|A||1||ACK|1|P|2.5.1\rMSA|CA|{id}\r")).await;
    let answer = partner.ask(&acknowledgement("AE", &id)).await;
    assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), ("CA".to_owned(), "PAE".to_owned()));
    until(&running, "E2", |delivery| delivery.state == DeliveryState::Dead).await;

    // Not at all: accepted and unconfirmed, and still to be confirmed later.
    sender.ask(&message("E3", "")).await;
    let id = field(&partner.hear().await.unwrap(), "MSH", 10);
    partner.say(&format!("MSH|^~\\&|C|X|A||1||ACK|1|P|2.5.1\rMSA|CA|{id}\r")).await;
    let overdue = |delivery: &Delivery| {
        let text = delivery.last_error.as_deref().unwrap_or_default();
        delivery.state == DeliveryState::Delivered && text.contains("no application acknowledgement in time")
    };
    until(&running, "E3", overdue).await;
    back.ask(&acknowledgement("AA", &id)).await;
    until(&running, "E3", |delivery| delivery.last_error.as_deref() == Some("")).await;
    drop((partner, sender, back));
    running.stop().await;
}

#[tokio::test]
async fn the_application_acknowledgement_goes_to_the_senders_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = format!("application_ack = \"{}\"", listener.local_addr().unwrap());
    let (running, address, _folder) = gateway(&source, "").await;
    let mut sender = Line::to(address).await;
    let commit = sender.ask(&message("D1", "|||AL|AL")).await;
    assert_eq!(field(&commit, "MSA", 1), "CA");
    // The sender leaves: what it asked for comes all the same.
    drop(sender);
    let mut ward = Line::of(listener.accept().await.unwrap().0);
    let reply = ward.hear().await.unwrap();
    assert_eq!((field(&reply, "MSA", 1), field(&reply, "MSA", 2)), ("AA".to_owned(), "D1".to_owned()), "{reply:?}");
    assert_eq!((field(&reply, "MSH", 15), field(&reply, "MSH", 16)), ("AL".to_owned(), "NE".to_owned()));
    assert_ne!(field(&reply, "MSH", 10), field(&commit, "MSH", 10));
    // Lost once: it comes again, the same.
    drop(ward);
    let mut ward = Line::of(listener.accept().await.unwrap().0);
    assert_eq!(ward.hear().await.unwrap(), reply);
    ward.say(&format!("MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5.1\rMSA|CA|{}\r", field(&reply, "MSH", 10))).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !running.app().mllp.replies.is_empty() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn sequence_numbers_are_counted_repeats_answered_and_gaps_not_processed() {
    let (running, address, _folder) = gateway("sequence_numbers = true", "").await;
    let mut sender = Line::to(address).await;
    let link = |number: &str| format!("MSH|^~\\&|ADT|NORTH|A|B|20260301||NMD^N02|L{number}|P|2.5.1|{number}\r");
    let said = |answer: &str| (field(answer, "MSA", 1), field(answer, "MSA", 4));
    let expect = |code: &str, number: &str| (code.to_owned(), number.to_owned());
    assert_eq!(said(&sender.ask(&link("0")).await), expect("AA", "-1"));
    let first = sender.ask(&message("S5", "|5")).await;
    assert_eq!(said(&first), expect("AA", "6"));
    let again = sender.ask(&message("S5", "|5")).await;
    assert_eq!((said(&again), field(&again, "MSA", 3)), (expect("AA", "6"), field(&first, "MSA", 3)));
    assert_eq!(said(&sender.ask(&message("S6", "|6")).await), expect("AA", "7"));
    // Another connection of the same sender counts on.
    let mut other = Line::to(address).await;
    let gap = other.ask(&message("S9", "|9")).await;
    assert_eq!(said(&gap), expect("AE", "7"));
    assert!(gap.contains("ERR||MSH^1^13^1|207^Application error^HL70357|E|sequence-number^^L|"), "{gap:?}");
    assert!(exchange(&running, "S9").is_none());
    assert_eq!(said(&other.ask(&message("S2", "|2")).await), expect("AE", "7"));
    assert_eq!(said(&other.ask(&message("SX", "|x")).await), expect("AE", "7"));
    assert_eq!(said(&other.ask(&message("S0", "")).await), expect("AA", ""));
    assert_eq!(said(&other.ask(&link("0")).await), expect("AA", "7"));
    assert_eq!(said(&other.ask(&link("-1")).await), expect("AA", "-1"));
    assert_eq!(said(&sender.ask(&message("S9", "|9")).await), expect("AA", "10"));
    drop((sender, other));
    running.stop().await;
}

#[tokio::test]
async fn one_senders_messages_are_processed_in_order_over_two_connections() {
    let (running, address, _folder) = gateway("order = \"sender\"", "").await;
    let sender = super::super::sender("ward", "ADT", "NORTH");
    let turns = &running.app().mllp.turns;
    let turn = turns.hold(&sender, PATIENCE).await.unwrap();
    let (mut one, mut two) = (Line::to(address).await, Line::to(address).await);
    for (count, line, id) in [(2, &mut one, "O1"), (3, &mut two, "O2")] {
        line.say(&message(id, "|||AL|AL")).await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while turns.asked(&sender) < count {
            assert!(tokio::time::Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(exchange(&running, "O1").is_none());
    drop(turn);
    for (line, id) in [(&mut two, "O2"), (&mut one, "O1")] {
        for code in ["CA", "AA"] {
            let answer = line.hear().await.unwrap();
            assert_eq!((field(&answer, "MSA", 1).as_str(), field(&answer, "MSA", 2).as_str()), (code, id));
        }
    }
    let number = |id| exchange(&running, id).unwrap().number;
    assert!(number("O1") < number("O2"));
    let done = |id| exchange(&running, id).unwrap().stages.iter().map(|stage| stage.at).max();
    assert!(done("O1") <= done("O2"));
    drop((one, two));
    running.stop().await;
}

#[tokio::test]
async fn a_source_and_an_address_have_no_more_connections_than_they_may() {
    let (running, address, _folder) = gateway("connections = 1", "").await;
    let mut first = Line::to(address).await;
    assert_eq!(field(&first.ask(&message("P1", "")).await, "MSA", 1), "AA");
    let mut second = Line::to(address).await;
    let refused = second.ask(&message("P2", "")).await;
    assert_eq!((field(&refused, "MSA", 1).as_str(), field(&refused, "MSA", 2).as_str()), ("AE", "P2"));
    assert_eq!(second.hear().await, None);
    drop(first);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut next = Line::to(address).await;
        if field(&next.ask(&message("P3", "")).await, "MSA", 1) == "AA" {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the place did not become free");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_batch_is_answered_in_one_frame_where_the_source_wants_that() {
    let (running, address, _folder) = gateway("batch_acknowledgement = \"batch\"", "").await;
    let mut sender = Line::to(address).await;
    let batch = format!("BHS|^~\\&|ADT|NORTH|A|B|20260301||||B1\r{}{}BTS|2\r", message("B1", ""), message("B2", ""));
    let answer = sender.ask(&batch).await;
    assert!(answer.starts_with("BHS|^~\\&|A|B|ADT|NORTH|") && answer.ends_with("BTS|2\r"), "{answer:?}");
    assert_eq!(field(&answer, "BHS", 11), "B1");
    assert_eq!(answer.matches("MSA|AA|").count(), 2, "{answer:?}");
    drop(sender);
    running.stop().await;
}

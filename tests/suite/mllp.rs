//! Conversations over MLLP that outlive the program: what it owes and what it is owed is there after kill -9.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use tests::http::Http;
use tests::mllp::{Mllp, field};
use tests::process::{Gateway, configuration, wait_until};

fn admission(control_id: &str, rest_of_header: &str) -> String {
    format!(
        "MSH|^~\\&|ADT|NORTH|A|B|20260301101500+0100||ADT^A01^ADT_A01|{control_id}|P|2.5.1{rest_of_header}\r\
         EVN|A01|20260301101500+0100\rPID|1||{control_id}^^^NORTH^MR||MUSTER^ERIKA||19700101|F\rPV1|1|I|W^1^A\r"
    )
}

/// The next frame that somebody sends us; `None` at the end of the connection.
fn frame(stream: &mut TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (mut bytes, mut one) = (Vec::new(), [0_u8; 1]);
    while !bytes.ends_with(&[0x1C, 0x0D]) {
        if stream.read(&mut one).unwrap_or(0) == 0 {
            return None;
        }
        bytes.push(one[0]);
    }
    Some(String::from_utf8_lossy(&bytes[1..bytes.len() - 2]).into_owned())
}

fn acknowledge(stream: &mut TcpStream, code: &str, control_id: &str) {
    let text = format!("\x0BMSH|^~\\&|C|C|A|A|2026||ACK|1|P|2.5.1\rMSA|{code}|{control_id}\r\x1C\r");
    stream.write_all(text.as_bytes()).unwrap();
}

#[test]
fn sequence_numbers_count_on_after_a_kill() {
    let source = "[[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\nsequence_numbers = true\n";
    let gateway = Gateway::start(&configuration(source));
    let mut line = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    for number in 41..44 {
        let answer = line.send(&admission(&format!("N{number}"), &format!("|{number}"))).unwrap();
        assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 4)), ("AA", (number + 1).to_string().as_str()));
    }
    let gateway = gateway.kill_and_reopen();
    let mut line = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    let repeat = line.send(&admission("N43", "|43")).unwrap();
    assert_eq!((field(&repeat, "MSA", 1), field(&repeat, "MSA", 4)), ("AA", "44"));
    let gap = line.send(&admission("N45", "|45")).unwrap();
    assert_eq!((field(&gap, "MSA", 1), field(&gap, "MSA", 4)), ("AE", "44"));
    let next = line.send(&admission("N44", "|44")).unwrap();
    assert_eq!((field(&next, "MSA", 1), field(&next, "MSA", 4)), ("AA", "45"));
}

#[test]
fn an_application_acknowledgement_finds_its_delivery_after_a_kill() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!(
        "[consent]\nimplicit_policy = \"permit-all\"\n\
         [[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\ndestinations = [\"clinic\"]\n\
         [[destination]]\nname = \"clinic\"\ntransport = \"mllp\"\naddress = \"{}\"\n\
         recipient = [\"Organization/clinic\"]\nacknowledgement = \"enhanced\"\n",
        listener.local_addr().unwrap()
    );
    let gateway = Gateway::start(&configuration(&more));
    let answer = Mllp::connect(gateway.mllp.unwrap()).unwrap().send(&admission("E1", "")).unwrap();
    let exchange = field(&answer, "MSA", 3).strip_prefix("exchange ").unwrap().to_owned();
    let (mut partner, _) = listener.accept().unwrap();
    let id = field(&frame(&mut partner).unwrap(), "MSH", 10).to_owned();
    acknowledge(&mut partner, "CA", &id);
    let last_error = |gateway: &Gateway| {
        let http = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
        let found = http.get(&format!("/exchanges/{exchange}")).json();
        found["deliveries"][0]["last_error"].as_str().unwrap_or_default().to_owned()
    };
    wait_until("the delivery is accepted", || last_error(&gateway).contains("is awaited"));
    let gateway = gateway.kill_and_reopen();
    assert!(last_error(&gateway).contains("is awaited"));
    let mut back = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    let word = format!("MSH|^~\\&|C|C|A|A|2026||ACK|B1|P|2.5.1|||AL|NE\rMSA|AA|{id}\r");
    assert_eq!(field(&back.send(&word).unwrap(), "MSA", 1), "CA");
    wait_until("the delivery is confirmed", || last_error(&gateway).is_empty());

    // The next one is refused by the application: dead, for a person to look at.
    let answer = back.send(&admission("E2", "")).unwrap();
    let exchange = field(&answer, "MSA", 3).strip_prefix("exchange ").unwrap().to_owned();
    let (mut partner, _) = listener.accept().unwrap();
    let id = field(&frame(&mut partner).unwrap(), "MSH", 10).to_owned();
    acknowledge(&mut partner, "CA", &id);
    acknowledge(&mut partner, "AE", &id);
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    wait_until("the delivery is dead", || {
        let found = administrator.get(&format!("/exchanges/{exchange}")).json();
        found["state"] == "dead"
            && found["deliveries"][0]["last_error"].as_str().is_some_and(|text| text.contains("AE"))
    });
    assert!(!gateway.log().contains("MUSTER"));
}

#[test]
fn what_is_owed_to_a_sender_is_sent_after_a_kill() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!(
        "[[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\napplication_ack = \"{}\"\n",
        listener.local_addr().unwrap()
    );
    let gateway = Gateway::start(&configuration(&more));
    let commit = Mllp::connect(gateway.mllp.unwrap()).unwrap().send(&admission("D1", "|||AL|AL")).unwrap();
    assert_eq!(field(&commit, "MSA", 1), "CA");
    let (mut ward, _) = listener.accept().unwrap();
    let first = frame(&mut ward).unwrap();
    // Heard and never answered.
    let gateway = gateway.kill_and_reopen();
    let again = loop {
        let (mut ward, _) = listener.accept().unwrap();
        if let Some(message) = frame(&mut ward) {
            acknowledge(&mut ward, "CA", field(&message, "MSH", 10));
            break message;
        }
    };
    assert_eq!(again, first);
    assert_eq!((field(&again, "MSA", 1), field(&again, "MSA", 2)), ("AA", "D1"));
    drop(gateway);
}

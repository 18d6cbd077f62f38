//! Writing to FHIR partners of every temper: busy ones, small ones, hostile ones. Nothing is lost, nothing is made twice,
//! nothing of a patient is in the log (the harness looks at every log when a gateway ends).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::http::Http;
use tests::process::{Gateway, configuration, wait_until};

/// What a partner does with a connection once the whole request is there.
type Answer = Box<dyn FnMut(usize, &Value, &mut TcpStream) + Send>;

/// A partner that hands over what it gets and answers as it is told.
fn partner(mut answer: Answer) -> (SocketAddr, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for (number, mut stream) in listener.incoming().flatten().enumerate() {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
            let (mut bytes, mut buffer) = (Vec::new(), [0; 65536]);
            let found = loop {
                let at = bytes.windows(4).position(|four: &[u8]| four == b"\r\n\r\n").map(|at| at + 4);
                if let Some(at) = at
                    && let Ok(body) = serde_json::from_slice::<Value>(&bytes[at..])
                {
                    break Some((String::from_utf8_lossy(&bytes[..at]).into_owned(), body));
                }
                match stream.read(&mut buffer) {
                    Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
                    _ => break None,
                }
            };
            let Some((head, body)) = found else { continue };
            answer(number, &body, &mut stream);
            if sender.send((head, body)).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

fn say(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let _ = write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}

/// A transaction's answer in which everything is made.
fn made(bundle: &Value) -> String {
    let entries = bundle["entry"].as_array().map_or(0, Vec::len);
    json!({"resourceType": "Bundle", "type": "transaction-response",
           "entry": vec![json!({"response": {"status": "201 Created"}}); entries]})
    .to_string()
}

fn gateway(address: SocketAddr, more: &str) -> Gateway {
    Gateway::start(&configuration(&format!(
        "[consent]\nimplicit_policy = \"permit-all\"\n\n\
         [[source]]\nname = \"portal\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\ndestinations = [\"clinic\"]\n\n\
         [[destination]]\nname = \"clinic\"\ntransport = \"fhir\"\naddress = \"http://{address}/fhir\"\nretry = \"quick\"\n\
         recipient = [\"Organization/clinic\"]\npurpose = [\"TREAT\"]\n{more}\n"
    )))
}

/// Four resources of a patient arrive; the address of the exchange.
fn arrive(gateway: &Gateway) -> String {
    let source = gateway.token(&["--role", "source", "--purpose", "TREAT", "--actor", "Device/portal"]);
    let observation = |id: &str| {
        json!({"resource": {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "Zqmarkdrug"},
                            "subject": {"reference": "Patient/w"}}})
    };
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        observation("w1"), observation("w2"), observation("w3"),
        {"resource": {"resourceType": "Patient", "id": "w", "name": [{"family": "Zqmarkfamily"}],
                      "identifier": [{"system": "urn:mrn", "value": "ZQMRN77"}]}}]});
    let answer = Http::to(gateway.http.unwrap()).with(&source).post("/ingest/portal", &bundle);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

fn delivery(gateway: &Gateway, exchange: &str) -> Value {
    let http = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    http.get(exchange).json()["deliveries"][0].clone()
}

#[track_caller]
fn ends(gateway: &Gateway, exchange: &str, state: &str) -> Value {
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    wait_until(&format!("the delivery is {state}"), || {
        administrator.get(exchange).json()["deliveries"][0]["state"] == state
    });
    delivery(gateway, exchange)
}

#[test]
fn a_busy_partner_is_left_alone_for_as_long_as_it_asks() {
    let (address, came) = partner(Box::new(|number, body, stream| match number {
        0 => say(stream, "429 Too Many Requests", "Retry-After: 3\r\n", ""),
        1 => say(stream, "503 Busy", "Retry-After: 1\r\n", "<html>Zqmarkfamily</html>"),
        _ => say(stream, "200 OK", "", &made(body)),
    }));
    let gateway = gateway(address, "");
    let exchange = arrive(&gateway);
    let soon = Duration::from_secs(60);
    let (_, first) = came.recv_timeout(soon).unwrap();
    let asked = Instant::now();
    let (_, second) = came.recv_timeout(soon).unwrap();
    // By the gateway's clock, which is read a moment before the partner's answer is.
    assert!(asked.elapsed() > Duration::from_millis(2_500), "it came again after {:?}", asked.elapsed());
    let (head, third) = came.recv_timeout(soon).unwrap();
    assert_eq!((&first, &second), (&second, &third), "the same bytes each time");
    assert!(head.to_lowercase().contains("prefer: return=minimal"), "{head}");
    let delivery = ends(&gateway, &exchange, "delivered");
    assert_eq!(delivery["attempts"], 3, "{delivery}");
}

#[test]
fn what_a_small_partner_cannot_take_goes_in_parts() {
    let (address, came) = partner(Box::new(|_, body, stream| {
        let entries = body["entry"].as_array().map_or(0, Vec::len);
        match entries {
            0..=2 => say(stream, "200 OK", "", &made(body)),
            _ => say(stream, "413 Content Too Large", "", ""),
        }
    }));
    let gateway = gateway(address, "oversize = \"split\"\nwrites = \"conditional\"");
    let exchange = arrive(&gateway);
    let delivery = ends(&gateway, &exchange, "delivered");
    let taken: Vec<Value> = came.try_iter().map(|(_, body)| body).collect();
    let sizes: Vec<usize> = taken.iter().map(|body| body["entry"].as_array().unwrap().len()).collect();
    assert_eq!(sizes.first(), Some(&4), "{sizes:?}");
    let last: Vec<&Value> = taken.iter().filter(|body| body["entry"].as_array().unwrap().len() <= 2).collect();
    assert_eq!(
        last.iter().map(|body| body["entry"].as_array().unwrap().len()).sum::<usize>(),
        4,
        "{sizes:?} {delivery}"
    );
    assert_eq!(last[0]["entry"][0]["resource"]["resourceType"], "Patient", "what others refer to comes first");
    assert_eq!(last[0]["entry"][0]["request"]["url"], "Patient?identifier=urn:mrn%7CZQMRN77");
    let reference = |body: &Value| body["entry"][0]["resource"]["subject"]["reference"].as_str().map(str::to_owned);
    assert_eq!(reference(last[1]).as_deref(), Some("Patient?identifier=urn:mrn%7CZQMRN77"));
}

#[test]
fn without_leave_to_divide_it_is_given_up_with_the_reason() {
    let (address, _came) = partner(Box::new(|_, _, stream| say(stream, "413 Content Too Large", "", "")));
    let gateway = gateway(address, "");
    let delivery = ends(&gateway, &arrive(&gateway), "dead");
    let said = delivery["last_error"].as_str().unwrap();
    assert!(said.contains("413") && said.contains("oversize"), "{said}");
    assert_eq!(delivery["attempts"], 1, "{delivery}");
}

#[test]
fn a_refusal_is_told_by_codes_and_places_and_never_by_words() {
    let outcome = json!({"resourceType": "OperationOutcome", "issue": [
        {"severity": "error", "code": "required", "diagnostics": "Zqmarkfamily has no status", "details": {"text": "Zqmarkfamily"},
         "expression": ["Patient.where(family = 'Zqmarkfamily')", "Bundle.entry[0].resource.status"]},
        {"severity": "error", "code": "Zqmarkfamily"}]})
    .to_string();
    let (address, _came) =
        partner(Box::new(move |_, _, stream| say(stream, "422 Zqmarkfamily", "X-Why: Zqmarkfamily\r\n", &outcome)));
    let gateway = gateway(address, "");
    let delivery = ends(&gateway, &arrive(&gateway), "dead");
    let said = delivery["last_error"].as_str().unwrap();
    assert_eq!(said, "refused it: HTTP 422: required at Bundle.entry[0].resource.status");
}

#[test]
fn a_failed_entry_of_a_batch_is_sent_again() {
    let (address, came) = partner(Box::new(|number, body, stream| {
        let mut answer: Value = serde_json::from_str(&made(body)).unwrap();
        if number == 0 {
            answer["entry"][1] = json!({"response": {"status": "503 Service Unavailable"}});
        }
        say(stream, "200 OK", "", &answer.to_string());
    }));
    let gateway = gateway(address, "bundle = \"batch\"");
    let delivery = ends(&gateway, &arrive(&gateway), "delivered");
    assert_eq!(delivery["attempts"], 2, "{delivery}");
    assert_eq!(came.recv().unwrap().1["type"], "batch");
}

/// An answer that does not depend on what came.
type Hostile = fn(&mut TcpStream);

/// What a partner should not answer, and what is kept of it.
const HOSTILE: [(&str, Hostile); 9] = [
    ("the connection broke", |stream| drop(stream.shutdown(std::net::Shutdown::Both))),
    ("answered with 200 and no FHIR", |stream| say(stream, "200 OK", "", "<html>welcome</html>")),
    ("answered with 200 and another resource than a Bundle", |stream| {
        say(stream, "200 OK", "", r#"{"resourceType":"Patient","name":[{"family":"Zqmarkfamily"}]}"#);
    }),
    ("answered with a status that is no answer to a transaction", |stream| {
        say(stream, "302 Found", "Location: http://127.0.0.1:1/elsewhere\r\n", "");
    }),
    ("answered with a body that is too long or breaks off", |stream| {
        drop(write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{{"));
    }),
    ("answered with a body that is too long or breaks off", |stream| {
        // A body without end.
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        while stream.write_all(chunk.as_bytes()).is_ok() {}
    }),
    ("the connection broke", |stream| {
        // Header fields without end.
        let _ = write!(stream, "HTTP/1.1 200 OK\r\n");
        while write!(stream, "X-More: {}\r\n", "a".repeat(4000)).is_ok() {}
    }),
    ("answered HTTP 503: not now", |stream| {
        say(stream, "503 Busy", "Retry-After: soon\r\nRetry-After: 99999999999999999999\r\n", "");
    }),
    ("answered with 200 and no FHIR", |stream| {
        say(stream, "200 OK", "", &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    }),
];

/// Each is tried again, to the end of the tries, and then given up with the reason. The process goes on.
#[test]
fn hostile_answers_end_as_failures_and_cost_nothing() {
    // A partner goes on for as long as somebody takes what came.
    let (partners, _came): (Vec<_>, Vec<_>) =
        HOSTILE.iter().map(|(_, answer)| partner(Box::new(move |_, _, stream| answer(stream)))).unzip();
    let names: Vec<String> = (0..HOSTILE.len()).map(|number| format!("\"hostile-{number}\"")).collect();
    let destinations = partners.iter().zip(&names).map(|(address, name)| {
        format!(
            "[[destination]]\nname = {name}\ntransport = \"fhir\"\naddress = \"http://{address}/fhir\"\n\
             retry = \"quick\"\nrecipient = [\"Organization/clinic\"]\npurpose = [\"TREAT\"]\n\n"
        )
    });
    let gateway = Gateway::start(&configuration(&format!(
        "[consent]\nimplicit_policy = \"permit-all\"\n\n\
         [[source]]\nname = \"portal\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\n\
         destinations = [{}]\n\n{}",
        names.join(", "),
        destinations.collect::<String>()
    )));
    let exchange = arrive(&gateway);
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    let deliveries = || administrator.get(&exchange).json()["deliveries"].as_array().cloned().unwrap_or_default();
    wait_until("every delivery is given up", || {
        let all = deliveries();
        all.len() == HOSTILE.len() && all.iter().all(|one| one["state"] == "dead")
    });
    for one in deliveries() {
        let number: usize = one["destination"].as_str().unwrap().trim_start_matches("hostile-").parse().unwrap();
        assert_eq!(one["last_error"], HOSTILE[number].0, "{one}");
        assert_eq!(one["attempts"], 4, "{one}");
    }
    assert_eq!(Http::to(gateway.http.unwrap()).get("/health/ready").status, 200);
}

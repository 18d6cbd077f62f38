use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::client::{Client, Options};
use crate::result::Outcome;

/// How a listener behaves.
#[derive(Clone, Copy)]
enum Listener {
    /// Accepts messages and refuses what is none.
    Honest,
    /// Accepts everything.
    SaysYes,
    /// Answers with a control id of its own.
    ForgetsControlId,
    /// Answers each message twice.
    Twice,
    /// Closes without a word.
    Closes,
}

async fn listen(behaviour: Listener) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut decoder = formats::mllp::Decoder::new(8 << 20);
                let mut buffer = [0_u8; 4096];
                loop {
                    while let Some(frame) = decoder.next() {
                        let Ok(message) = frame else { continue };
                        let control = Message::parse(&message).map(|parsed| parsed.message.control_id()).ok();
                        let (code, control) = match (behaviour, control) {
                            (Listener::Closes, _) => return,
                            (Listener::SaysYes, control) => ("AA", control.unwrap_or_default()),
                            (Listener::ForgetsControlId, _) => ("AA", "other".to_owned()),
                            (_, Some(control)) => ("AA", control),
                            (_, None) => ("AR", String::new()),
                        };
                        let answer = format!("MSH|^~\\&|||||||ACK|1|P|2.5\rMSA|{code}|{control}\r");
                        let times = if matches!(behaviour, Listener::Twice) { 2 } else { 1 };
                        for _ in 0..times {
                            stream.write_all(&formats::mllp::encode(answer.as_bytes())).await.unwrap();
                        }
                    }
                    match stream.read(&mut buffer).await {
                        Ok(length) if length > 0 => decoder.push(&buffer[..length]),
                        _ => return,
                    }
                }
            });
        }
    });
    address
}

const ADT: &str = "MSH|^~\\\\&|A|B|C|D|20260110||ADT^A08|${control}|P|2.5\nPID|1||1\n";

fn one_step(step: &str) -> String {
    format!(
        "kind = \"mllp\"\nname = \"s\"\n[[test]]\nname = \"t\"\n[[test.step]]\n[test.step.send]\nmessage = \"\"\"{ADT}\"\"\"\n{step}"
    )
}

async fn outcome(behaviour: Listener, suite: &str) -> Outcome {
    let options = Options { timeout: Duration::from_millis(700), ..Options::default() };
    let mut context = Context::new(Client::new(options).unwrap(), Vec::new());
    context.mllp = Some(listen(behaviour).await);
    let suite = Suite::read(suite, Path::new("")).unwrap();
    run(&Arc::new(context), suite, "t1").await.outcome()
}

#[track_caller]
fn check(behaviour: Listener, step: &str, expect: Outcome) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(outcome(behaviour, &one_step(step))), expect, "{step}");
}

#[test]
fn an_accepted_message_passes() {
    check(Listener::Honest, "answers = [\"AA\"]", Outcome::Passed);
    check(Listener::Honest, "answers = [\"AA\"]\ntimes = 3", Outcome::Passed);
    check(Listener::Honest, "answers = [\"AA\"]\nform = \"bytes\"", Outcome::Passed);
    check(Listener::Honest, "answers = [\"AA\"]\nform = \"halves\"", Outcome::Passed);
    check(Listener::Honest, "answers = [\"AA\"]\ngrow-bytes = 100000", Outcome::Passed);
}

#[test]
fn an_answer_of_another_kind_fails() {
    check(Listener::SaysYes, "answers = [\"AR\", \"AE\"]", Outcome::Failed);
    check(Listener::ForgetsControlId, "answers = [\"AA\"]", Outcome::Failed);
    check(Listener::ForgetsControlId, "answers = [\"AA\"]\necho = false", Outcome::Passed);
    check(Listener::Closes, "answers = [\"AA\"]", Outcome::Failed);
    check(Listener::Honest, "answers = [\"AA\"]\ncondition = \"101\"", Outcome::Failed);
}

#[test]
fn an_answer_too_many_is_found_with_the_next_message() {
    check(Listener::Twice, "answers = [\"AA\"]\ntimes = 2", Outcome::Failed);
}

#[test]
fn silence_is_expected_of_an_unfinished_frame() {
    check(Listener::Honest, "answers = []\nform = \"open\"\nwithin = \"200ms\"", Outcome::Passed);
    check(Listener::Honest, "answers = []\nwithin = \"300ms\"", Outcome::Failed);
}

#[test]
fn the_partner_counts_what_it_receives() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let partner = Partner::listen(&port.to_string()).await.unwrap();
        let mut session = Session::connect(&port.to_string(), Duration::from_secs(2)).await.unwrap();
        let suite = Suite::read(&one_step("answers = [\"AA\"]"), Path::new("")).unwrap();
        let Action::Send(send) = &suite.tests[0].steps[0] else { panic!("a sending") };
        let message = send.bytes(|text| text.replace("${control}", "c9"));
        let answers = session.exchange(&message, send, 1, Duration::from_secs(2)).await;
        assert_eq!(judge("n", send, &message, &answers).outcome, Outcome::Passed);
        assert_eq!(partner.count(&["c9".to_owned(), "PID".to_owned()]), 1);
        assert_eq!(partner.count(&["c8".to_owned()]), 0);
    });
}

#[test]
fn the_built_in_suite_can_be_read() {
    let suite = load(None).unwrap();
    assert!(suite.tests.len() > 10 && !suite.about.is_empty());
}

#[test]
fn a_file_that_is_not_as_described_is_refused_with_its_place() {
    #[track_caller]
    fn refused(text: &str, says: &str) {
        let said = Suite::read(text, Path::new("")).unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    }
    refused("kind = \"mllp\"", "name");
    refused(&one_step("answers = [\"AA\"]\nspeed = 3"), "speed");
    refused(&one_step("answers = [\"AA\"]\nwithin = \"5 hours\""), "duration");
    refused(&one_step("answers = [\"AA\"]\ntimes = 0"), "test \"t\", step 1");
    refused("kind = \"mllp\"\nname = \"s\"\n[[test]]\nname = \"t\"\n[[test.step]]", "one of send, search, forwarded");
    refused(&one_step("answers = [\"AA\"]\nfile = \"x.hl7\""), "either message or file");
}

#[test]
fn a_command_shows_how_to_send_it_again() {
    let command = netcat("localhost:2575", b"MSH|^~\\&|O'Hara\r");
    assert_eq!(command, "printf '\\013MSH|^~\\134&|O\\047Hara\\015\\034\\015' | nc -w 5 localhost 2575");
}

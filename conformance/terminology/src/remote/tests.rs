use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use super::*;
use crate::testing::json;

/// A clock that the test moves.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicI64>);

impl Clock for Hand {
    fn now(&self) -> Instant {
        Instant::from_millis(self.0.load(Ordering::SeqCst))
    }
}

impl Hand {
    fn advance(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// What the server says next, and how often it was asked.
#[derive(Clone, Default)]
struct Script {
    says: Arc<Mutex<Option<(u16, String)>>>,
    asked: Arc<Mutex<Vec<wire::Request>>>,
}

impl Script {
    fn say(&self, status: u16, body: &str) {
        *self.says.lock().unwrap() = Some((status, body.to_owned()));
    }

    fn fail(&self) {
        *self.says.lock().unwrap() = None;
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Transport for Script {
    fn post(&self, request: &wire::Request, _timeout: Duration) -> Result<wire::Response, TransportError> {
        self.asked.lock().unwrap().push(request.clone());
        let says = self.says.lock().unwrap().clone();
        let (status, body) = says.ok_or(TransportError)?;
        Ok(wire::Response { status, body: Some(json(&body)) })
    }
}

const YES: &str = r#"{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":true}]}"#;
const NO: &str = r#"{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":false},
    {"name":"display","valueString":"Alpha"}]}"#;
const CANNOT: &str = r#"{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":false},
    {"name":"issues","resource":{"resourceType":"OperationOutcome","issue":[{"code":"not-found"}]}}]}"#;

fn server(policy: Policy) -> (Script, Hand, Server<Script, Hand>) {
    let (script, hand) = (Script::default(), Hand::default());
    let server = Server::new(script.clone(), hand.clone(), policy);
    (script, hand, server)
}

fn unknown() -> Membership {
    Membership::Unknown(Reason::Remote)
}

#[test]
fn answers_are_believed_for_a_while() {
    let (script, hand, server) = server(Policy::default());
    let coding = Coding::new("s", "a");
    script.say(200, YES);
    assert_eq!(server.member("vs", &coding), Membership::In);
    script.say(200, NO);
    assert_eq!(server.member("vs", &coding), Membership::In);
    assert_eq!(script.asked(), 1);
    hand.advance(Policy::default().keep);
    assert_eq!(server.member("vs", &coding), Membership::NotIn);
    assert_eq!(script.asked(), 2);
}

#[test]
fn a_server_that_cannot_tell_is_asked_again_sooner() {
    let (script, hand, server) = server(Policy::default());
    for (status, body) in [(200, CANNOT), (404, YES), (422, NO), (200, "{}")] {
        script.say(status, body);
        assert_eq!(server.member("vs", &Coding::new("s", "a")), unknown(), "{status} {body}");
        hand.advance(Policy::default().keep_unknown);
    }
    assert_eq!(script.asked(), 4);
}

#[test]
fn a_server_that_fails_is_left_alone_and_tried_again() {
    let (script, hand, server) = server(Policy::default());
    script.fail();
    for code in ["a", "b", "c", "d", "e"] {
        assert_eq!(server.member("vs", &Coding::new("s", code)), unknown());
    }
    assert_eq!(script.asked(), 3);
    hand.advance(Policy::default().rest);
    assert_eq!(server.member("vs", &Coding::new("s", "f")), unknown());
    assert_eq!(server.member("vs", &Coding::new("s", "g")), unknown());
    assert_eq!(script.asked(), 4);
    hand.advance(Policy::default().rest);
    script.say(200, YES);
    assert_eq!(server.member("vs", &Coding::new("s", "f")), Membership::In);
    assert_eq!(server.member("vs", &Coding::new("s", "g")), Membership::In);
    script.say(503, NO);
    assert_eq!(server.member("vs", &Coding::new("s", "h")), unknown());
}

#[test]
fn the_cache_and_the_questions_under_way_are_bounded() {
    let (script, _, server) = server(Policy { answers: 2, ..Policy::default() });
    script.say(200, YES);
    for code in ["a", "b", "c"] {
        server.member("vs", &Coding::new("s", code));
    }
    server.member("vs", &Coding::new("s", "c"));
    assert_eq!(script.asked(), 3);
    server.member("vs", &Coding::new("s", "a"));
    assert_eq!(script.asked(), 4);
    let (script, _, closed) = server_without_places();
    script.say(200, YES);
    assert_eq!(closed.member("vs", &Coding::new("s", "a")), unknown());
    assert_eq!(script.asked(), 0);
}

fn server_without_places() -> (Script, Hand, Server<Script, Hand>) {
    server(Policy { under_way: 0, ..Policy::default() })
}

#[test]
fn codes_are_validated_with_their_display() {
    let (script, _, server) = server(Policy::default());
    script.say(200, NO);
    let wrong = Coding { display: Some("Beta"), ..Coding::new("s", "a") };
    let differs = crate::DisplayCheck::Differs(vec!["Alpha".into()]);
    let known = CodeCheck::Known { display: differs, active: true, selectable: true };
    assert_eq!(server.validate(&wrong), Some(known));
    assert_eq!(server.validate(&Coding::new("s", "z")), Some(CodeCheck::UnknownCode));
    assert_eq!(server.validate(&Coding::code("z")), None);
    script.say(200, CANNOT);
    assert_eq!(server.validate(&Coding::new("t", "z")), None);
}

#[test]
fn requests_name_the_coding_and_no_more() {
    let (script, _, server) = server(Policy::default());
    script.say(200, YES);
    let coding = Coding { version: Some("2"), display: Some("shown"), ..Coding::new("s", "a") };
    server.member("http://example.org/vs|1", &coding);
    let sent = script.asked.lock().unwrap()[0].clone();
    assert_eq!(sent.operation, "ValueSet/$validate-code");
    let expect = r#"{"resourceType":"Parameters","parameter":[{"name":"url","valueUri":"http://example.org/vs"},{"name":"valueSetVersion","valueString":"1"},{"name":"code","valueCode":"a"},{"name":"system","valueUri":"s"},{"name":"systemVersion","valueString":"2"}]}"#;
    assert_eq!(sent.body.to_text(), expect);
}

#[test]
fn expansions_are_read() {
    let (script, _, server) = server(Policy::default());
    script.say(
        200,
        r#"{"resourceType":"ValueSet","expansion":{"total":9,"parameter":[{"name":"version","valueUri":"s|1"}],
        "contains":[{"system":"s","code":"a","contains":[{"system":"s","code":"b","inactive":true}]}]}}"#,
    );
    let expansion = server.expand("vs", &ExpandRequest::default()).unwrap();
    assert_eq!((expansion.total, expansion.used.len()), (9, 1));
    assert!(expansion.contains[0].contains[0].inactive);
    script.say(500, "{}");
    assert_eq!(server.expand("vs", &ExpandRequest::default()), None);
}

#[test]
fn what_is_decided_here_is_not_asked_elsewhere() {
    let (script, _, server) = server(Policy::default());
    script.say(200, YES);
    let vs = |system: &str| {
        json(&format!(
            r#"{{"resourceType":"ValueSet","url":"{system}-vs","compose":{{"include":[{{"system":"{system}"}}]}}}}"#
        ))
    };
    let local = json(r#"{"resourceType":"CodeSystem","url":"local","content":"complete","concept":[{"code":"a"}]}"#);
    let source = crate::testing::resources([local, vs("local"), vs("far")]);
    let options = crate::Options { remote: Some(Arc::new(server)), ..crate::Options::default() };
    let service = crate::Terminology::new(Arc::new(source), options);
    assert_eq!(service.member("local-vs", &Coding::new("local", "z")), Membership::NotIn);
    assert!(matches!(service.validate(&Coding::new("local", "a")), CodeCheck::Known { .. }));
    assert_eq!(script.asked(), 0);
    assert_eq!(service.member("far-vs", &Coding::new("far", "z")), Membership::In);
    assert!(matches!(service.validate(&Coding::new("far", "z")), CodeCheck::Known { .. }));
    assert_eq!(script.asked(), 2);
    script.fail();
    assert!(matches!(service.member("far-vs", &Coding::new("far", "y")), Membership::Unknown(Reason::System(_))));
}

//! HL7 v2 over MLLP: send, read the acknowledgement, look for what became of it.
//!
//! A suite is a TOML file of tests, each a sequence of steps: a message sent in some form, a FHIR search for what was
//! made of it, a message that a partner should have received. docs/suites.md describes the file. The built-in suite
//! `mllp` is such a file. HL7 v2.8.2 chapter 2 ("Message control", "Acknowledgment messages"); MLLP release 2.

mod file;
mod partner;
mod session;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use formats::hl7v2::Message;
use model::json::Json;

use crate::context::Context;
use crate::result::{Step, SuiteResult, Weight};
use crate::run::{self, Job, Recorder};
use crate::wire;
use file::{Action, Forwarded, Search, Send, Suite, Test};
use partner::Partner;
use session::{Answers, Session};

pub(crate) use file::FileError;

/// The suite that needs no file.
const BUILT_IN: &str = include_str!("../builtin/mllp.toml");

/// Reads a suite file, or the built-in suite.
///
/// # Errors
/// [`FileError`] with the line that is not as docs/suites.md says.
pub(crate) fn load(path: Option<&Path>) -> Result<Suite, FileError> {
    match path {
        Some(path) => Suite::of_file(path),
        None => Suite::read(BUILT_IN, Path::new("")),
    }
}

/// Runs a suite against the context's MLLP listener. `run_id` keeps control ids of two runs apart: letters and digits.
pub(crate) async fn run(context: &Arc<Context>, suite: Suite, run_id: &str) -> SuiteResult {
    let mut result = SuiteResult { name: suite.name.clone(), about: suite.about.clone(), tests: Vec::new() };
    let partner = match &suite.partner {
        Some(address) => match Partner::listen(&fill(address, "", context)).await {
            Ok(partner) => Some(Arc::new(partner)),
            Err(said) => {
                result.tests.push(broken("the partner of the suite listens", said));
                return result;
            }
        },
        None => None,
    };
    let jobs = suite.tests.into_iter().enumerate().map(|(index, test)| {
        let (context, partner) = (Arc::clone(context), partner.clone());
        let control = format!("{run_id}{index:03}");
        let (name, group, weight) = (test.name.clone(), suite.name.clone(), test.weight);
        Job::test(&group, &name, weight, |recorder| async move {
            let run = Run { context, control, partner, recorder };
            run.test(&test).await;
        })
    });
    result.tests = run::all(jobs.collect(), context.bounds).await;
    result
}

fn broken(name: &str, said: String) -> crate::result::Test {
    crate::result::Test {
        name: name.to_owned(),
        weight: Weight::Shall,
        steps: vec![Step::error(name, said)],
        ..crate::result::Test::default()
    }
}

/// Puts `${control}`, `${control2}` … and the variables of the run into a text.
fn fill(text: &str, control: &str, context: &Context) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        match name.strip_prefix("control") {
            Some(suffix) if suffix.bytes().all(|byte| byte.is_ascii_digit()) => {
                out.push_str(control);
                out.push_str(suffix);
            }
            _ => match context.variables.get(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["${", name, "}"]),
            },
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// One test while it runs.
struct Run {
    context: Arc<Context>,
    control: String,
    partner: Option<Arc<Partner>>,
    recorder: Recorder,
}

impl Run {
    async fn test(&self, test: &Test) {
        let mut session: Option<Session> = None;
        for action in &test.steps {
            match action {
                Action::Send(send) => self.send(send, &mut session).await,
                Action::Search(search) => self.search(search).await,
                Action::Forwarded(forwarded) => self.forwarded(forwarded).await,
            }
            // What follows rests on what failed; the report says that it was not tried.
            if self.recorder.outcome().is_bad() {
                break;
            }
        }
    }

    async fn send(&self, send: &Send, session: &mut Option<Session>) {
        let name = send.name.clone().unwrap_or_else(|| "the message is answered as expected".to_owned());
        let message = send.bytes(|text| fill(text, &self.control, &self.context));
        let Some(address) = self.context.mllp.as_deref() else {
            return self.recorder.step(Step::error(name, "no MLLP listener was named (--mllp HOST:PORT)"));
        };
        if send.new_connection {
            *session = None;
        }
        let timeout = self.context.client.options().timeout;
        let open = match session.take() {
            Some(open) => Ok(open),
            None => Session::connect(address, timeout).await,
        };
        let mut open = match open {
            Ok(open) => open,
            Err(said) => return self.recorder.step(Step::error(name, said)),
        };
        let wanted = send.answers_wanted();
        let wait = if wanted == 0 { send.within.unwrap_or(QUIET) } else { send.within.unwrap_or(timeout) };
        let answers = open.exchange(&message, send, wanted, wait).await;
        let command = netcat(address, &message);
        self.recorder.step(judge(&name, send, &message, &answers).command(command));
        if !answers.closed {
            *session = Some(open);
        }
    }

    async fn search(&self, search: &Search) {
        let path = fill(&search.path, &self.control, &self.context);
        let name = search.name.clone().unwrap_or_else(|| "the search finds what was made of it".to_owned());
        if self.context.bases.is_empty() {
            return self.recorder.step(Step::skipped(name, "no FHIR endpoint was named (--base URL)"));
        }
        let deadline = tokio::time::Instant::now() + search.within.unwrap_or(Duration::from_secs(5));
        loop {
            let exchange = self.context.get(&path).await;
            let found = exchange.answer.as_ref().ok().filter(|answer| answer.status == 200).and_then(wire::body);
            let step = match &found {
                Some(bundle) => self.found(&name, search, bundle),
                None => Step::failed(&name, "200 with a Bundle", status(&exchange)),
            };
            if !step.outcome.is_bad() || tokio::time::Instant::now() >= deadline {
                return self.recorder.step(step.with(&exchange));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn found(&self, name: &str, search: &Search, bundle: &Json) -> Step {
        let matches =
            bundle.items("entry").iter().filter(|entry| entry.text_at(&["search", "mode"]) != Some("include"));
        let count = matches.filter(|entry| entry.get("resource").is_some()).count();
        if search.total.is_some_and(|total| total != count) {
            let expected = format!("{} matches", search.total.unwrap_or_default());
            return Step::failed(name, expected, format!("{count} matches"));
        }
        if let Some(expression) = &search.expression {
            let expected = search.value.as_deref().map(|value| fill(value, &self.control, &self.context));
            let values = match crate::expression::evaluate(bundle, expression) {
                Ok(values) => values,
                Err(said) => return Step::error(name, said),
            };
            let holds = expected.as_ref().map_or(values.holds, |expected| values.texts.contains(expected));
            if !holds {
                let expected = expected.unwrap_or_else(|| "true".to_owned());
                return Step::failed(name, format!("{expression} = {expected}"), values.texts.join(", "));
            }
        }
        Step::passed(name)
    }

    async fn forwarded(&self, forwarded: &Forwarded) {
        let name = forwarded.name.clone().unwrap_or_else(|| "the partner receives it".to_owned());
        let Some(partner) = &self.partner else {
            return self
                .recorder
                .step(Step::error(name, "the suite names no partner: [partner] listen = \"HOST:PORT\""));
        };
        let wanted: Vec<String> =
            forwarded.contains.iter().map(|text| fill(text, &self.control, &self.context)).collect();
        let deadline = tokio::time::Instant::now() + forwarded.within.unwrap_or(Duration::from_secs(10));
        loop {
            let count = partner.count(&wanted);
            let enough = if forwarded.times == 0 { false } else { count >= forwarded.times };
            if enough || tokio::time::Instant::now() >= deadline {
                let step = if count == forwarded.times {
                    Step::passed(name)
                } else {
                    Step::failed(name, format!("{} messages", forwarded.times), format!("{count} messages"))
                };
                return self.recorder.step(step);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// How long silence has to last where no answer is expected.
const QUIET: Duration = Duration::from_secs(1);

/// Between two looks at something that takes its time.
const POLL: Duration = Duration::from_millis(50);

fn status(exchange: &crate::client::Exchange) -> String {
    match &exchange.answer {
        Ok(answer) => format!("status {}", answer.status),
        Err(error) => error.to_string(),
    }
}

/// Whether the answers are those that the step expects.
fn judge(name: &str, send: &Send, message: &[u8], answers: &Answers) -> Step {
    let wanted = send.answers_wanted();
    let expected = match (&send.answers[..], wanted) {
        ([], _) => "no answer".to_owned(),
        (codes, 1) => format!("one answer of {}", codes.join(" or ")),
        (codes, count) => format!("{count} answers of {}", codes.join(" or ")),
    };
    if answers.frames.len() != wanted || answers.trouble.is_some() {
        let got = format!("{} answers{}", answers.frames.len(), answers.why());
        return Step::failed(name, expected, got);
    }
    let control = Message::parse(message).map(|parsed| parsed.message.control_id()).unwrap_or_default();
    for frame in &answers.frames {
        let Ok(parsed) = Message::parse(frame) else {
            return Step::failed(name, expected, "an answer that is no HL7 v2 message");
        };
        let answer = parsed.message;
        let Some(msa) = answer.segment("MSA") else {
            return Step::failed(name, expected, "an answer without MSA");
        };
        let code = msa.field(1).text().into_owned();
        if !send.answers.contains(&code) {
            return Step::failed(name, expected, format!("MSA-1 is {}", word(&code)));
        }
        if send.echo && !control.is_empty() && msa.field(2).text() != control {
            return Step::failed(name, "MSA-2 repeats MSH-10 of the message", "MSA-2 is another");
        }
        if send.echo && answer.message_code() != "ACK" && !answer.message_code().starts_with("OR") {
            return Step::failed(name, "MSH-9 of the answer is ACK or a response", "another message");
        }
        if let Some(condition) = &send.condition {
            let conditions: Vec<String> = answer
                .segments()
                .filter(|segment| segment.name() == "ERR")
                .map(|segment| segment.field(3).component(1).text().into_owned())
                .collect();
            if !conditions.contains(condition) {
                let got = format!("ERR-3 of {} segments without it", conditions.len());
                return Step::failed(name, format!("ERR-3 is {condition}"), got);
            }
        }
    }
    Step::passed(name)
}

/// A code of an answer for the report, if it looks like one and not like content.
fn word(code: &str) -> &str {
    if code.len() <= 3 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()) { code } else { "no code" }
}

/// A command that sends the message again, with the frame.
fn netcat(address: &str, message: &[u8]) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    if message.len() > 4096 {
        return format!("# a message of {} bytes to {address}", message.len());
    }
    let mut quoted = String::from("\\013");
    for byte in message {
        match byte {
            b' '..=b'~' if !matches!(byte, b'\'' | b'\\' | b'%') => quoted.push(char::from(*byte)),
            other => quoted.push_str(&format!("\\{other:03o}")),
        }
    }
    format!("printf '{quoted}\\034\\015' | nc -w 5 {host} {port}")
}

#[cfg(test)]
mod tests;

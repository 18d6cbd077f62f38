//! One peer on one connection: each message in its turn, each answer as soon as what it says is true.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use formats::hl7v2::{AckCode, Control, Sequence, Turn};
use formats::mllp::encode;
use model::outcome::Issue;
use store::{Exchanges, RepeatKey};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::answer::{self, Answer, answered};
use super::batch;
use super::header::{Header, Wanted};
use crate::app::App;
use crate::config::{Order, Source};
use crate::mllp::{self, Place};
use crate::pipeline::{self, Accepted, Cause, Inbound, Outcome, Refusal, Transport};

/// A peer that does not read its answers for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Whoever is on the other side, and what is known of it.
pub(super) struct Peer<'a, S> {
    app: &'a App,
    pub(super) stream: S,
    certificate: Option<String>,
    /// Its places among the connections of the sources it has sent for.
    places: Vec<(String, Place)>,
    /// Answers that wait to be sent as one batch.
    batch: Option<Vec<Answer>>,
}

/// A message on its way through.
struct Case<'a> {
    header: Header,
    source: Option<&'a Source>,
    raw: Bytes,
    /// Under what the sequence number of its sender is kept, with the number and what is expected.
    numbered: Option<(String, Sequence)>,
    control: Control,
}

impl<'a, S: AsyncWrite + Unpin + Send> Peer<'a, S> {
    pub(super) fn new(app: &'a App, stream: S, certificate: Option<String>) -> Self {
        Self { app, stream, certificate, places: Vec::new(), batch: None }
    }

    /// Processes what a frame holds.
    pub(super) async fn answer_frame(&mut self, frame: Vec<u8>) -> io::Result<()> {
        let payload = Bytes::from(frame);
        let Some(parts) = pipeline::batch(&payload) else { return self.answer_message(payload).await };
        let asks = parts.first().is_some_and(|first| {
            let source = Header::read(first).source(&self.app.config, self.certificate.as_deref());
            source.is_some_and(|source| source.mllp.batch_answer)
        });
        let header = asks.then(|| batch::header(&payload)).flatten();
        self.batch = header.is_some().then(Vec::new);
        for raw in parts {
            self.answer_message(raw).await?;
        }
        match (header, self.batch.take()) {
            (Some(header), Some(answers)) => self.write(&batch::answer(&header, &answers, self.app.clock.now())).await,
            _ => Ok(()),
        }
    }

    async fn answer_message(&mut self, raw: Bytes) -> io::Result<()> {
        let header = Header::read(&raw);
        let source = header.source(&self.app.config, self.certificate.as_deref());
        if self.acknowledged(&header, &raw).await? {
            return Ok(());
        }
        let mut case = Case { header, source, raw, numbered: None, control: Control::default() };
        if !self.has_place(source) {
            let issue = Issue::error("throttled", "the source has as many connections as it may have");
            let refused = Err(Refusal::new(Cause::Busy, issue));
            self.send(answer::application(self.app, &case.raw, &refused, case.control)).await?;
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let turn = match source {
            Some(source) if source.mllp.order == Order::Sender || source.mllp.sequence_numbers => {
                let (application, facility) = case.header.sender();
                let sender = mllp::sender(&source.name, application, facility);
                match self.app.mllp.turns.hold(&sender, self.app.config.listen.request_timeout).await {
                    Some(turn) => Some(turn),
                    None => {
                        let issue = Issue::error("throttled", "messages before this one take too long: send it again");
                        return self.refuse(&case, Refusal::new(Cause::Busy, issue)).await;
                    }
                }
            }
            _ => None,
        };
        let ended = match self.begin(&mut case).await {
            Begun::Process => self.process(&mut case).await,
            Begun::Refuse(refusal) => self.refuse(&case, refusal).await,
            Begun::Answered => {
                let enhanced = case.header.enhanced().is_some_and(|wanted| wanted.accept.may_be());
                let code = if enhanced { AckCode::CommitAccept } else { AckCode::ApplicationAccept };
                self.send(answer::link(&case.raw, code, self.app.clock.now(), case.control)).await
            }
        };
        drop(turn);
        ended
    }

    /// Takes an application acknowledgement that a partner sends us as a message of its own. One that nobody waits for is
    /// a message like any other; a commit acknowledgement here answers nothing, and is never answered.
    async fn acknowledged(&mut self, header: &Header, raw: &[u8]) -> io::Result<bool> {
        let is_alone = header.is_acknowledgement();
        if !is_alone && self.app.mllp.waiting.is_empty() {
            return Ok(false);
        }
        let Some(answer) = answered(raw) else { return Ok(false) };
        if !answer.is_application() {
            return Ok(is_alone);
        }
        let settled = mllp::settle(self.app, &answer.control_id, &answer.code).await;
        if !settled || !is_alone {
            // What carries more than the acknowledgement is processed for it.
            return Ok(false);
        }
        if header.wants_commit() {
            let answer = answer::link(raw, AckCode::CommitAccept, self.app.clock.now(), Control::default());
            self.send(answer).await?;
        }
        Ok(true)
    }

    fn has_place(&mut self, source: Option<&Source>) -> bool {
        let Some((source, most)) = source.and_then(|source| Some((source, source.mllp.connections?))) else {
            return true;
        };
        if self.places.iter().any(|(name, _)| *name == source.name) {
            return true;
        }
        match self.app.mllp.places.take(&format!("source {}", source.name), most) {
            Some(place) => {
                self.places.push((source.name.clone(), place));
                true
            }
            None => {
                self.app.metrics.refusal("mllp-source-limit");
                false
            }
        }
    }

    /// The sequence number protocol, where the source uses it.
    async fn begin(&mut self, case: &mut Case<'_>) -> Begun {
        let Some(source) = case.source.filter(|source| source.mllp.sequence_numbers) else { return Begun::Process };
        let (application, facility) = case.header.sender();
        let key = mllp::sender(&source.name, application, facility);
        let sequence = self.app.mllp.numbers.get(&key).map(Sequence::of).unwrap_or_default();
        let turn = sequence.turn(case.header.sequence());
        if turn != Turn::Unnumbered {
            case.control.expected_sequence = Some(sequence.answer());
        }
        let refusal = |text: String| {
            let issue = Issue::error("business-rule", text).at("MSH-13").rule("sequence-number");
            Begun::Refuse(Refusal::new(Cause::Conflict, issue))
        };
        match turn {
            Turn::Unnumbered => Begun::Process,
            Turn::Next => {
                case.numbered = Some((key, sequence));
                Begun::Process
            }
            Turn::Link { after } => {
                if after != sequence
                    && let Err(error) = self.app.mllp.numbers.put(&key, after.answer()).await
                {
                    return Begun::Refuse(unkept(&error));
                }
                case.control.expected_sequence = Some(after.answer());
                if case.header.is_alone() { Begun::Answered } else { Begun::Process }
            }
            // The stored answer to a repeat; anything else under an old number was lost between us.
            Turn::Earlier if self.is_repeat(source, &case.raw) => Begun::Process,
            Turn::Earlier => refusal(format!("expected sequence number {}, found an earlier one", sequence.answer())),
            Turn::Gap => refusal(format!("expected sequence number {}, found a later one", sequence.answer())),
            Turn::Unreadable => refusal("expected a whole number from -1 on".to_owned()),
        }
    }

    fn is_repeat(&self, source: &Source, raw: &[u8]) -> bool {
        use sha2::Digest;
        let Ok(parsed) = formats::hl7v2::Message::parse(raw) else { return false };
        let field = |number| parsed.message.segment_at(0).map(|msh| msh.field(number).raw().to_owned());
        let key = RepeatKey {
            source: source.name.clone(),
            sending_application: field(3).unwrap_or_default(),
            sending_facility: field(4).unwrap_or_default(),
            message_control_id: parsed.message.control_id(),
        };
        let digest: [u8; 32] = sha2::Sha256::digest(raw).into();
        self.app.store.repeats(&key).is_ok_and(|repeats| repeats.iter().any(|repeat| repeat.sha256 == digest))
    }

    /// Moves the sender's number on once a message is kept, whatever became of it.
    async fn numbered<T>(&self, case: &mut Case<'_>, ended: Result<T, Refusal>) -> Result<T, Refusal> {
        let is_kept = match &ended {
            Ok(_) => true,
            Err(refusal) => refusal.exchange().is_some() && !refusal.cause().is_retryable(),
        };
        let Some((key, sequence)) = case.numbered.take().filter(|_| is_kept) else { return ended };
        let next = sequence.taken(case.header.sequence());
        match self.app.mllp.numbers.put(&key, next.answer()).await {
            Ok(()) => {
                case.control.expected_sequence = Some(next.answer());
                ended
            }
            Err(error) => Err(unkept(&error)),
        }
    }

    async fn process(&mut self, case: &mut Case<'_>) -> io::Result<()> {
        let app = self.app;
        let inbound = Inbound {
            source: case.source.map(|source| source.name.clone()).unwrap_or_default(),
            transport: Transport::Mllp,
            received_at: app.clock.now(),
            raw: case.raw.clone(),
            content_type: None,
        };
        let Some(wanted) = case.header.enhanced() else {
            let answer = app.ingest.receive_message(app, inbound).await.map(|answer| answer.outcome().clone());
            let answer = self.numbered(case, answer).await;
            return self.send(answer::application(app, &case.raw, &answer, case.control)).await;
        };
        if !wanted.accept.may_be() {
            // No commit acknowledgement in any case: accept and commit are one durable step.
            let answer = app.ingest.receive_message(app, inbound).await.map(|answer| answer.outcome().clone());
            let answer = self.numbered(case, answer).await;
            return self.reply(case, wanted, &answer).await;
        }
        let accepted = app.ingest.accept(app, inbound).await;
        let accepted = self.numbered(case, accepted).await;
        let told = match wanted.accept.on(accepted.is_ok()) {
            true => self.send(answer::commit(app, &case.raw, &accepted, case.control)).await,
            false => Ok(()),
        };
        // A sender that has gone meanwhile has sent the message all the same: it is processed, and answered at its address.
        let answer = match accepted {
            Ok(Accepted::New(arrived)) => app.ingest.process(app, arrived).await,
            Ok(Accepted::Repeat(outcome)) => Ok(outcome),
            // A commit error has said everything; without one, the application acknowledgement says it.
            Err(_) if wanted.accept.on(false) => return told,
            Err(refusal) => Err(refusal),
        };
        self.reply(case, wanted, &answer).await?;
        told
    }

    /// The application acknowledgement of the enhanced mode: here, or where the source wants it.
    async fn reply(&mut self, case: &Case<'_>, wanted: Wanted, answer: &Result<Outcome, Refusal>) -> io::Result<()> {
        if !wanted.application.on(answer.is_ok()) {
            return Ok(());
        }
        let Some(source) = case.source.filter(|source| source.mllp.reply.is_some()) else {
            return self.send(answer::application(self.app, &case.raw, answer, case.control)).await;
        };
        let control = Control { is_message: true, ..case.control };
        let reply = answer::application(self.app, &case.raw, answer, control);
        let exchange = match answer {
            Ok(outcome) => Some(outcome.exchange),
            Err(refusal) => refusal.exchange(),
        };
        if let Err(error) = mllp::owe(self.app, &source.name, exchange, &reply.control_id, &reply.bytes).await {
            self.app.metrics.alarm("application-ack");
            tracing::error!(source = source.name, %error, "an application acknowledgement will not be sent");
        }
        Ok(())
    }

    /// Answers a message that nothing was done with.
    async fn refuse(&mut self, case: &Case<'_>, refusal: Refusal) -> io::Result<()> {
        let answer = match case.header.enhanced() {
            Some(wanted) if wanted.accept.on(false) => answer::commit(self.app, &case.raw, &Err(refusal), case.control),
            Some(wanted) if !wanted.application.on(false) => return Ok(()),
            _ => answer::application(self.app, &case.raw, &Err(refusal), case.control),
        };
        self.send(answer).await
    }

    pub(super) async fn send(&mut self, answer: Answer) -> io::Result<()> {
        self.app.metrics.acknowledgement(answer.code.as_str());
        match &mut self.batch {
            Some(answers) => {
                answers.push(answer);
                Ok(())
            }
            None => self.write(&answer.bytes).await,
        }
    }

    async fn write(&mut self, message: &[u8]) -> io::Result<()> {
        let write = async {
            self.stream.write_all(&encode(message)).await?;
            self.stream.flush().await
        };
        tokio::time::timeout(WRITE_TIMEOUT, write).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// What the sequence number says about what to do.
enum Begun {
    Process,
    Refuse(Refusal),
    /// There is nothing to process: the link is answered for.
    Answered,
}

fn unkept(error: &mllp::ShelfError) -> Refusal {
    tracing::error!(%error, "a sequence number could not be kept");
    Refusal::new(Cause::Storage, Issue::error("no-store", "the sequence number could not be kept"))
}

//! The one thread that writes: it takes what waits as a group, works it out, appends one frame with one sync, makes the
//! rows visible and answers everybody.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use model::time::Clock;
use tokio::sync::oneshot;

use crate::commit::{Commit, Committed};
use crate::disk::group::{Counters, Group, Taken};
use crate::disk::replay::{self, Replayed};
use crate::disk::{Shared, Space, store_directory};
use crate::error::Error;
use crate::index::{Applied, OpenIndex};
use crate::journal::Tail;
use crate::revisions::Written;

/// How often an idle writer looks whether the index has to be opened again.
const IDLE: Duration = Duration::from_secs(1);
/// Pause between attempts to open the index again.
const REOPEN_PAUSE: Duration = Duration::from_secs(2);
/// How long a group waits for sled to catch up before its commits are refused as [`Error::Busy`].
const ROOM_WAIT: Duration = Duration::from_secs(10);
/// A group's buffer is kept for the next one up to this size.
const KEPT_BUFFER: usize = 8 << 20;

/// A commit that waits, and whom to answer.
pub(super) struct Request {
    pub(super) commit: Commit,
    pub(super) answer: oneshot::Sender<Result<Committed, Error>>,
}

/// Whom to answer, and what once the group is durable.
type Answer = (oneshot::Sender<Result<Committed, Error>>, Result<Taken, Error>);

pub(super) struct Writer {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    space: Space,
    tail: Tail,
    applied: Applied,
    next: Counters,
    buffer: Vec<u8>,
    reopened: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        space: Space,
        tail: Tail,
        replayed: Replayed,
    ) -> Self {
        let Replayed { applied, next } = replayed;
        Self { shared, clock, space, tail, applied, next, buffer: Vec::new(), reopened: None }
    }

    /// Serves requests until every sender is gone.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        let mut carried: Option<Request> = None;
        loop {
            let first = match carried.take() {
                Some(request) => request,
                None => match requests.recv_timeout(IDLE) {
                    Ok(request) => request,
                    Err(RecvTimeoutError::Timeout) => {
                        let _ = self.ready();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                },
            };
            if let Err(error) = self.ready() {
                let _ = first.answer.send(Err(error));
                continue;
            }
            carried = self.group(first, requests);
        }
    }

    /// Whether commits can be taken now.
    fn ready(&mut self) -> Result<(), Error> {
        let space = self.space.check(self.shared.config.min_free_bytes);
        let ready = space.and_then(|()| self.ready_index()).and_then(|()| self.shared.index.wait_for_room(ROOM_WAIT));
        self.shared.note(ready)
    }

    /// After an error of the index engine: closes it, opens it again and replays what it does not hold.
    fn ready_index(&mut self) -> Result<(), Error> {
        let Some(reason) = self.shared.index.failure() else { return Ok(()) };
        if self.reopened.is_some_and(|at| at.elapsed() < REOPEN_PAUSE) {
            return Err(Error::Index(reason));
        }
        self.reopened = Some(Instant::now());
        let config = &self.shared.config;
        self.shared.index.engine().close();
        let directory = store_directory(&config.directory).join("index");
        let journal = &self.shared.journal;
        let opened = OpenIndex::open(&directory, journal.id(), config.cache_bytes, config.open_timeout)?;
        let applied = opened.applied;
        self.shared.index.replace(opened);
        replay::replay(journal, &self.shared.index, applied)
            .inspect_err(|error| self.shared.index.fail(error.to_string()))?;
        tracing::info!("index engine is open again");
        Ok(())
    }

    /// Puts a group together beginning with `first`, writes it and answers. Gives back a commit that did not fit.
    fn group(&mut self, first: Request, requests: &Receiver<Request>) -> Option<Request> {
        let shared = Arc::clone(&self.shared);
        let config = &shared.config;
        let at = self.clock.now().max(self.applied.at);
        let mut answers: Vec<Answer> = Vec::new();
        let mut written = Written::default();
        let mut waiting = Some(first);
        let base = match self.tail.payload_position(&shared.journal, 1) {
            Ok(base) => base,
            Err(error) => {
                let _ = waiting.take()?.answer.send(Err(error));
                return None;
            }
        };
        let buffer = std::mem::take(&mut self.buffer);
        let mut group = Group::new(&shared.journal, &shared.index, base, self.next, buffer);
        while let Some(request) = waiting.take() {
            let room = self.tail.room(&shared.journal);
            match group.take(&request.commit, at, room) {
                Ok(Some(taken)) => {
                    written.add(&request.commit);
                    answers.push((request.answer, Ok(taken)));
                }
                Ok(None) if group.commits() > 0 => {
                    waiting = Some(request);
                    break;
                }
                Ok(None) => {
                    // Alone and too long for the rest of this segment: it opens the next one, or is too long for any.
                    let buffer = group.dropped();
                    let limit = shared.journal.frame_limit();
                    let fits_next = room < limit;
                    let moved = self.tail.payload_position(&shared.journal, if fits_next { limit } else { 1 });
                    match moved {
                        Ok(base) => group = Group::new(&shared.journal, &shared.index, base, self.next, buffer),
                        Err(error) => {
                            answers.push((request.answer, Err(error)));
                            self.buffer = buffer;
                            self.answer(answers);
                            return None;
                        }
                    }
                    if fits_next {
                        waiting = Some(request);
                        continue;
                    }
                    answers.push((request.answer, Err(Error::TooLarge { bytes: limit + 1, limit })));
                }
                // Told only when what it was measured against is durable and visible.
                Err(error) => answers.push((request.answer, Err(error))),
            }
            if answers.len() < config.group_commits && group.payload_bytes() < config.group_bytes {
                waiting = requests.try_recv().ok();
            }
        }
        self.write(group, answers, written, at);
        waiting
    }

    fn write(&mut self, group: Group<'_>, mut answers: Vec<Answer>, written: Written, at: model::time::Instant) {
        if group.commits() == 0 {
            self.buffer = group.dropped();
            return self.answer(answers);
        }
        let last = self.tail.place().0;
        let commits = group.commits();
        let appended = group.finish().and_then(|(rows, next, mut buffer)| {
            self.tail.append(&self.shared.journal, &mut buffer)?;
            Ok((rows, next, buffer))
        });
        let (rows, next, buffer) = match appended {
            Ok(appended) => appended,
            Err(error) => {
                tracing::error!(%error, commits, "a group of commits could not be written");
                for (_, answer) in &mut answers {
                    *answer = Err(match &error {
                        Error::Full { .. } => Error::Full { free: 0, needed: self.shared.config.min_free_bytes },
                        error => Error::Io {
                            doing: "write a group of commits",
                            source: std::io::Error::other(error.to_string()),
                        },
                    });
                }
                return self.answer(answers);
            }
        };
        let (position, sequence) = self.tail.place();
        self.applied = Applied { position, sequence, last, at };
        self.next = next;
        self.shared.index.put(rows, self.applied);
        self.shared.revisions.raise(written);
        self.shared.exchanges.store(next.exchange, Ordering::Release);
        self.shared.ledger.send_if_modified(|seen| std::mem::replace(seen, next.ledger) != next.ledger);
        // Last: whoever is answered sees what was committed by every way of reading.
        self.answer(answers);
        if buffer.capacity() <= KEPT_BUFFER {
            self.buffer = buffer;
        }
    }

    fn answer(&self, answers: Vec<Answer>) {
        for (waiting, answer) in answers {
            if let Ok(taken) = &answer {
                self.shared.end_claims(&taken.deliveries);
            }
            // Nobody waits any more if the future was dropped; the commit stands.
            let _ = waiting.send(answer.map(|taken| taken.committed));
        }
    }
}

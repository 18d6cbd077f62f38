//! What MLLP remembers from one connection to the next, and after a restart.
//!
//! ```text
//! waiting  application acknowledgements that partners still owe us (enhanced mode, as the initiating system)
//! replies  application acknowledgements that we owe senders as messages of their own
//! numbers  the expected sequence number of each sender
//! turns    who of one sender is processed now, over all of its connections
//! places   connections of one address and of one source
//! ```
//! The first three are durable and bounded; none holds content of a message.

use std::io;
use std::path::Path;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::App;

mod places;
mod replies;
mod shelf;
#[cfg(test)]
mod tests;
mod turns;
mod waiting;

pub(crate) use places::Place;
pub(crate) use replies::owe;
pub(crate) use shelf::ShelfError;
pub(crate) use waiting::{Awaited, WAITING, accepted, expect, forget, settle};

use places::Places;
use replies::Owed;
use shelf::Shelf;
use turns::Turns;

/// Most entries of each kind; in memory about 200 bytes each.
const MOST: usize = 50_000;

/// All of it.
#[derive(Debug)]
pub struct Memory {
    pub(crate) waiting: Shelf<Awaited>,
    pub(crate) replies: Shelf<Owed>,
    /// By source, MSH-3 and MSH-4: MSA-4 as it would be answered.
    pub(crate) numbers: Shelf<i64>,
    pub(crate) turns: Turns,
    pub(crate) places: Places,
    /// Wakes whoever sends replies.
    owed: watch::Sender<u64>,
}

impl Memory {
    /// Reads what is kept in a folder, and makes it where it is missing; without one nothing outlives the process.
    ///
    /// # Errors
    /// What the system says of the files.
    pub fn open(folder: Option<&Path>) -> io::Result<Self> {
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)?;
        }
        let file = |name: &str| folder.map(|folder| folder.join(name));
        Ok(Self {
            waiting: Shelf::open(file("waiting.jsonl"), MOST)?,
            replies: Shelf::open(file("replies.jsonl"), MOST)?,
            numbers: Shelf::open(file("numbers.jsonl"), MOST)?,
            turns: Turns::default(),
            places: Places::default(),
            owed: watch::Sender::new(0),
        })
    }
}

/// Starts what goes on beside the connections: the end of time limits, and the sending of replies.
pub(crate) fn run(app: &App, stop: &watch::Sender<bool>) -> Vec<JoinHandle<()>> {
    let mut tasks = vec![tokio::spawn(waiting::run(app.clone(), stop.subscribe()))];
    for source in &app.config.sources {
        if let Some(reply) = &source.mllp.reply {
            let (name, reply) = (source.name.clone(), reply.clone());
            tasks.push(tokio::spawn(replies::run(app.clone(), name, reply, stop.subscribe())));
        }
    }
    tasks
}

/// Under what a sender is known beyond one connection.
pub(crate) fn sender(source: &str, application: &str, facility: &str) -> String {
    format!("{source}\u{1f}{application}\u{1f}{facility}")
}

//! One connection to the listener under test: bytes out in the form asked for, frames in.

use std::time::Duration;

use formats::mllp::{Decoder, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::file::{Form, Send};

/// Largest answer that is read.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;

/// How long an answer too many is waited for.
const LINGER: Duration = Duration::from_millis(100);

/// A connection. Dropping it closes it.
pub(crate) struct Session {
    stream: TcpStream,
    decoder: Decoder,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The frames, without their framing.
    pub(crate) frames: Vec<Vec<u8>>,
    /// The other side closed the connection, or it broke.
    pub(crate) closed: bool,
    /// A frame that is none, or what the system said.
    pub(crate) trouble: Option<String>,
}

impl Answers {
    /// The end of a sentence that says how many answers there were.
    pub(crate) fn why(&self) -> String {
        match (&self.trouble, self.closed) {
            (Some(said), _) => format!(": {said}"),
            (None, true) => ", then the connection was closed".to_owned(),
            (None, false) => ", then silence".to_owned(),
        }
    }
}

impl Session {
    /// Opens a connection.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn connect(address: &str, wait: Duration) -> Result<Self, String> {
        let stream = tokio::time::timeout(wait, TcpStream::connect(address))
            .await
            .map_err(|_| format!("no connection within {wait:?}"))?
            .map_err(|error| format!("no connection: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream, decoder: Decoder::new(ANSWER_LIMIT_BYTES) })
    }

    /// Sends the message as often as the step says and reads until `wanted` answers are there, or for `wait`.
    ///
    /// Every sending waits for its answers before the next: the rule of MLLP for one connection.
    pub(crate) async fn exchange(&mut self, message: &[u8], send: &Send, wanted: usize, wait: Duration) -> Answers {
        let mut answers = Answers::default();
        let each = wanted / send.times;
        for sent in 1..=send.times {
            if let Err(said) = self.write(message, send.form, wait).await {
                answers.closed = true;
                answers.trouble = Some(said);
                return answers;
            }
            self.read(each * sent, wait, &mut answers).await;
            if answers.frames.len() > each * sent {
                answers.trouble = Some("one came before it was asked for".to_owned());
            }
            if answers.closed || answers.frames.len() != each * sent {
                return answers;
            }
        }
        // An answer too many comes right behind the last.
        if wanted > 0 {
            self.read(wanted + 1, LINGER, &mut answers).await;
        }
        answers
    }

    async fn write(&mut self, message: &[u8], form: Form, wait: Duration) -> Result<(), String> {
        let frame = match form {
            Form::Bare => message.to_vec(),
            _ => encode(message),
        };
        let deadline = Instant::now() + wait;
        let mut write = async |bytes: &[u8]| match timeout_at(deadline, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("the connection broke: {error}")),
            Err(_) => Err("the message was not taken in time".to_owned()),
        };
        match form {
            Form::Whole | Form::Bare => write(&frame).await,
            Form::Bytes => {
                for byte in frame.chunks(1) {
                    write(byte).await?;
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
            Form::Halves => {
                let (first, second) = frame.split_at(frame.len() / 2);
                write(first).await?;
                tokio::time::sleep(Duration::from_millis(300)).await;
                write(second).await
            }
            Form::Noise => {
                write(b"\r\nnoise\r\n").await?;
                write(&frame).await
            }
            Form::Open => write(frame.get(..frame.len().saturating_sub(2)).unwrap_or_default()).await,
        }
    }

    async fn read(&mut self, wanted: usize, wait: Duration, answers: &mut Answers) {
        let deadline = Instant::now() + wait;
        let mut buffer = [0_u8; 8192];
        loop {
            while let Some(frame) = self.decoder.next() {
                match frame {
                    Ok(frame) => answers.frames.push(frame),
                    Err(error) => answers.trouble = Some(error.to_string()),
                }
            }
            // Silence has to last its time: an answer too many counts as well.
            if wanted > 0 && answers.frames.len() >= wanted || answers.trouble.is_some() {
                return;
            }
            match timeout_at(deadline, self.stream.read(&mut buffer)).await {
                Err(_) => return,
                Ok(Ok(0)) => {
                    answers.closed = true;
                    return;
                }
                Ok(Ok(length)) => self.decoder.push(buffer.get(..length).unwrap_or_default()),
                Ok(Err(error)) => {
                    answers.closed = true;
                    answers.trouble = Some(format!("the connection broke: {error}"));
                    return;
                }
            }
        }
    }
}

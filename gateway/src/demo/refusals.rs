//! Step 8: what cannot be taken is refused with its reason, and kept.

use bytes::Bytes;
use http::Method;

use super::client::{Content, mllp};
use super::print::Tone;
use super::scene::{Scene, met};
use super::{Error, Unmet, samples};

const REFUSALS: &str = "What cannot be read is refused with its reason, and kept: nothing disappears";

pub(super) async fn tell(scene: &mut Scene) -> Result<(), Error> {
    refusals(scene).await.map_err(|unmet| unmet.in_step(REFUSALS))
}

async fn refusals(scene: &mut Scene) -> Result<(), Unmet> {
    scene.reporter.step(REFUSALS);
    rejected(scene, "unknown message type", "ZZZ^Z99", samples::UNKNOWN).await?;
    rejected(scene, "bytes that are no HL7", "a letter", samples::NOT_HL7).await?;
    let content = Content {
        token: Some(&scene.tokens.administrator),
        media_type: "application/cda+xml",
        body: Bytes::from_static(samples::TRAP.as_bytes()),
    };
    let answer = scene.https.send(Method::POST, "/ingest/letters", content).await?.with_status(400, "a trap")?;
    let (reason, id) =
        (answer.diagnostics(), answer.header("location").rsplit('/').next().unwrap_or_default().to_owned());
    refused(scene, "a trap in XML", &id).await?;
    met(reason.contains("document type"), "a reason that names the document type", &reason)?;
    scene.reporter.told("a trap", Tone::Stopped, &format!("400 (not read): {reason}"));
    let sent = (scene.clinic.got.count(), scene.insurer.got.count());
    met(sent == (6, 2), "nothing of it at the partners", format!("{} and {}", sent.0, sent.1))
}

/// Sends a message that must be refused for good.
async fn rejected(scene: &mut Scene, what: &'static str, label: &str, sample: &str) -> Result<(), Unmet> {
    let answer = mllp(scene.mllp, &samples::on_the_wire(sample)).await?;
    met(answer.code == "AR", "the acknowledgement AR", format!("{} {}", answer.code, answer.reason))?;
    met(!answer.reason.is_empty(), "a reason", "none")?;
    refused(scene, what, &answer.exchange).await?;
    scene.reporter.told(label, Tone::Stopped, &format!("AR (rejected): {}", answer.reason));
    Ok(())
}

/// Checks that what was refused can be looked up.
async fn refused(scene: &mut Scene, what: &'static str, id: &str) -> Result<(), Unmet> {
    let exchange = scene.exchange(id, |_| true).await?;
    let state = exchange.text_at(&["state"]).unwrap_or_default();
    met(state == "refused", "the state refused", state)?;
    scene.keep(what, id);
    Ok(())
}

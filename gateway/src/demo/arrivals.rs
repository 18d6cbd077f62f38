//! Steps 1 to 7: what arrives is translated, kept, and sent on or withheld as the patient wants it.

use bytes::Bytes;
use http::Method;
use model::json::Json;

use super::client::{Acknowledged, Content, mllp};
use super::print::Tone;
use super::scene::{Fate, Scene, met};
use super::{Error, Unmet, samples};

const REGISTRATION: &str = "A patient is registered (HL7 v2 ADT^A04); she has not yet said who may see what";
const CONSENTS: &str = "She decides, the front desk files it (FHIR Consent), and the registration is replayed";
const RESULTS: &str = "An old laboratory sends four results (HL7 v2.3 ORU^R01): no time zone, and one cannot be read";
const REPEAT: &str = "The laboratory sends the same bytes again";
const WEIGHT: &str = "Her scale at home sends a weight, as FHIR over HTTPS";
const UPDATE: &str = "She changes her mind about the insurer; then a new address arrives (ADT^A08)";
const MERGE: &str = "A number given in a hurry, HURRY-0815, is hers too: the two records are merged (ADT^A40)";
const LETTER: &str = "A practice sends a letter about a man nobody here knows (C-CDA over HTTPS)";

pub(super) async fn tell(scene: &mut Scene) -> Result<(), Error> {
    let registered = registration(scene).await.map_err(|unmet| unmet.in_step(REGISTRATION))?;
    consents(scene, &registered).await.map_err(|unmet| unmet.in_step(CONSENTS))?;
    let first = results(scene).await.map_err(|unmet| unmet.in_step(RESULTS))?;
    repeat(scene, &first).await.map_err(|unmet| unmet.in_step(REPEAT))?;
    weight(scene).await.map_err(|unmet| unmet.in_step(WEIGHT))?;
    update(scene).await.map_err(|unmet| unmet.in_step(UPDATE))?;
    merge(scene).await.map_err(|unmet| unmet.in_step(MERGE))?;
    letter(scene).await.map_err(|unmet| unmet.in_step(LETTER))
}

/// Ends with the id of the exchange.
async fn registration(scene: &mut Scene) -> Result<String, Unmet> {
    scene.reporter.step(REGISTRATION);
    let exchange = taken(scene, "registration", samples::REGISTRATION).await?.1;
    scene.reporter.fact("answered", "AA (accepted), which is never said before all of it is on disk");
    let patient = exchange.text_at(&["patient"]).unwrap_or_default();
    scene.patient = patient.strip_prefix("Patient/").unwrap_or_default().to_owned();
    met(!scene.patient.is_empty(), "an exchange that names its patient", patient)?;
    scene.delivery(&exchange, "clinic", Fate::Withheld)?;
    scene.delivery(&exchange, "insurer", Fate::Withheld)?;
    got(scene, 0, 0)?;
    scene.anchored(&exchange).await?;
    let text = "(arrival and both decisions, as salted digests; a checkpoint signs the sum of all records)";
    scene.reporter.fact("", text);
    Ok(exchange.text_at(&["id"]).unwrap_or_default().to_owned())
}

async fn consents(scene: &mut Scene, registered: &str) -> Result<(), Unmet> {
    scene.reporter.step(CONSENTS);
    let clinic = samples::about(samples::CONSENT_CLINIC, &scene.patient);
    scene.put("consent for the clinic", "Consent/for-clinic", clinic, 201).await?;
    scene.reporter.fact("filed", "Consent/for-clinic: the clinic may have her data, for treatment");
    let insurer = samples::about(samples::CONSENT_INSURER_NO, &scene.patient);
    scene.put("consent for the insurer", "Consent/for-insurer", insurer, 201).await?;
    scene.reporter.fact("filed", "Consent/for-insurer: the insurer may not have any of it");
    replay(scene, registered).await?;
    let exchange = scene.exchange(registered, |exchange| exchange.text_at(&["state"]) != Some("withheld")).await?;
    scene.delivery(&exchange, "clinic", Fate::Sent("as FHIR"))?;
    scene.delivery(&exchange, "insurer", Fate::Withheld)?;
    got(scene, 1, 0)
}

async fn results(scene: &mut Scene) -> Result<Acknowledged, Unmet> {
    scene.reporter.step(RESULTS);
    let (answer, exchange) = taken(scene, "laboratory results", samples::RESULTS).await?;
    let about_potassium = |issue: &&Json| place(issue) == "OBX[3]-14";
    let issue = exchange.items("issues").iter().find(about_potassium);
    let issue = issue.ok_or_else(|| Unmet::new("an issue about OBX[3]-14", "none"))?;
    let reason = issue.text_at(&["diagnostics"]).unwrap_or_default();
    got(scene, 2, 0)?;
    let sent = String::from_utf8_lossy(&scene.clinic.got.last()).into_owned();
    let observations = sent.matches(r#""resourceType":"Observation""#).count();
    met(observations == 4, "4 observations at the clinic", observations)?;
    met(sent.contains(r#""value":4.50"#), "glucose 4.50 at the clinic, its last digit kept", "another value")?;
    met(sent.contains(r#""valueString":"haemolysed""#), "potassium as text at the clinic", "something else")?;
    let potassium = "has a word for a number and an unreadable time: both kept as they came, and told:";
    scene.reporter.told("potassium", Tone::Stopped, potassium);
    scene.reporter.told("", Tone::Stopped, &format!("OBX[3]-14: {reason}"));
    scene.reporter.fact("the rest", "three results are whole, and 4.50 is still 4.50, not 4.5");
    scene.delivery(&exchange, "clinic", Fate::Sent("as FHIR"))?;
    scene.delivery(&exchange, "insurer", Fate::Withheld)?;
    scene.anchored(&exchange).await?;
    Ok(answer)
}

async fn repeat(scene: &mut Scene, first: &Acknowledged) -> Result<(), Unmet> {
    let answer = mllp(scene.mllp, &samples::on_the_wire(samples::RESULTS)).await?;
    met(answer.bytes == first.bytes, "the same answer, byte for byte", &answer.code)?;
    got(scene, 2, 0)?;
    let text = format!("the same bytes once more: the same {}; nothing is stored, sent or anchored twice", answer.code);
    scene.reporter.fact("repeat", &text);
    Ok(())
}

async fn weight(scene: &mut Scene) -> Result<(), Unmet> {
    scene.reporter.step(WEIGHT);
    let body = samples::about(samples::WEIGHT, &scene.patient);
    let content =
        Content { token: Some(&scene.tokens.home_scale), media_type: "application/fhir+json", body: Bytes::from(body) };
    let answer = scene.https.send(Method::POST, "/ingest/home-scale", content).await?.with_status(201, "a weight")?;
    let id = answer.header("location").rsplit('/').next().unwrap_or_default().to_owned();
    scene.keep("weight", &id);
    let exchange = scene.exchange(&id, |_| true).await?;
    scene
        .reporter
        .fact("received", "1 FHIR resource, taken as it stands once it is valid R4; stored, then answered 201");
    scene.delivery(&exchange, "clinic", Fate::Sent("as FHIR"))?;
    got(scene, 3, 0)?;
    let sent = String::from_utf8_lossy(&scene.clinic.got.last()).into_owned();
    met(sent.contains("61.0"), "the weight 61.0 at the clinic", "another value")?;
    scene.delivery(&exchange, "insurer", Fate::Withheld)?;
    scene.anchored(&exchange).await
}

async fn update(scene: &mut Scene) -> Result<(), Unmet> {
    scene.reporter.step(UPDATE);
    let consent = samples::about(samples::CONSENT_INSURER_YES, &scene.patient);
    scene.put("consent for the insurer, changed", "Consent/for-insurer", consent, 200).await?;
    scene.reporter.fact("filed", "Consent/for-insurer, version 2: the insurer may, for payment. It holds from now on");
    let exchange = taken(scene, "update", samples::UPDATE).await?.1;
    scene.delivery(&exchange, "clinic", Fate::Sent("as FHIR"))?;
    scene.delivery(&exchange, "insurer", Fate::Sent("as HL7 v2, its own format"))?;
    got(scene, 4, 1)?;
    let sent = String::from_utf8_lossy(&scene.insurer.got.last()).into_owned();
    met(
        sent.starts_with("MSH|") && sent.contains("NOWHERE ROW"),
        "HL7 v2 with the new address at the insurer",
        "else",
    )?;
    scene.anchored(&exchange).await
}

async fn merge(scene: &mut Scene) -> Result<(), Unmet> {
    scene.reporter.step(MERGE);
    let exchange = taken(scene, "merge", samples::MERGE).await?.1;
    let patient = exchange.text_at(&["patient"]).unwrap_or_default();
    met(patient == format!("Patient/{}", scene.patient), "the patient's own record as the survivor", patient)?;
    scene.delivery(&exchange, "clinic", Fate::Sent("as FHIR"))?;
    scene.delivery(&exchange, "insurer", Fate::Sent("as HL7 v2"))?;
    got(scene, 5, 2)?;
    scene.anchored(&exchange).await
}

/// His record is a new one: nothing of the letter goes out before he has said so.
async fn letter(scene: &mut Scene) -> Result<(), Unmet> {
    scene.reporter.step(LETTER);
    let content = Content {
        token: Some(&scene.tokens.administrator),
        media_type: "application/cda+xml",
        body: Bytes::from_static(samples::LETTER.as_bytes()),
    };
    let answer = scene.https.send(Method::POST, "/ingest/letters", content).await?.with_status(201, "a letter")?;
    let id = answer.header("location").rsplit('/').next().unwrap_or_default().to_owned();
    scene.keep("letter", &id);
    let exchange = scene.exchange(&id, |_| true).await?;
    received(scene, &exchange, "names of codes and templates")?;
    scene.delivery(&exchange, "clinic", Fate::Withheld)?;
    got(scene, 5, 2)?;
    let patient = exchange.text_at(&["patient"]).and_then(|it| it.strip_prefix("Patient/")).unwrap_or_default();
    met(!patient.is_empty(), "an exchange that names its patient", patient)?;
    let consent = samples::about(samples::CONSENT_CLINIC, patient).replace("\"for-clinic\"", "\"letter-for-clinic\"");
    scene.put("consent of the man in the letter", "Consent/letter-for-clinic", consent, 201).await?;
    scene.reporter.fact("filed", "Consent/letter-for-clinic: he agrees, and the letter is replayed");
    replay(scene, &id).await?;
    let exchange = scene.exchange(&id, |exchange| exchange.text_at(&["state"]) != Some("withheld")).await?;
    scene.delivery(&exchange, "clinic", Fate::Sent("as FHIR"))?;
    got(scene, 6, 2)?;
    let sent = String::from_utf8_lossy(&scene.clinic.got.last()).into_owned();
    met(sent.contains(r#""code":"90560007""#), "the problem of the letter at the clinic", "something else")?;
    met(sent.contains(r#""resourceType":"Composition""#), "its Composition at the clinic", "none")?;
    scene.anchored(&exchange).await
}

async fn replay(scene: &Scene, exchange: &str) -> Result<(), Unmet> {
    let replay = Content { token: Some(&scene.tokens.administrator), ..Content::default() };
    let path = format!("/exchanges/{exchange}/replay");
    scene.http.send(Method::POST, &path, replay).await?.with_status(202, "a replay").map(|_| ())
}

/// Sends a message that must be taken; tells how it was read and stored. The answer, and the exchange at its end.
async fn taken(scene: &mut Scene, what: &'static str, sample: &str) -> Result<(Acknowledged, Json), Unmet> {
    let answer = mllp(scene.mllp, &samples::on_the_wire(sample)).await?;
    met(answer.code == "AA", "the acknowledgement AA", format!("{} {}", answer.code, answer.reason))?;
    scene.keep(what, &answer.exchange);
    let exchange = scene.exchange(&answer.exchange, |_| true).await?;
    received(scene, &exchange, "delimiters and line numbers")?;
    Ok((answer, exchange))
}

/// Tells how an input was read, and checks that all of it is accounted for; what is dropped is no content.
fn received(scene: &mut Scene, exchange: &Json, dropped_are: &str) -> Result<(), Unmet> {
    let count =
        |name: &str| exchange.at(&["mapping", "loss", name]).and_then(Json::as_number).and_then(|it| it.as_u64());
    let (Some(total), Some(mapped), Some(kept), Some(dropped)) =
        (count("total"), count("mapped"), count("kept"), count("dropped"))
    else {
        return Err(Unmet::new("an exchange that accounts for every field", "no account"));
    };
    met(mapped + kept + dropped == total && total > 0, "mapped, kept and dropped to be all", total)?;
    // The rest is the gateway's own account of the message, and its envelope: no partner gets them.
    const ACCOUNT: [&str; 3] = ["AuditEvent/", "MessageHeader/", "Provenance/"];
    let is_content = |text: &&Json| !text.as_str().is_some_and(|it| ACCOUNT.iter().any(|kind| it.starts_with(kind)));
    let resources = exchange.items("resources").iter().filter(is_content).count();
    let text = format!(
        "{total} values into {resources} FHIR resources: {mapped} mapped, {kept} kept as they came, {dropped} {dropped_are}"
    );
    scene.reporter.fact("received", &text);
    Ok(())
}

/// Checks how many messages each partner has got by now.
fn got(scene: &Scene, clinic: usize, insurer: usize) -> Result<(), Unmet> {
    let found = (scene.clinic.got.count(), scene.insurer.got.count());
    let expected = format!("{clinic} messages at the clinic and {insurer} at the insurer");
    met(found == (clinic, insurer), expected, format!("{} and {}", found.0, found.1))
}

/// Where in the input an issue is: the first expression or location of an OperationOutcome's issue, or its `at`.
fn place(issue: &Json) -> &str {
    let first = |name: &str| issue.items(name).first().and_then(Json::as_str);
    first("expression").or_else(|| first("location")).or_else(|| issue.text_at(&["at"])).unwrap_or_default()
}

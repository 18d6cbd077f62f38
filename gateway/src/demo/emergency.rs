//! Step 9: a patient who cannot speak. Find, declare, summary; and what it leaves on record.

use std::time::Instant;

use model::bundle::resources;
use model::json::Json;
use model::resource::resource_type;

use super::scene::{Scene, list, met};
use super::{Error, Unmet};

const EMERGENCY: &str = "An ambulance: the patient cannot speak, so nobody can ask her";
const BIRTH_YEAR: u64 = 1979;

pub(super) async fn tell(scene: &mut Scene) -> Result<(), Error> {
    emergency(scene).await.map_err(|unmet| unmet.in_step(EMERGENCY))
}

async fn emergency(scene: &mut Scene) -> Result<(), Unmet> {
    scene.reporter.step(EMERGENCY);
    let patient = format!("Patient/{}", scene.patient);
    let plain = scene.http.get(&format!("/fhir/{patient}"), Some(&scene.tokens.paramedic)).await?;
    plain.with_status(404, "a paramedic who has not declared an emergency")?;
    scene.reporter.fact("before", "just asking for her record is answered 404, as if there were no such patient");

    find(scene, &patient).await?;
    let grant = declare(scene, &patient).await?;
    summary(scene, &grant).await?;
    on_record(scene, &patient).await
}

async fn find(scene: &mut Scene, patient: &str) -> Result<(), Unmet> {
    let known = [("family", "Sampleton"), ("given", "Mirabel"), ("birthDate", "1979-04-02")];
    let asked = Json::object(known.map(|(name, value)| (name, Json::from(value))));
    let answer =
        scene.paramedic("/emergency/find", &asked).await?.with_status(200, "a search in an emergency")?.json()?;
    let candidates = answer.as_array().unwrap_or_else(|| answer.items("candidates"));
    let first = candidates.first().unwrap_or(&Json::Null);
    met(first.text_at(&["patient"]) == Some(patient), "her record found by name and birth date", candidates.len())?;
    met(candidates.len() == 1, "one candidate: the merged record stands behind hers", candidates.len())?;
    scene.reporter.fact("find", "by name and date of birth from her wallet: 1 record fits");
    Ok(())
}

/// The id of the grant.
async fn declare(scene: &mut Scene, patient: &str) -> Result<String, Unmet> {
    let mut asked = vec![
        ("patient", Json::from(patient)),
        ("reason", Json::from("Found unconscious at home, allergies and medication needed")),
        ("confirm", Json::object([("birthYear", Json::from(BIRTH_YEAR - 1))])),
    ];
    let wrong = Json::object(asked.clone());
    scene.paramedic("/emergency/declare", &wrong).await?.with_status(422, "a declaration with another birth year")?;
    asked.pop();
    asked.push(("confirm", Json::object([("birthYear", Json::from(BIRTH_YEAR))])));
    let answer = scene.paramedic("/emergency/declare", &Json::object(asked)).await?;
    let grant = answer.with_status(201, "a declaration")?.json()?;
    let text = |name: &str| grant.text_at(&[name]).unwrap_or_default().to_owned();
    let (id, exchange) = (text("id"), text("exchange"));
    met(!id.is_empty() && !exchange.is_empty(), "a grant with its exchange", &id)?;
    scene.keep("emergency declared", &exchange);
    let until = text("expires");
    let until = until.get(11..16).unwrap_or(&until);
    scene.reporter.fact(
        "declare",
        &format!("with a reason, her birth year confirmed (a wrong one is refused); open until {until} UTC"),
    );
    Ok(id)
}

async fn summary(scene: &mut Scene, grant: &str) -> Result<(), Unmet> {
    let path = format!("/emergency/grants/{grant}/summary");
    let started = Instant::now();
    let answer = scene.http.get(&path, Some(&scene.tokens.paramedic)).await?.with_status(200, "a summary")?;
    let took = started.elapsed();
    let exchange = answer.header("exchange").to_owned();
    met(!exchange.is_empty(), "a summary that names its exchange", "none")?;
    met(answer.header("cache-control") == "no-store", "a summary that no cache keeps", answer.header("cache-control"))?;
    scene.keep("summary read", &exchange);
    let document = answer.json()?;
    let all: Vec<&Json> = resources(&document).collect();
    let of = |kind: &'static str| all.iter().filter(move |it| resource_type(it) == Some(kind)).copied();
    met(of("Composition").count() == 1, "an International Patient Summary", "no Composition")?;
    let allergies: Vec<&str> = of("AllergyIntolerance").map(name).collect();
    let problems: Vec<&str> = of("Condition").map(name).collect();
    met(allergies.len() == 2, "2 allergies", allergies.len())?;
    met(problems.len() == 2, "2 problems", problems.len())?;
    let results = of("Observation").count();
    met(results == 5, "5 results", results)?;
    let text =
        format!("an International Patient Summary (FHIR) in {} ms: allergies {},", took.as_millis(), list(&allergies));
    scene.reporter.fact("summary", &text);
    scene.reporter.fact("", &format!("problems {}, {results} latest results", list(&problems)));
    Ok(())
}

/// What the patient and a reviewer find afterwards.
async fn on_record(scene: &mut Scene, patient: &str) -> Result<(), Unmet> {
    let events = scene.search(&format!("AuditEvent?patient={patient}&_count=100")).await?;
    let is_emergency = |event: &&Json| event.to_text().contains(r#""code":"BTG""#);
    let uses = events.iter().filter(is_emergency).count();
    met(uses >= 2, "audit entries of the declaration and of the reading", uses)?;
    let notices = scene.search(&format!("Communication?subject={patient}")).await?.len();
    met(notices == 1, "a notice to the patient", notices)?;
    let reviews = scene.search(&format!("Task?patient={patient}")).await?;
    let open = reviews.iter().filter(|task| task.text_at(&["status"]) == Some("requested")).count();
    met(open == 1, "an open review task", open)?;
    scene.reporter.fact(
        "on record",
        &format!("{uses} audit entries, each before its answer left; a notice to the patient; a review to be done"),
    );
    Ok(())
}

/// What a resource is about, in words.
fn name(resource: &Json) -> &str {
    let code = resource.get("code").unwrap_or(&Json::Null);
    let display = code.items("coding").iter().find_map(|coding| coding.text_at(&["display"]));
    code.text_at(&["text"]).or(display).unwrap_or("?")
}

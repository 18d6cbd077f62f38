//! Whom a hurried search finds, and whom it must not.

use model::json::{Limits, parse};

use super::*;

fn patient(family: &str, given: &str, birth: &str) -> Json {
    let text = format!(
        r#"{{"resourceType":"Patient","name":[{{"family":"{family}","given":["{given}","Rosa"]}}],"birthDate":"{birth}","gender":"female"}}"#
    );
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

#[track_caller]
fn check(family: &str, given: &str, birth: &str, low: f64, high: f64) {
    let known = Demographics { family: family.into(), given: given.into(), birth_date: birth.into(), gender: None };
    let score = score(&known, &patient("Müller-Sanz", "Änne", "1957-03-08"));
    assert!((low..=high).contains(&score), "{family} {given} {birth}: {score}");
}

#[test]
fn gives_all_points_to_the_same_person_in_any_spelling() {
    check("Müller-Sanz", "Änne", "1957-03-08", 1.0, 1.0);
    check("MUELLER SANZ", "aenne", "1957-03-08", 1.0, 1.0);
    check("Müller-Sanz", "Rosa", "1957-03-08", 1.0, 1.0);
}

#[test]
fn keeps_a_person_whose_name_or_date_was_mistyped() {
    check("Mullersanz", "Aenne", "1957-03-08", 0.9, 0.99);
    check("Müller-Sanz", "Änne", "1957-08-03", 0.8, 0.9);
    check("Müller-Sanz", "Änne", "1967-03-08", 0.8, 0.9);
    check("Müller", "Änne", "1957-03-08", 0.9, 0.97);
    check("Änne", "Müller-Sanz", "1957-03-08", 0.9, 0.97);
    check("Änne", "Müller-Sanz", "1990-11-30", 0.0, THRESHOLD);
}

#[test]
fn drops_another_person_of_the_same_day_or_name() {
    check("Okafor", "Ben", "1957-03-08", 0.0, THRESHOLD - 0.01);
    check("Müller-Sanz", "Ben", "1990-11-30", 0.0, THRESHOLD - 0.01);
}

#[test]
fn counts_swapped_letters_as_one_mistake() {
    let letters = |text: &str| text.chars().collect::<Vec<_>>();
    assert_eq!(distance(&letters("smiht"), &letters("smith")), 1);
    assert_eq!(distance(&letters(""), &letters("abc")), 3);
    assert_eq!(distance(&letters("kitten"), &letters("sitting")), 3);
}

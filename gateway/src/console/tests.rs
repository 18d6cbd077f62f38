//! What the page may load and say.

use super::*;

#[test]
fn serves_its_files_under_a_strict_policy() {
    for name in ["", "index.html", "console.css", "console.js", "emergency.js", "patient.js", "icon.svg"] {
        let response = file(name).unwrap();
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{name}: {policy}");
    }
    assert_eq!(file("../keys/log.pem").unwrap_err().status(), http::StatusCode::NOT_FOUND);
}

#[test]
fn has_no_inline_script_or_style_and_no_address_of_elsewhere() {
    let content = |name: &str| FILES.iter().find(|file| file.0 == name).unwrap().2;
    let page = content("index.html");
    for forbidden in ["<style", "style=", "onclick=", "http://", "//cdn"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for script in ["console.js", "emergency.js", "patient.js"] {
        assert!(!content(script).contains("innerHTML"), "{script}");
    }
}

#[test]
fn the_patients_page_names_every_control_and_only_what_is_there() {
    let content = |name: &str| FILES.iter().find(|file| file.0 == name).unwrap().2;
    let (page, script) = (content("index.html"), content("patient.js"));
    let quoted = |text: &'static str, before: &str, after: char| -> Vec<&'static str> {
        text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
    };
    for id in quoted(script, "$('", '\'') {
        assert!(page.contains(&format!("id=\"{id}\"")), "the script uses {id}, which the page lacks");
    }
    // Each field of the view has a label that says what it is for.
    let view = page.split("<section id=\"patient\"").nth(1).unwrap();
    for field in view.split("<input ").skip(1).chain(view.split("<textarea ").skip(1)) {
        let tag = field.split('>').next().unwrap();
        let id = tag.split("id=\"").nth(1).and_then(|rest| rest.split('"').next());
        let labelled = id.is_some_and(|id| view.contains(&format!("for=\"{id}\"")));
        assert!(labelled || tag.contains("name="), "{tag}");
    }
    for told in ["/ledger/key", "/ledger/checkpoint", "ledger receipt verify --key"] {
        assert!(view.contains(told), "{told}");
    }
}

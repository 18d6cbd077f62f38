//! What the page may load and say.

use super::*;

#[test]
fn serves_its_files_under_a_strict_policy() {
    for name in ["", "index.html", "console.css", "console.js", "emergency.js", "icon.svg"] {
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
    for script in ["console.js", "emergency.js"] {
        assert!(!content(script).contains("innerHTML"), "{script}");
    }
}

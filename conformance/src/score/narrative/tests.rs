use model::json::{Limits, parse};

use super::*;

#[track_caller]
fn check(div: &str, expect: bool) {
    let json =
        Json::object([("resourceType", Json::from("Composition")), ("text", Json::object([("div", Json::from(div))]))]);
    let text = json.to_text();
    let mut found = Vec::new();
    unsafe_ones(&parse(text.as_bytes(), &Limits::default()).unwrap(), &mut found);
    assert_eq!(!found.is_empty(), expect, "{div}");
}

#[test]
fn finds_what_runs_or_fetches() {
    check("<div><script>1</script></div>", true);
    check("<div><SCRIPT src='x'/></div>", true);
    check("<div><p onclick=\"x()\">1</p></div>", true);
    check("<div><a href=\" java\nscript:x()\">1</a></div>", true);
    check("<div><iframe src='x'/></div>", true);
    check("<div><img src='data:text/html,x'/></div>", true);
    check("<div><!DOCTYPE x></div>", true);
    check("<div><p style='width:expression(1)'>1</p></div>", true);
}

#[test]
fn lets_text_and_tables_be() {
    check(
        "<div xmlns=\"http://www.w3.org/1999/xhtml\"><table><tr><td>one &lt;script&gt; = 1</td></tr></table></div>",
        false,
    );
    check("<div><a href=\"#one\">once = on=1</a> <b title=\"on time\">x</b></div>", false);
}

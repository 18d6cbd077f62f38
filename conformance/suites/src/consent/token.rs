//! Tokens for the callers of the cases: made by a command that the user names.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use model::json::Json;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::context::Context;

/// Longest wait for a token.
const WAIT: Duration = Duration::from_secs(20);

/// Longest token that is taken.
const TOKEN_LIMIT_BYTES: usize = 16 << 10;

/// Makes tokens, each kind of caller once.
///
/// The command is the variable `token-command`, its words apart by blanks; it gets `--role`, `--purpose`, `--actor`,
/// `--identifier` and `--emergency-authorised` as `anchorline token` does, and prints the token.
pub(crate) struct Tokens {
    command: Vec<String>,
    known: Mutex<BTreeMap<Vec<String>, Result<String, String>>>,
}

impl Tokens {
    pub(crate) fn of(context: &Context) -> Self {
        let command = context.variables.get("token-command").map(String::as_str).unwrap_or_default();
        Self { command: command.split_whitespace().map(str::to_owned).collect(), known: Mutex::default() }
    }

    /// A token for the actor and the purposes of a case's request.
    ///
    /// # Errors
    /// Why there is none, for the report.
    pub(crate) async fn of_request(&self, request: Option<&Json>) -> Result<String, String> {
        let Some((program, first)) = self.command.split_first() else {
            return Err("no command that makes tokens was named (--variable token-command=…)".to_owned());
        };
        let arguments = arguments(request);
        // Held while the command runs: the same caller is not asked for twice at once.
        let mut known = self.known.lock().await;
        if let Some(token) = known.get(&arguments) {
            return token.clone();
        }
        let token = make(program, first, &arguments).await;
        known.insert(arguments, token.clone());
        token
    }
}

/// The words that describe the caller.
fn arguments(request: Option<&Json>) -> Vec<String> {
    let mut words = Vec::new();
    let mut add = |flag: &str, value: &str| words.extend([flag.to_owned(), value.to_owned()]);
    let Some(request) = request else { return words };
    let texts = |value: &'_ Json, name: &str| -> Vec<String> {
        value.items(name).iter().filter_map(Json::as_str).map(str::to_owned).collect()
    };
    let none = Json::Null;
    let actor = request.get("actor").unwrap_or(&none);
    let roles = texts(actor, "roles");
    let role = if roles.iter().any(|role| role == "patient") { "patient" } else { "clinician" };
    add("--role", role);
    for purpose in texts(request, "purposes") {
        add("--purpose", &purpose);
    }
    for reference in texts(actor, "refs") {
        add("--actor", &reference);
    }
    for identifier in actor.items("identifiers") {
        if let (Some(system), Some(value)) = (identifier.text_at(&["system"]), identifier.text_at(&["value"])) {
            add("--identifier", &format!("{system}|{value}"));
        }
    }
    if actor.get("emergency_authorised").and_then(Json::as_bool) == Some(true) {
        words.push("--emergency-authorised".to_owned());
    }
    words
}

async fn make(program: &str, first: &[String], arguments: &[String]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(first).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(WAIT, command.output())
        .await
        .map_err(|_| format!("no token within {WAIT:?}"))?
        .map_err(|error| format!("the token command does not run: {error}"))?;
    if !output.status.success() {
        return Err("the token command makes no token for such a caller".to_owned());
    }
    let token = String::from_utf8(output.stdout).unwrap_or_default().trim().to_owned();
    let is_token =
        !token.is_empty() && token.len() <= TOKEN_LIMIT_BYTES && token.bytes().all(|byte| byte.is_ascii_graphic());
    if is_token { Ok(token) } else { Err("the token command prints no token".to_owned()) }
}

//! The command line that sends a request again, and the hiding of secrets.

use super::{Options, Request};

/// Bodies up to this length stand in the command line; longer ones in a file beside the report.
pub(crate) const INLINE_BODY_BYTES: usize = 2048;
/// A header whose name holds one of these is a secret.
const SECRET_WORDS: [&str; 7] = ["authorization", "cookie", "token", "secret", "password", "api-key", "apikey"];
/// A query or form parameter of one of these names is a secret.
const SECRET_PARAMETERS: [&str; 5] = ["access_token", "refresh_token", "client_secret", "client_assertion", "password"];
/// What stands where a secret stood.
const HIDDEN: &str = "***";

/// Hides secrets in everything that a report says.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    secrets: Vec<String>,
    flags: String,
}

impl Mask {
    /// The secrets of these options: the token, and headers that look like one.
    pub fn new(options: &Options) -> Self {
        let mut secrets: Vec<String> = options.bearer.iter().cloned().collect();
        secrets.extend(options.headers.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.clone()));
        let mut flags = String::new();
        if options.insecure {
            flags.push_str(" -k");
        }
        if let Some(path) = &options.authorities {
            flags.push_str(&format!(" --cacert {}", quote(&path.display().to_string())));
        }
        if let Some((certificate, key)) = &options.identity {
            let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
            flags.push_str(&format!(" --cert {} --key {}", quote(&certificate), quote(&key)));
        }
        Self { secrets, flags }.ordered()
    }

    /// The same, hiding one more word wherever it stands.
    #[must_use]
    pub fn and(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        self.ordered()
    }

    // A secret that holds another is hidden first; very short ones would hide half of every text.
    fn ordered(mut self) -> Self {
        self.secrets.retain(|secret| secret.len() >= 6);
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self
    }

    /// The text without any secret.
    pub fn hide(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }

    /// A command line that sends the request again; `$TOKEN` stands for a bearer token.
    ///
    /// `body_file` names the file that holds a body too long to stand in the line.
    pub fn curl(&self, request: &Request, body_file: Option<&str>) -> String {
        let mut line = format!("curl -sS -i{}", self.flags);
        if request.method != "GET" {
            line.push_str(&format!(" -X {}", request.method));
        }
        line.push(' ');
        line.push_str(&quote(&hide_parameters(&request.url)));
        for (name, value) in &request.headers {
            line.push_str(" -H ");
            if name.eq_ignore_ascii_case("authorization") && value.starts_with("Bearer ") {
                line.push_str("\"Authorization: Bearer $TOKEN\"");
            } else if is_secret(name) {
                line.push_str(&quote(&format!("{name}: {HIDDEN}")));
            } else {
                line.push_str(&quote(&format!("{name}: {value}")));
            }
        }
        match (body_file, std::str::from_utf8(&request.body)) {
            _ if request.body.is_empty() => {}
            (Some(file), _) => line.push_str(&format!(" --data-binary {}", quote(&format!("@{file}")))),
            (None, Ok(text)) if text.len() <= INLINE_BODY_BYTES => {
                line.push_str(&format!(" --data-binary {}", quote(&hide_parameters(text))));
            }
            _ => line.push_str(" --data-binary @BODY"),
        }
        self.hide(&line)
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

fn hide_parameters(text: &str) -> String {
    let mut out = text.to_owned();
    for name in SECRET_PARAMETERS {
        let mut rebuilt = String::new();
        let mut rest = out.as_str();
        while let Some((before, after)) = rest.split_once(&format!("{name}=")) {
            rebuilt.push_str(before);
            rebuilt.push_str(name);
            rebuilt.push('=');
            rebuilt.push_str(HIDDEN);
            rest = after.find(['&', ' ', '"']).and_then(|end| after.get(end..)).unwrap_or_default();
        }
        rebuilt.push_str(rest);
        out = rebuilt;
    }
    out
}

/// A word for a POSIX shell.
pub(crate) fn quote(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

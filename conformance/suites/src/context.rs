//! What every suite is given: the systems under test and how to reach them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use model::json::Json;
use model::outcome::Issue;

use crate::client::{Client, Exchange, Request, url};
use crate::run::Bounds;
use crate::wire::Format;

/// Checks resources against definitions.
pub trait Validate: Send + Sync {
    /// Whether there is a definition of this profile.
    fn knows(&self, profile: &str) -> bool;

    /// What is wrong with a resource, by base R4 and by these profiles (canonical URLs).
    fn issues(&self, resource: &Json, profiles: &[String]) -> Vec<Issue>;
}

/// The systems under test and how to reach them. Shared by all tests of a run.
pub struct Context {
    /// Sends requests.
    pub client: Client,
    /// FHIR endpoints; the n-th is destination n of a TestScript.
    pub bases: Vec<String>,
    /// The address of the MLLP listener under test, `host:port`.
    pub mllp: Option<String>,
    /// How many tests at once, and how long each may take.
    pub bounds: Bounds,
    /// The validator; without it expectations on profiles cannot be tried, which is said.
    pub validate: Option<Arc<dyn Validate>>,
    /// Values for `${name}` that win over what a script or suite says.
    pub variables: BTreeMap<String, String>,
    /// Folders in which fixtures are looked for besides the script's own.
    pub fixtures: Vec<PathBuf>,
    /// The form asked for and sent where a script does not say.
    pub format: Format,
    /// Also reads what scripts in use hold beyond R4 (`responseBody`, `matchesRegex`).
    pub extensions: bool,
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Context").field("bases", &self.bases).field("mllp", &self.mllp).finish_non_exhaustive()
    }
}

impl Context {
    /// A context for these endpoints with nothing else set.
    pub fn new(client: Client, bases: Vec<String>) -> Self {
        Self {
            client,
            bases,
            mllp: None,
            bounds: Bounds::default(),
            validate: None,
            variables: BTreeMap::new(),
            fixtures: Vec::new(),
            format: Format::Json,
            extensions: false,
        }
    }

    /// The first endpoint; empty if none was named.
    pub fn base(&self) -> &str {
        self.bases.first().map(String::as_str).unwrap_or_default()
    }

    /// An address below the first endpoint.
    pub fn url(&self, path: &str) -> String {
        url::join(self.base(), path)
    }

    /// GET of FHIR below the first endpoint.
    pub async fn get(&self, path: &str) -> Arc<Exchange> {
        self.client.send(Request::new("GET", self.url(path)).header("Accept", self.format.media_type())).await
    }
}

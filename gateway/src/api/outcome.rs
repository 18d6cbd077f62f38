//! Refusals as answers: the right status, an issue code, where; never patient data, never a hint that a resource is
//! withheld.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use http_body_util::Full;
use model::outcome::{Issue, operation_outcome};

use crate::layers::Response;
use crate::pipeline::Refusal;
use crate::policies::PolicyError;

/// Media type of FHIR in JSON.
pub const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

/// A request that was not done: status, findings and headers. Becomes an OperationOutcome.
#[derive(Debug, Clone)]
pub struct Failure {
    status: StatusCode,
    issues: Vec<Issue>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Failure {
    /// A failure with one finding. `code` is one of FHIR R4 valueset-issue-type.html.
    pub fn new(status: StatusCode, code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self::of(status, vec![Issue::error(code, diagnostics)])
    }

    /// A failure with findings.
    pub fn of(status: StatusCode, issues: Vec<Issue>) -> Self {
        Self { status, issues, headers: Vec::new() }
    }

    /// 400 with the issue code `invalid`.
    pub fn bad(diagnostics: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", diagnostics)
    }

    /// 404. One text for what is unknown and for what is withheld: the two must not be told apart.
    pub fn unknown(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("{what} is not known here"))
    }

    /// 403.
    pub fn forbidden(diagnostics: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", diagnostics)
    }

    /// 401, with the schemes that would do. RFC 6750, section 3.
    pub fn unauthenticated(diagnostics: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "login", diagnostics)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"anchorline\""))
    }

    /// 405 with what is allowed.
    pub fn method(allowed: &str) -> Self {
        let failure =
            Self::new(StatusCode::METHOD_NOT_ALLOWED, "not-supported", format!("this address answers to {allowed}"));
        match HeaderValue::from_str(allowed) {
            Ok(value) => failure.header(ALLOW, value),
            Err(_) => failure,
        }
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Without saying where refused content is kept, for those who may not look there.
    #[must_use]
    pub fn without_location(mut self) -> Self {
        self.headers.retain(|(name, _)| *name != LOCATION);
        self
    }

    /// Where the first finding is.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        if let Some(issue) = self.issues.first_mut() {
            issue.at = Some(place.into());
        }
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The findings.
    pub fn issues(&self) -> &[Issue] {
        &self.issues
    }
}

impl From<Failure> for Response {
    fn from(failure: Failure) -> Self {
        let body = Bytes::from(operation_outcome(&failure.issues).to_bytes());
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = failure.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
        for (name, value) in failure.headers {
            headers.insert(name, value);
        }
        response
    }
}

/// What the store could not do, as an answer.
///
/// Only the kind of the failure leaves the process: paths and offsets are for the log.
impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        use store::Error;
        match error {
            Error::Conflict(store::Conflict::Version { .. }) => {
                Self::new(StatusCode::PRECONDITION_FAILED, "conflict", "the resource is at another version")
            }
            Error::Conflict(_) => {
                Self::new(StatusCode::CONFLICT, "conflict", "the resource is not in the expected state")
            }
            Error::NotFound { .. } => Self::unknown("what the request names"),
            Error::TooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", "the content is larger than one commit may be")
            }
            Error::Full { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "no-store", "there is no room to store this")
                    .retry_after(30)
            }
            other => {
                tracing::error!(error = %other, "the store refused");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "no-store", "storage is not available at this moment")
                    .retry_after(5)
            }
        }
    }
}

/// What the pipeline did not take, as an answer.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut failure = Self::of(status, refusal.issues().to_vec());
        if let Some(exchange) = refusal.exchange()
            && let Ok(value) = HeaderValue::from_str(&format!("/exchanges/{exchange}"))
        {
            failure = failure.header(LOCATION, value);
        }
        match refusal.retry_after() {
            Some(seconds) => failure.retry_after(seconds),
            None => failure,
        }
    }
}

/// Consents that cannot be read release nothing.
impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        tracing::error!(%error, "consents could not be read; nothing is released");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no-store", "storage is not available at this moment").retry_after(5)
    }
}

//! Which mapping packages are in use: `/packages`.

use auth::Action;
use http::StatusCode;

use super::outcome::Failure;
use super::{Call, Who, answer};
use crate::layers::Response;
use crate::packages::Fault;

/// `GET /packages`
pub(super) fn list(call: &Call, who: &Who) -> Result<Response, Failure> {
    who.must(Action::Mappings)?;
    Ok(answer::json(StatusCode::OK, &call.app.packages.report()))
}

/// `POST /packages/reload`: 200 with the packages in use, or 422 with what is wrong; the set before stays then.
pub(super) async fn reload(call: &Call, who: &Who) -> Result<Response, Failure> {
    who.must(Action::ReloadMappings)?;
    let app = call.app.clone();
    let reloaded = tokio::task::spawn_blocking(move || app.packages.reload(app.clock.now())).await;
    match reloaded {
        Ok(Ok(_)) => list(call, who),
        Ok(Err(faults)) => {
            call.app.metrics.alarm("packages-refused");
            let issues = faults.iter().map(Fault::issue).collect();
            Err(Failure::of(StatusCode::UNPROCESSABLE_ENTITY, issues))
        }
        Err(_) => Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway")),
    }
}

//! `anchorline token`: one development token, signed by the data directory's key.

use auth::{Identifier, Request, Role, Verifier};
use model::time::{Clock, SystemClock};
use ring::rand::SystemRandom;

use super::Failure;
use super::args::TokenArguments;
use super::reporter::Reporter;
use crate::config::{AuthMode, Config};
use crate::keys;

pub(crate) fn run(options: &TokenArguments, reporter: &Reporter) -> Result<(), Failure> {
    let config = match &options.config {
        Some(path) => Config::load(path).map_err(Failure::usage)?,
        None => Config::embedded(),
    };
    if !config.is_loopback() {
        return Err(Failure::usage("development tokens are for loopback only: this configuration listens elsewhere"));
    }
    if config.auth.mode == AuthMode::Smart {
        return Err(Failure::usage("auth.mode is \"smart\": development tokens are not taken"));
    }
    let key = keys::token_key(&options.data).map_err(Failure::usage)?;
    let verifier = Verifier::of_data_directory(&key);
    let now = SystemClock.now().millis().div_euclid(1000);
    let token = auth::issue(&key, &verifier, &request(options)?, now, &SystemRandom::new()).map_err(Failure::usage)?;
    reporter.line(&token)
}

fn request(options: &TokenArguments) -> Result<Request, Failure> {
    let roles = options
        .role
        .iter()
        .map(|name| Role::parse(name).map_err(|error| Failure::Usage(format!("--role {name}: {error}"))))
        .collect::<Result<_, _>>()?;
    let identifiers = options
        .identifier
        .iter()
        .map(|text| Identifier::parse(text).ok_or_else(|| Failure::usage("--identifier: expected SYSTEM|VALUE")))
        .collect::<Result<_, _>>()?;
    let ttl = crate::config::duration(&options.ttl).map_err(|error| Failure::Usage(format!("--ttl: {error}")))?;
    Ok(Request {
        roles,
        purposes: options.purpose.clone(),
        actors: options.actor.clone(),
        identifiers,
        emergency_authorised: options.emergency_authorised,
        patient: options.patient.as_ref().map(|id| id.trim_start_matches("Patient/").to_owned()),
        certificate: None,
        scopes: options.scope.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect(),
        ttl,
    })
}

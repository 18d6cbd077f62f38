//! The compact serialisation of a JWS (RFC 7515, section 3.1) with one algorithm, ES256 (RFC 7518, section 3.4).
//!
//! A token that names another algorithm, carries its own key or has any header beyond the three below is refused
//! before its signature is looked at, so there is nothing an attacker could choose (RFC 8725, section 3.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::key::{KeyError, TokenKey, VerifyingKey};
use crate::known::{Digest, Known};
use crate::token::{MAX_TOKEN_BYTES, TokenError};

const ALGORITHM: &str = "ES256";
/// Explicit typing (RFC 8725, section 3.11): a token of another use never passes for one of these.
const TYPE: &str = "anchorline-dev+jwt";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// Signs claims.
pub(crate) fn sign<T: Serialize>(
    key: &TokenKey,
    claims: &T,
    random: &dyn ring::rand::SecureRandom,
) -> Result<String, KeyError> {
    let header = Header { alg: ALGORITHM.to_owned(), kid: key.id().to_owned(), typ: TYPE.to_owned() };
    // Neither type has a map with keys that are no strings, the one thing this can fail for.
    let json =
        |bytes: serde_json::Result<Vec<u8>>| bytes.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).unwrap_or_default();
    let signed = format!("{}.{}", json(serde_json::to_vec(&header)), json(serde_json::to_vec(claims)));
    let signature = key.sign(signed.as_bytes(), random)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Checks the signature, unless this very token is `known`, and reads the claims. Duplicate and unknown members are refused
/// in header and claims.
pub(crate) fn verify<T: for<'a> Deserialize<'a>>(
    token: &str,
    keys: &[VerifyingKey],
    known: &Known,
) -> Result<T, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Size);
    }
    let mut pieces = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (pieces.next(), pieces.next(), pieces.next(), pieces.next())
    else {
        return Err(TokenError::Form);
    };
    let decode = |piece: &str| URL_SAFE_NO_PAD.decode(piece).map_err(|_| TokenError::Form);
    let read: Header = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Header)?;
    if read.alg != ALGORITHM || read.typ != TYPE {
        return Err(TokenError::Algorithm);
    }
    let key = keys.iter().find(|key| key.id() == read.kid).ok_or(TokenError::UnknownKey)?;
    let whole = Digest::of(token);
    if !known.has(&whole) {
        let signed = token.rsplit_once('.').map(|(signed, _)| signed).unwrap_or_default();
        if !key.verifies(signed.as_bytes(), &decode(signature)?) {
            return Err(TokenError::Signature);
        }
        known.add(whole);
    }
    serde_json::from_slice(&decode(claims)?).map_err(|_| TokenError::Claims)
}

//! What a listener may be configured with.

use super::*;

#[test]
fn makes_a_certificate_once_and_keeps_it() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(directory.path()).unwrap();
    let first = fs::read(&certificate).unwrap();
    assert_eq!(self_signed(directory.path()).unwrap(), (certificate.clone(), key));
    assert_eq!(fs::read(&certificate).unwrap(), first);
}

#[cfg(unix)]
#[test]
fn keeps_the_key_from_other_users() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let (_, key) = self_signed(directory.path()).unwrap();
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn serves_with_what_it_made_and_with_client_authorities() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(directory.path()).unwrap();
    let config = server(&certificate, &key, None, &[b"h2", b"http/1.1"]).unwrap();
    assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    server(&certificate, &key, Some(&certificate), &[]).unwrap();
    client(Some(&certificate)).unwrap();
}

#[test]
fn names_the_file_that_holds_no_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let (_, key) = self_signed(directory.path()).unwrap();
    let error = server(&key, &key, None, &[]).unwrap_err().to_string();
    assert!(error.contains(KEY_FILE) && error.contains("a certificate"), "{error}");
}

#[test]
fn shows_a_certificate_to_partners_only_with_its_own_key() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(directory.path()).unwrap();
    let other = tempfile::tempdir().unwrap();
    let (_, other_key) = self_signed(other.path()).unwrap();
    let files = |key: &Path| PartnerTls {
        ca_file: Some(certificate.clone()),
        cert_file: Some(certificate.clone()),
        key_file: Some(key.to_owned()),
    };
    partner(&files(&key)).unwrap();
    assert!(matches!(partner(&files(&other_key)), Err(TlsError::Settings(_))));
    assert!(matches!(partner(&files(&certificate)), Err(TlsError::Pem { expected: "a private key", .. })));
}

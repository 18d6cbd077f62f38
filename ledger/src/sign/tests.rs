use super::*;

fn key() -> SigningKey {
    SigningKey::from_secret(&[0x42; 32]).unwrap()
}

#[test]
fn signatures_follow_rfc_6979() {
    // The value many implementations publish for the key 1 on secp256k1 with SHA-256.
    let mut one = [0; 32];
    one[31] = 1;
    let signature = SigningKey::from_secret(&one).unwrap().sign(b"Satoshi Nakamoto");
    let r = "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8";
    let s = "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5";
    assert_eq!(crate::text::hex(&signature), format!("3045022100{r}0220{s}"));
}

#[test]
fn keys_survive_pem() {
    let pem = key().to_pem().unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(SigningKey::from_pem(&pem).unwrap().public(), key().public());
    let public = key().public().to_pem().unwrap();
    assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(PublicKey::from_pem(&public).unwrap(), key().public());
    assert!(SigningKey::from_pem(&public).is_err());
    assert!(PublicKey::from_pem(&pem).is_err());
    assert_eq!(PublicKey::from_sec1(&key().public().to_sec1()).unwrap(), key().public());
}

#[test]
fn numbers_that_are_no_key_are_refused() {
    assert!(SigningKey::from_secret(&[0; 32]).is_err());
    assert!(SigningKey::from_secret(&[0xff; 32]).is_err());
    assert!(PublicKey::from_sec1(&[2; 32]).is_err());
    assert!(PublicKey::from_sec1(&[]).is_err());
}

#[test]
fn the_other_s_is_refused() {
    let message = b"a checkpoint";
    let der = key().sign(message);
    assert!(key().public().verifies(message, &der));
    let low = Signature::from_der(&der).unwrap();
    let (r, s) = low.split_scalars();
    let high = Signature::from_scalars(r.to_bytes(), (-s).to_bytes()).unwrap();
    assert_ne!(high, low);
    assert_eq!(high.normalize_s(), low);
    assert!(!key().public().verifies(message, high.to_der().as_bytes()));
}

#[test]
fn every_flipped_bit_of_a_signature_is_refused() {
    let der = key().sign(b"message");
    for at in 0..der.len() {
        for bit in 0..8 {
            let mut other = der.clone();
            other[at] ^= 1 << bit;
            assert!(!key().public().verifies(b"message", &other), "byte {at}, bit {bit}");
        }
    }
    assert!(!key().public().verifies(b"message", &[der.clone(), vec![0]].concat()));
    assert!(!key().public().verifies(b"message", &[]));
}

#[test]
fn debug_shows_no_secret() {
    assert!(!format!("{:?}", key()).contains("424242"));
}

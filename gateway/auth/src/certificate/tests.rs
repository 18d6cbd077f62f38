use super::*;

#[test]
fn reads_what_openssl_prints() {
    let fingerprint = Fingerprint::of_der(b"abc");
    let plain = fingerprint.to_string();
    assert_eq!(plain, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let pairs: Vec<String> =
        plain.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase()).collect();
    for text in [plain.clone(), plain.to_uppercase(), pairs.join(":"), format!("sha256:{plain}")] {
        assert_eq!(Fingerprint::parse(&text), Ok(fingerprint), "{text}");
    }
}

#[test]
fn refuses_what_is_no_fingerprint() {
    let plain = Fingerprint::of_der(b"abc").to_string();
    for text in
        ["", "ab", plain.get(..62).unwrap(), &format!("{plain}00"), &plain.replace('b', "g"), &format!("{plain}:"), "é"]
    {
        assert_eq!(Fingerprint::parse(text), Err(FingerprintError), "{text}");
    }
}

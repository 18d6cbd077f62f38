use super::*;

fn headers(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))])
}

#[test]
fn a_client_gets_gzip_if_it_asks_for_it() {
    for (value, expect) in [
        ("gzip", true),
        ("br, gzip;q=0.5", true),
        ("gzip;q=0", false),
        ("gzip;q=0, *", false),
        ("*", true),
        ("*;q=0", false),
        ("br", false),
        ("", false),
    ] {
        assert_eq!(accepts(&headers(value)), expect, "{value}");
    }
    assert!(!accepts(&HeaderMap::new()));
}

#[test]
fn what_is_packed_comes_back_whole_and_not_longer_than_allowed() {
    let text = "a text that repeats itself. ".repeat(1_000);
    let packed = deflate(text.as_bytes()).unwrap();
    assert!(packed.len() * 10 < text.len());
    assert_eq!(inflate(&packed, text.len()).unwrap().unwrap(), text.as_bytes());
    assert_eq!(inflate(&packed, text.len() - 1).unwrap(), None);
    assert!(inflate(&packed[..packed.len() / 2], text.len()).is_err());
    assert!(inflate(b"no gzip at all", 100).is_err());
}

#[tokio::test]
async fn a_bomb_is_not_unpacked() {
    let zeros = vec![0_u8; 64 << 20];
    let bomb = deflate(&zeros).unwrap();
    assert!(bomb.len() < 1 << 20);
    assert_eq!(unpacked(bomb, 1 << 20).await.unwrap(), None);
}

#[tokio::test]
async fn small_answers_and_bytes_stay_as_they_are() {
    let gzip = headers("gzip");
    let of = |kind: &'static str, length: usize| {
        let mut response = Response::new(Full::new(Bytes::from(vec![b'a'; length])));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    };
    let packs = |response: Response| response.headers().contains_key(CONTENT_ENCODING);
    assert!(packs(packed(&gzip, of("application/fhir+json; charset=utf-8", 5_000)).await));
    assert!(!packs(packed(&gzip, of("application/fhir+json", 500)).await));
    assert!(!packs(packed(&gzip, of("application/octet-stream", 5_000)).await));
    let plain = packed(&HeaderMap::new(), of("text/csv", 5_000)).await;
    assert_eq!(plain.headers()[VARY], "accept-encoding");
    assert!(!packs(plain));
}

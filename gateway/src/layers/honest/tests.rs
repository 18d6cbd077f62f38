use bytes::Bytes;
use http_body_util::Full;
use tower::ServiceExt;

use super::*;

type TestBody = Full<Bytes>;
/// An address and header fields.
type Case<'c> = (&'c str, &'c [(&'c str, &'c [u8])]);

/// The status, and the names of the fields that reached the handler.
async fn pass(request: Request<TestBody>) -> (StatusCode, Vec<String>, bool) {
    let route = tower::service_fn(|request: Request<TestBody>| async move {
        let mut names: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let mut response = Response::new(Full::from(names.join(" ")));
        *response.status_mut() = StatusCode::OK;
        Ok::<_, BoxError>(response)
    });
    let response = HonestLayer.layer(route).oneshot(request).await.unwrap();
    let closes = response.headers().get("connection").is_some_and(|value| value == "close");
    let status = response.status();
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).split(' ').map(str::to_owned).collect(), closes)
}

fn request(uri: &str, headers: &[(&str, &[u8])]) -> Request<TestBody> {
    let mut builder = Request::builder().uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, http::HeaderValue::from_bytes(value).unwrap());
    }
    builder.body(Full::default()).unwrap()
}

#[tokio::test]
async fn only_fields_that_are_read_reach_a_handler() {
    let (status, names, _) = pass(request(
        "/fhir",
        &[
            ("host", b"h"),
            ("authorization", b"Bearer x"),
            ("prefer", b"return=minimal"),
            ("x-forwarded-user", b"Practitioner/boss"),
            ("x-purpose-of-use", b"BTG"),
            ("x-consent", b"permit"),
            ("forwarded", b"for=127.0.0.1"),
            ("x-http-method-override", b"DELETE"),
            ("cookie", b"access_token=x"),
            ("connection", b"keep-alive"),
        ],
    ))
    .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(names, ["authorization", "host", "prefer"]);
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_ends_the_connection() {
    let refused: [Case<'_>; 10] = [
        ("/", &[]),
        ("/", &[("host", b"a"), ("host", b"a")]),
        ("/", &[("host", b"a/b")]),
        ("/", &[("host", b"u@a")]),
        ("/", &[("host", b"\xff")]),
        ("http://a/", &[("host", b"b")]),
        ("http://u@a/", &[("host", b"a")]),
        ("/", &[("host", b"a"), ("transfer-encoding", b"gzip, chunked")]),
        ("/", &[("host", b"a"), ("transfer-encoding", b"chunked"), ("transfer-encoding", b"chunked")]),
        ("/", &[("host", b"a"), ("content-type", b"a/b"), ("content-type", b"c/d")]),
    ];
    for (uri, headers) in refused {
        let (status, _, closes) = pass(request(uri, headers)).await;
        assert_eq!((status, closes), (StatusCode::BAD_REQUEST, true), "{uri} {headers:?}");
    }
    for authorization in [&[&b"Bearer x"[..], b"Bearer y"][..], &[b"Bearer \xff"]] {
        let mut headers: Vec<(&str, &[u8])> = vec![("host", b"a")];
        headers.extend(authorization.iter().map(|value| ("authorization", *value)));
        assert_eq!(pass(request("/", &headers)).await.0, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    let taken: [Case<'_>; 5] = [
        ("/", &[("host", b"a:8443")]),
        ("/", &[("host", b"[::1]:8443")]),
        ("/", &[("host", b"")]),
        ("http://A/", &[("host", b"a")]),
        ("https://a/", &[]),
    ];
    for (uri, headers) in taken {
        assert_eq!(pass(request(uri, headers)).await.0, StatusCode::OK, "{uri} {headers:?}");
    }
}

#[tokio::test]
async fn a_chunked_request_is_the_last_of_its_connection() {
    let (status, _, closes) = pass(request("/", &[("host", b"a"), ("transfer-encoding", b"Chunked")])).await;
    assert_eq!((status, closes), (StatusCode::OK, true));
}

//! Who is let in, and who learns nothing.

use bytes::Bytes;
use http_body_util::Full;
use tower::ServiceExt;

use super::*;

async fn ask(origins: &[&str], method: Method, origin: Option<&str>) -> Response {
    let inner = tower::service_fn(|_: Request<()>| async {
        let mut response = Response::new(Full::new(Bytes::from_static(b"x")));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        Ok::<_, BoxError>(response)
    });
    let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
    let mut request = Request::builder().method(method).header(ACCESS_CONTROL_REQUEST_METHOD, "PATCH");
    if let Some(origin) = origin {
        request = request.header(ORIGIN, origin);
    }
    CorsLayer::new(&origins).layer(inner).oneshot(request.body(()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_configured_origin_may_ask_and_read() {
    let app = ["https://app.example"];
    let first = ask(&app, Method::OPTIONS, Some("https://app.example")).await;
    assert_eq!(first.status(), StatusCode::NO_CONTENT);
    assert_eq!(first.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
    assert!(first.headers()[ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().contains("PATCH"));
    let read = first.headers()[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
    for name in ["authorization", "if-match", "if-none-exist", "prefer"] {
        assert!(read.split(", ").any(|known| known == name), "{name}: {read}");
    }
    let then = ask(&app, Method::GET, Some("https://app.example")).await;
    assert_eq!(then.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
    assert_eq!(then.headers()[VARY], "origin");
}

#[tokio::test]
async fn everybody_else_goes_on_to_the_route_and_learns_nothing() {
    let app = ["https://app.example"];
    for origin in [
        Some("https://app.example.attacker.example"),
        Some("http://app.example"),
        Some("https://APP.example"),
        Some("null"),
        None,
    ] {
        let response = ask(&app, Method::OPTIONS, origin).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{origin:?}");
        assert!(!response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{origin:?}");
    }
    let off = ask(&[], Method::GET, Some("https://app.example")).await;
    assert!(!off.headers().contains_key(VARY));
}

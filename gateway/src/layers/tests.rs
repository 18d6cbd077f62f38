//! What the stack refuses, and what it keeps apart.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::sync::Notify;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};

use super::body_limit::{BodyLimitLayer, Limited};
use super::pools::PoolsLayer;
use super::rescue::RescueLayer;
use super::*;

type TestBody = Full<Bytes>;

fn request(path: &str) -> Request<TestBody> {
    Request::builder().uri(path).body(Full::default()).unwrap()
}

fn limits() -> Limits {
    Limits { emergency: 1, interactive: 1, bulk: 1, ..Limits::default() }
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn answer<S>(service: &S, path: &str) -> Response
where
    S: Service<Request<TestBody>, Response = Response, Error = Infallible> + Clone,
{
    service.clone().oneshot(request(path)).await.unwrap()
}

#[tokio::test]
async fn a_full_pool_sheds_and_leaves_the_other_pools_alone() {
    let (inside, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (entered, wait) = (inside.clone(), go.clone());
    let slow = tower::service_fn(move |request: Request<TestBody>| {
        let (entered, wait) = (entered.clone(), wait.clone());
        async move {
            if request.uri().path() == "/ingest/slow" {
                entered.notify_one();
                wait.notified().await;
            }
            Ok::<_, BoxError>(Response::new(Full::default()))
        }
    });
    let service = ServiceBuilder::new()
        .layer(RescueLayer::new(Metrics::default()))
        .layer(PoolsLayer::new(&limits()))
        .service(slow);
    let held = tokio::spawn(service.clone().oneshot(request("/ingest/slow")));
    inside.notified().await;
    let shed = answer(&service, "/ingest/quick").await;
    assert_eq!(shed.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(shed.headers()["retry-after"], "1");
    assert!(text(shed).await.contains("OperationOutcome"));
    for path in ["/emergency/declare", "/fhir/Patient"] {
        assert_eq!(answer(&service, path).await.status(), StatusCode::OK, "{path}");
    }
    go.notify_one();
    assert_eq!(held.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(answer(&service, "/ingest/quick").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_panic_is_an_answer_without_what_the_panic_said() {
    let broken = tower::service_fn(|_: Request<TestBody>| async {
        if true {
            panic!("Jane Doe 1957");
        }
        Ok::<_, BoxError>(Response::new(Full::default()))
    });
    let service = RescueLayer::new(Metrics::default()).layer(broken);
    let response = answer(&service, "/fhir/Patient").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = text(response).await;
    assert!(text.contains("OperationOutcome") && !text.contains("Jane"), "{text}");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_told_to_come_again() {
    let never = tower::service_fn(|_: Request<TestBody>| std::future::pending::<Result<Response, BoxError>>());
    let service = ServiceBuilder::new()
        .layer(RescueLayer::new(Metrics::default()))
        .timeout(Duration::from_millis(10))
        .service(never);
    let response = answer(&service, "/fhir/Patient").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(response).await.contains("timeout"));
}

#[tokio::test]
async fn a_body_announced_as_too_large_is_refused_unread() {
    let route = tower::service_fn(|request: Request<Limited<TestBody>>| async move {
        let whole = request.into_body().collect().await;
        assert!(whole.is_ok(), "the route must not be reached with more");
        Ok::<_, BoxError>(Response::new(Full::default()))
    });
    let service =
        ServiceBuilder::new().layer(RescueLayer::new(Metrics::default())).layer(BodyLimitLayer::new(4)).service(route);
    let announced = |length: &str| {
        Request::builder().uri("/fhir").header("content-length", length).body(Full::from("abcd")).unwrap()
    };
    let response = service.clone().oneshot(announced("5")).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(service.oneshot(announced("4")).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn names_each_request_in_the_answer() {
    let route = tower::service_fn(|request: Request<TestBody>| async move {
        assert!(request.extensions().get::<request_id::RequestId>().is_some());
        Ok::<_, Infallible>(Response::new(Full::default()))
    });
    let service = request_id::RequestIdLayer.layer(route);
    let first = answer(&service, "/").await.headers()[request_id::REQUEST_ID].clone();
    let second = answer(&service, "/").await.headers()[request_id::REQUEST_ID].clone();
    assert_ne!(first, second);
}

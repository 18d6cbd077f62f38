use super::*;

#[tokio::test]
async fn what_takes_too_long_is_given_up_with_a_refusal() {
    let response = within(Duration::from_millis(1), std::future::pending()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let done = within(RUNS, async { answer::empty(StatusCode::NO_CONTENT) }).await;
    assert_eq!(done.status(), StatusCode::NO_CONTENT);
}

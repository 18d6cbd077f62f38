//! The floor: a server that reads the request and answers bytes it has ready.

use std::convert::Infallible;
use std::io::Write;
use std::process::ExitCode;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

/// As long as the resource that the gateway answers with.
const ANSWER: usize = 1_200;

/// Serves on a port of its own until it is ended.
pub(crate) fn serve() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map(|runtime| runtime.block_on(accept())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) | Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn accept() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout();
    writeln!(out, "ready http={}", listener.local_addr()?)?;
    out.flush()?;
    let body = Bytes::from(vec![b' '; ANSWER]);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let body = body.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(request, body.clone()));
            // A client that goes away ends its connection.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(request: Request<Incoming>, body: Bytes) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_post = request.method() == Method::POST;
    let sent = request.into_body().collect().await.map(|sent| sent.to_bytes()).unwrap_or_default();
    let mut response = Response::new(Full::new(if sent.is_empty() { body } else { sent }));
    if is_post {
        *response.status_mut() = hyper::StatusCode::CREATED;
    }
    let json = hyper::header::HeaderValue::from_static("application/fhir+json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    Ok(response)
}

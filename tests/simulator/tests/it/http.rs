//! The client's HTTP, sent to the simulator in the clear: a plain HTTP/1.1 exchange per request.

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wacore::net::{HttpClient, HttpRequest, HttpResponse};

/// An HTTP client that speaks `http` where the URL says `https`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainHttp;

#[async_trait]
impl HttpClient for PlainHttp {
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        let rest = request
            .url
            .split_once("://")
            .context("url without scheme")?
            .1;
        let (host, path) = rest.split_once('/').context("url without path")?;
        let mut headers = String::new();
        for (name, value) in &request.headers {
            if !name.eq_ignore_ascii_case("content-length") && !name.eq_ignore_ascii_case("host") {
                headers.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let body = request.body.unwrap_or_default();
        let head = format!(
            "{} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            request.method,
            body.len()
        );
        let mut socket = TcpStream::connect(host).await?;
        socket.write_all(head.as_bytes()).await?;
        socket.write_all(&body).await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        parse(&answer)
    }
}

fn parse(answer: &[u8]) -> anyhow::Result<HttpResponse> {
    let end = answer
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .context("no end of headers")?;
    let head = std::str::from_utf8(&answer[..end])?;
    if head.to_ascii_lowercase().contains("transfer-encoding") {
        bail!("chunked answers are not expected here");
    }
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok(HttpResponse {
        status_code: status,
        body: answer[end + 4..].to_vec(),
    })
}

/// A request to the admin API; returns status and body.
pub(crate) async fn request(
    method: &str,
    address: std::net::SocketAddr,
    path: &str,
    body: &str,
) -> (u16, String) {
    let request = HttpRequest {
        url: format!("http://{address}{path}"),
        method: method.to_owned(),
        headers: [("Content-Type".to_owned(), "application/json".to_owned())].into(),
        body: Some(body.to_owned().into()),
    };
    let response = PlainHttp.execute(request).await.unwrap();
    (
        response.status_code,
        String::from_utf8(response.body).unwrap(),
    )
}

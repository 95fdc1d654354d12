//! The library's HTTP client: media and the version page, through one pool for all sessions.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Once;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use reqwest::{Method, RequestBuilder, Response};
use tokio::runtime::Handle;
use url::Url;
use wacore::net::{HttpClient, HttpRequest, HttpResponse, StreamingHttpResponse, UploadBody};
use whatsapp_rust::anyhow::{self, Context as _};

use crate::api::Endpoint;
use crate::transport::Proxy;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence inside a body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest exchange in all: a file of the largest size over a slow line.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(600);
/// Longest answer that is read into memory at once, in bytes. Files are streamed.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Idle connections kept per host: media hosts are few.
const IDLE_CONNECTIONS_MAX: usize = 16;
/// Most redirects followed.
const REDIRECTS_MAX: usize = 3;

static CRYPTO: Once = Once::new();

/// The one client of a process.
#[derive(Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    /// Everything goes to this address instead, without TLS: the simulator's.
    instead: Option<(String, u16)>,
}

impl Http {
    /// Builds the client and its connection pool.
    pub(crate) fn new(
        endpoint: &Endpoint,
        media_address: Option<SocketAddr>,
        proxy: Option<&Proxy>,
    ) -> anyhow::Result<Self> {
        CRYPTO.call_once(|| {
            // An error says that somebody else has installed a provider, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(EXCHANGE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .redirect(reqwest::redirect::Policy::limited(REDIRECTS_MAX));
        let instead = match endpoint {
            Endpoint::Real => None,
            Endpoint::Simulator { ws_url, .. } => {
                builder = builder.no_proxy();
                Some(simulator_address(ws_url, media_address)?)
            }
        };
        if let Some(proxy) = proxy {
            // Nothing else applies then, an environment's proxy neither.
            builder = builder.no_proxy().proxy(through(proxy)?);
        }
        Ok(Self {
            client: builder.build().context("build the HTTP client")?,
            instead,
        })
    }

    fn address(&self, text: &str) -> anyhow::Result<Url> {
        let mut url: Url = text
            .parse()
            .with_context(|| format!("HTTP address {text:?}"))?;
        let Some((host, port)) = &self.instead else {
            anyhow::ensure!(
                url.scheme() == "https",
                "HTTP address {text:?}: only https is possible"
            );
            return Ok(url);
        };
        let refused = || anyhow::anyhow!("HTTP address {text:?} cannot be sent to the simulator");
        url.set_scheme("http").map_err(|()| refused())?;
        url.set_host(Some(host)).map_err(|_| refused())?;
        url.set_port(Some(*port)).map_err(|()| refused())?;
        Ok(url)
    }

    fn request(&self, request: &HttpRequest) -> anyhow::Result<RequestBuilder> {
        let method = Method::from_bytes(request.method.as_bytes()).context("HTTP method")?;
        let mut builder = self.client.request(method, self.address(&request.url)?);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        Ok(builder)
    }
}

fn through(proxy: &Proxy) -> anyhow::Result<reqwest::Proxy> {
    let all = reqwest::Proxy::all(proxy.url()).context("the session's proxy")?;
    Ok(match proxy.login() {
        Some((name, password)) => all.basic_auth(name, password),
        None => all,
    })
}

fn simulator_address(
    ws_url: &str,
    media_address: Option<SocketAddr>,
) -> anyhow::Result<(String, u16)> {
    if let Some(address) = media_address {
        let host = match address {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        };
        return Ok((host, address.port()));
    }
    let url: Url = ws_url
        .parse()
        .with_context(|| format!("simulator address {ws_url:?}"))?;
    let host = url
        .host_str()
        .with_context(|| format!("simulator address {ws_url:?} has no host"))?;
    let port = url.port_or_known_default();
    Ok((
        host.to_owned(),
        port.with_context(|| format!("simulator address {ws_url:?} has no port"))?,
    ))
}

async fn whole(mut response: Response) -> anyhow::Result<HttpResponse> {
    let status_code = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.context("read the HTTP body")? {
        anyhow::ensure!(
            body.len() + part.len() <= BODY_BYTES_MAX,
            "read the HTTP body: it is larger than {BODY_BYTES_MAX} bytes"
        );
        body.extend_from_slice(&part);
    }
    Ok(HttpResponse { status_code, body })
}

#[async_trait]
impl HttpClient for Http {
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        let mut builder = self.request(&request)?;
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        whole(builder.send().await.context("HTTP exchange")?).await
    }

    fn supports_streaming(&self) -> bool {
        true
    }

    fn execute_streaming(&self, request: HttpRequest) -> anyhow::Result<StreamingHttpResponse> {
        // The library calls this on a blocking thread of the runtime.
        let runtime = Handle::try_current().context("stream an HTTP body outside the runtime")?;
        let mut builder = self.request(&request)?;
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let response = runtime.block_on(builder.send()).context("HTTP exchange")?;
        Ok(StreamingHttpResponse {
            status_code: response.status().as_u16(),
            body: Box::new(Body {
                runtime,
                response,
                part: Bytes::new(),
            }),
        })
    }

    fn supports_upload_streaming(&self) -> bool {
        true
    }

    fn execute_upload(
        &self,
        request: HttpRequest,
        mut body: UploadBody,
        content_length: u64,
    ) -> anyhow::Result<HttpResponse> {
        // Uploads are at most what the node accepts as one file, so the bytes are gathered: a length is then sent.
        let length = usize::try_from(content_length).context("length of the upload")?;
        let mut bytes = Vec::new();
        body.by_ref()
            .take(content_length)
            .read_to_end(&mut bytes)
            .context("read the upload")?;
        anyhow::ensure!(
            bytes.len() == length,
            "read the upload: {} bytes instead of {length}",
            bytes.len()
        );
        let runtime = Handle::try_current().context("upload outside the runtime")?;
        let builder = self.request(&request)?.body(bytes);
        runtime.block_on(async move { whole(builder.send().await.context("HTTP exchange")?).await })
    }
}

/// An answer read piece by piece on a blocking thread.
struct Body {
    runtime: Handle,
    response: Response,
    part: Bytes,
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self
                .runtime
                .block_on(self.response.chunk())
                .map_err(io::Error::other)?
            {
                Some(part) => self.part = part,
                None => return Ok(0),
            }
        }
        let length = into.len().min(self.part.len());
        let (head, _) = into.split_at_mut(length);
        self.part.copy_to_slice(head);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulator_gets_everything_by_plain_http() {
        let endpoint = Endpoint::Simulator {
            ws_url: "ws://127.0.0.1:8099/ws/chat".to_owned(),
            server_key: [0; 32],
        };
        let http = Http::new(&endpoint, None, None).unwrap();
        let url = http.address("https://mmg.whatsapp.net/v/x?auth=1").unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:8099/v/x?auth=1");
        let http = Http::new(&endpoint, Some("[::1]:5000".parse().unwrap()), None).unwrap();
        assert_eq!(
            http.address("https://host:1/x").unwrap().as_str(),
            "http://[::1]:5000/x"
        );
    }

    #[test]
    fn the_real_endpoint_gets_https_only() {
        let http = Http::new(&Endpoint::Real, None, None).unwrap();
        assert!(http.address("https://mmg.whatsapp.net/x").is_ok());
        assert!(http.address("http://mmg.whatsapp.net/x").is_err());
    }
}

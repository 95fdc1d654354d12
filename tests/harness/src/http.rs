//! The HTTP client of tests and benchmarks.

/// A client with the process's TLS provider, which the first call installs.
#[must_use]
pub fn client() -> reqwest::Client {
    // Whoever came first has installed the same one.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::new()
}

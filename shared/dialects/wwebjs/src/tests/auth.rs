//! Keys, and sessions named in paths.

use switchboard_dialect_kit::testing::{Request, get, routed};
use switchboard_dialect_kit::{Credentials, Reject};
use switchboard_vocab::SessionId;

fn shown(request: Request) -> Result<Credentials, Reject> {
    let dialect = crate::dialect();
    let cx = routed(&dialect, request);
    (dialect.credentials)(cx.input())
}

#[test]
fn the_key_stands_in_a_header() {
    let with_key = |path: &str| get(path).header("x-api-key", "the-key");
    let tenant = |session: Option<&str>| Credentials::Tenant {
        tenant: None,
        key: "the-key".to_owned(),
        session: session.map(|s| SessionId::parse(s).unwrap()),
    };
    assert_eq!(
        shown(with_key("/session/start/sales")).unwrap(),
        tenant(Some("sales"))
    );
    assert_eq!(
        shown(with_key("/session/qr/sales/image")).unwrap(),
        tenant(Some("sales"))
    );
    assert_eq!(
        shown(with_key("/session/terminateAll")).unwrap(),
        tenant(None)
    );
    assert_eq!(
        shown(get("/session/status/a.b")).unwrap(),
        Credentials::None
    );
    let empty = get("/session/status/sales").header("x-api-key", "");
    assert_eq!(shown(empty).unwrap(), Credentials::None);
    let refused = shown(with_key("/session/status/a.b")).unwrap_err().0;
    assert_eq!(refused.public, "Session should be alphanumerical or -");
}

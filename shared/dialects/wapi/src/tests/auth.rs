//! Where keys stand.

use switchboard_dialect_kit::testing::{self, Request, get};

fn found(request: Request) -> String {
    let cx = testing::routed(&crate::dialect(), request);
    match (crate::dialect().credentials)(cx.input()) {
        Ok(credentials) => format!("{credentials:?}"),
        Err(reject) => format!("{:?}", reject.0.code),
    }
}

#[test]
fn tokens_and_the_account_they_are_for() {
    let bearer = |target: &str| get(target).header("authorization", "Bearer abc");
    assert_eq!(
        found(bearer("/v1/status")),
        r#"Session { token: "abc", named: None }"#
    );
    let named = r#"Session { token: "abc", named: Some("sales") }"#;
    assert_eq!(found(bearer("/v1/accounts/sales")), named);
    assert_eq!(
        found(bearer("/v1/status").header("x-wa-id", "sales")),
        named
    );
    let newsletter = found(bearer("/v1/newsletters/sales"));
    assert_eq!(newsletter, r#"Session { token: "abc", named: None }"#);
}

#[test]
fn tenants_and_the_account_they_name() {
    // acme:secret
    let basic = |target: &str| get(target).header("authorization", "Basic YWNtZTpzZWNyZXQ=");
    let none = r#"Tenant { tenant: Some(TenantId("acme")), key: "secret", session: None }"#;
    assert_eq!(found(basic("/v1/accounts")), none);
    let some = r#"Tenant { tenant: Some(TenantId("acme")), key: "secret", session: Some(SessionId("sales")) }"#;
    assert_eq!(found(basic("/v1/accounts/sales")), some);
    assert_eq!(found(basic("/v1/status").header("x-wa-id", "sales")), some);
    assert_eq!(
        found(basic("/v1/status").header("x-wa-id", "a b")),
        "SessionNotFound"
    );
}

#[test]
fn nothing_and_nonsense() {
    assert_eq!(found(get("/v1/status")), "None");
    for nonsense in ["Basic %%%", "Basic YWNtZQ==", "Basic YSBiOmM="] {
        let request = get("/v1/status").header("authorization", nonsense);
        assert_eq!(found(request), "Unauthenticated", "{nonsense}");
    }
}

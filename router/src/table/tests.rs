use http::StatusCode;
use switchboard_dialect_kit::{Credentials, Cx, Refusal, Reply, Routes};
use switchboard_vocab::OpError;

use super::*;

fn dialect(name: DialectName, routes: fn() -> Routes) -> Dialect {
    fn error(_: &OpError, _: &Cx) -> Reply {
        Reply::json(StatusCode::IM_A_TEAPOT, &())
    }
    Dialect {
        name,
        routes,
        credentials: |_| Ok(Credentials::None),
        error,
        events: |_, _, _| Vec::new(),
        wants_media: |_, _| false,
    }
}

fn row(routes: Routes, method: Method, path: &'static str) -> Routes {
    routes.refused(method, path, Refusal::LaterRelease)
}

fn table() -> Table {
    let first = dialect(DialectName::Wuzapi, || {
        let routes = row(Routes::default(), Method::GET, "/session/status");
        let routes = row(routes, Method::POST, "/chat/send");
        row(routes, Method::GET, "/")
    });
    let second = dialect(DialectName::Wwebjs, || {
        let routes = row(
            Routes::default(),
            Method::GET,
            "/session/status/{sessionId}",
        );
        let routes = row(routes, Method::GET, "/session/{word}");
        row(routes, Method::POST, "/chat/{word}/{sessionId}")
    });
    let third = dialect(DialectName::Chatapi, || {
        let routes = row(Routes::default(), Method::GET, "/instance{id}/messages");
        row(routes, Method::POST, "/{word}/messages")
    });
    Table::new(&[first, second, third]).unwrap()
}

fn check(method: &Method, path: &str, expected: Option<(&str, &[(&str, &str)])>) {
    let table = table();
    let found = match table.find(method, path) {
        Found::Row(row, params) => Some((row.route.path, params)),
        Found::OtherMethods(_) | Found::Nothing => None,
    };
    let expected = expected.map(|(row, params)| {
        let owned = params
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        (row, owned.collect())
    });
    assert_eq!(found, expected, "{method} {path}");
}

#[test]
fn literals_win_and_slashes_do_not_count() {
    check(&Method::GET, "/", Some(("/", &[])));
    check(
        &Method::GET,
        "/session/status",
        Some(("/session/status", &[])),
    );
    check(
        &Method::HEAD,
        "//session//status/",
        Some(("/session/status", &[])),
    );
    check(
        &Method::GET,
        "/session/qr",
        Some(("/session/{word}", &[("word", "qr")])),
    );
    check(
        &Method::GET,
        "/session/status/a%40b",
        Some(("/session/status/{sessionId}", &[("sessionId", "a@b")])),
    );
    check(&Method::GET, "/nothing", None);
}

#[test]
fn a_prefix_within_a_segment_is_a_parameter() {
    let expected: &[(&str, &str)] = &[("id", "7")];
    check(
        &Method::GET,
        "/instance7//messages",
        Some(("/instance{id}/messages", expected)),
    );
    check(&Method::GET, "/instance/messages", None);
}

#[test]
fn a_path_without_the_method_is_searched_further() {
    let expected: &[(&str, &str)] = &[("word", "instance7")];
    check(
        &Method::POST,
        "/instance7/messages",
        Some(("/{word}/messages", expected)),
    );
    let table = table();
    let Found::OtherMethods(rows) = table.find(&Method::DELETE, "/instance7/messages") else {
        panic!("rows of other methods expected");
    };
    assert_eq!(rows.len(), 2);
}

#[test]
fn rows_that_take_the_same_requests_are_refused() {
    let one = dialect(DialectName::Whapi, || {
        row(Routes::default(), Method::GET, "/a/{x}")
    });
    let two = dialect(DialectName::Wapi, || {
        row(Routes::default(), Method::GET, "/a/{y}/")
    });
    let error = Table::new(&[one, two]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET /a/{y}/ of wapi takes the same requests as /a/{x} of whapi"
    );
    assert!(Table::new(&[one, one]).is_err());
}

#[test]
fn path_spaces_are_known_by_their_leading_words() {
    let table = table();
    let depth = |path: &str| -> Vec<usize> {
        table
            .depths(path)
            .into_iter()
            .map(|(_, depth)| depth)
            .collect()
    };
    assert_eq!(depth("/instance9/nothing"), [0, 0, 1]);
    assert_eq!(depth("/session/status/a/b"), [2, 2, 0]);
    assert_eq!(depth("/x"), [0, 0, 0]);
}

/// What a row's path looks like in a request.
fn example(path: &str) -> String {
    let mut example = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        example.push_str(before);
        example.push_str("x-1");
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    example + rest
}

#[test]
fn all_tables_of_the_product_can_be_served_together() {
    let dialects = crate::dialects();
    let table = Table::new(&dialects).unwrap();
    let mut rows = 0;
    for row in &table.rows {
        let path = example(row.route.path);
        let Found::Row(found, params) = table.find(&row.route.method, &path) else {
            panic!("{} {path} finds nothing", row.route.method);
        };
        assert_eq!(
            (found.dialect.name, found.route.path),
            (row.dialect.name, row.route.path),
            "{} {path} goes to another row",
            row.route.method
        );
        assert!(
            params.values().all(|value| value == "x-1"),
            "{path}: {params:?}"
        );
        rows += 1;
    }
    let named: Vec<_> = dialects.iter().map(|dialect| dialect.name).collect();
    assert_eq!(named, DialectName::ALL);
    assert!(rows > 340, "{rows} rows are too few to be all tables");
}

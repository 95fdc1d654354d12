//! One file per area; `check` functions keep the cases to a line each.

mod acts;
mod bodies;
mod chats;
mod contacts;
mod errors;
mod events;
mod hostile;
mod media;
mod messages;
mod outputs;
mod pairing;
mod presence;
mod profile;
mod rich;
mod rows;
mod schema;
mod sessions;
mod settings;
mod stories;

use http::Method;
use switchboard_dialect_kit::testing::{self, Request, get, post, request};
use switchboard_vocab::{OpError, Operation};

switchboard_dialect_kit::case_functions!(crate::dialect: decoded, check_refused);

/// What the caller sees when the operation answers this; it fits the system's own schema.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a case writes its request in place"
)]
fn answered<O: Operation>(request: Request, output: Result<O::Output, OpError>) -> String {
    let text = testing::answered::<O>(&crate::dialect(), request.clone(), vec![output]);
    schema::check_answer(&request, &text);
    text
}

/// The same for a row of two operations.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a case writes its request in place"
)]
fn answered_both<A: Operation, B: Operation>(
    request: Request,
    first: A::Output,
    second: B::Output,
) -> String {
    let (first, second) = (Ok(first), Ok(second));
    let text = testing::answered_both::<A, B>(&crate::dialect(), request.clone(), first, second);
    schema::check_answer(&request, &text);
    text
}

#[test]
fn the_table_is_the_whole_api() {
    testing::check_table(&crate::dialect(), include_str!("operations.txt"), 167);
}

#[test]
fn refused_rows_give_a_reason() {
    check_refused(get("/groups"), 501, "does not offer this operation yet");
    check_refused(request(Method::POST, "/calls"), 501, "yet");
}

#[test]
fn tokens_stand_in_header_or_query() {
    let found = |request: Request| {
        let cx = testing::cx(request);
        format!("{:?}", (crate::dialect().credentials)(cx.input()).unwrap())
    };
    let by_header = get("/health?token=b").header("authorization", "Bearer a");
    assert_eq!(found(by_header), r#"Session { token: "a", named: None }"#);
    assert_eq!(
        found(get("/health?token=b")),
        r#"Session { token: "b", named: None }"#
    );
    let basic = get("/health?token=").header("authorization", "Basic a");
    assert_eq!(found(basic), "None");
    assert_eq!(found(post("/messages/text", "{}")), "None");
}

//! What is done to one message, and what can be asked about it.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{post, samples};
use switchboard_vocab::contacts::ContactList;
use switchboard_vocab::content::{Body, MediaKind};
use switchboard_vocab::media::Open;
use switchboard_vocab::messages::{
    Act, DeleteForMe, Deleted, Forward, GetInfo, GetMentions, GetMessage, GetQuoted, Message,
    MessageInfo, Progress, Star,
};
use switchboard_vocab::{ErrorCode, OpError, Timestamp};

use super::{answered, answered_both, check_refused, decoded, decoded_all};

const THIS: &str = r#""chatId":"4915112345678@c.us","messageId":"3A5B7C9D1E2F30415263""#;
const DONE: &str = "200\n{\n  \"success\": true\n}\n";

fn json(more: &str) -> String {
    format!("{{{THIS}{more}}}")
}

fn missing<T>() -> Result<T, OpError> {
    Err(OpError::new(
        ErrorCode::NotFound,
        "there is no such message",
    ))
}

#[test]
fn calls_on_a_message() {
    let paths = [
        "/message/delete",
        "/message/downloadMedia",
        "/message/getInfo",
        "/message/getMentions",
        "/message/getQuotedMessage",
        "/message/star",
        "/message/unstar",
    ];
    assert_snapshot!("calls", decoded_all(&paths, &json("")));
    for path in paths {
        let path = format!("{path}/sales");
        check_refused(
            post(&path, r#"{"chatId":"4915112345678@c.us"}"#),
            422,
            "messageId",
        );
        check_refused(post(&path, r#"{"messageId":"3A"}"#), 422, "chatId");
        check_refused(
            post(&path, r#"{"chatId":"x","messageId":"3A"}"#),
            422,
            "chatId: ",
        );
        check_refused(
            post(&path, &json("").replace("3A", " ")),
            422,
            "messageId: ",
        );
    }
}

#[test]
fn references_carry_what_the_id_says() {
    let group = r#"{"chatId":"120363025343298765@g.us","messageId":"true_120363025343298765@g.us_3A5B_4915100000001@c.us"}"#;
    assert_snapshot!("reference", decoded(post("/message/star/sales", group)));
    let other = group.replace("true_", "false_");
    assert!(decoded(post("/message/star/sales", &other)).contains("\"from_me\": false"));
}

#[test]
fn deleting() {
    let path = "/message/delete/sales";
    let everyone = json(r#","everyone":true"#);
    assert_snapshot!("revoke", decoded(post(path, &everyone)));
    assert!(decoded(post(path, &json(r#","everyone":false"#))).contains("delete_for_me"));
    let gone = answered::<Act>(post(path, &everyone), Ok(samples::sent("")));
    assert_eq!(gone, DONE);
    let gone = answered::<DeleteForMe>(post(path, &json("")), Ok(Deleted {}));
    assert_eq!(gone, DONE);
    let unknown = answered::<DeleteForMe>(post(path, &json("")), missing());
    assert!(
        unknown.starts_with("500\n") && unknown.contains("Message not Found"),
        "{unknown}"
    );
    check_refused(post(path, &json(r#","everyone":5"#)), 422, "everyone: ");
}

#[test]
fn forwarding_and_reacting() {
    let (forward, react) = ("/message/forward/sales", "/message/react/sales");
    let to = json(r#","destinationChatId":"120363025343298765@g.us""#);
    assert_snapshot!("forward", decoded(post(forward, &to)));
    assert_eq!(
        answered::<Forward>(post(forward, &to), Ok(samples::sent(""))),
        DONE
    );
    check_refused(post(forward, &json("")), 422, "destinationChatId");
    check_refused(
        post(forward, &json(r#","destinationChatId":"5""#)),
        422,
        "destinationChatId: ",
    );
    let thumb = json(r#","reaction":"👍""#);
    assert_snapshot!("react", decoded(post(react, &thumb)));
    assert_eq!(
        answered::<Act>(post(react, &thumb), Ok(samples::sent(""))),
        DONE
    );
    assert!(decoded(post(react, &json(r#","reaction":"""#))).contains("\"emoji\": \"\""));
    check_refused(post(react, &json("")), 422, "reaction");
    let long = json(&format!(r#","reaction":"{}""#, "x".repeat(65)));
    check_refused(post(react, &long), 422, "reaction: ");
}

#[test]
fn stars() {
    let path = "/message/star/sales";
    let answer = answered::<Star>(post(path, &json("")), Ok(samples::incoming("x")));
    assert_eq!(answer, DONE);
}

fn downloaded(body: Body, file: Result<switchboard_vocab::media::StoredMedia, OpError>) -> String {
    let request = post("/message/downloadMedia/sales", &json(""));
    answered_both::<GetMessage, Open>(request, Ok(samples::incoming_with(body)), file)
}

#[test]
fn downloads() {
    let picture = || Body::Media(samples::media(MediaKind::Image));
    assert_snapshot!(
        "download",
        downloaded(picture(), Ok(samples::stored(MediaKind::Document)))
    );
    assert_eq!(
        downloaded(picture(), missing()),
        DONE,
        "a file that is gone is absent"
    );
    let text = samples::incoming("x").body;
    assert_eq!(
        downloaded(text, missing()),
        DONE,
        "a message without a file has none"
    );
    let busy = downloaded(picture(), Err(OpError::new(ErrorCode::Unavailable, "x")));
    assert!(busy.starts_with("503\n"), "{busy}");
    let request = post("/message/downloadMedia/sales", &json(""));
    let unknown = answered_both::<GetMessage, Open>(request, missing(), missing());
    assert!(unknown.starts_with("500\n"), "{unknown}");
    let elsewhere = json("").replace("12345678", "99999999");
    let request = post("/message/downloadMedia/sales", &elsewhere);
    let file = Ok(samples::stored(MediaKind::Image));
    let other =
        answered_both::<GetMessage, Open>(request, Ok(samples::incoming_with(picture())), file);
    assert!(
        other.starts_with("500\n"),
        "a file of another chat was given away: {other}"
    );
}

#[test]
fn a_file_name_cannot_stand_where_the_file_belongs() {
    let mut file = samples::stored(MediaKind::Document);
    file.file_name = Some(switchboard_dialect_kit::FILE_HERE.to_owned());
    let picture = Body::Media(samples::media(MediaKind::Image));
    let text = downloaded(picture, Ok(file));
    assert!(text.contains("\"filename\": \"file\""), "{text}");
}

#[test]
fn progress() {
    let at = |secs| Some(Timestamp::from_secs(secs));
    let one = |user, delivered_at, read_at| Progress {
        user,
        user_alt: None,
        delivered_at,
        read_at,
        played_at: None,
    };
    let recipients = vec![
        one(samples::partner(), at(10), at(20)),
        one(samples::partner_lid(), at(30), None),
        one(samples::own(), None, None),
    ];
    let message = samples::own_message("x");
    let info = MessageInfo {
        message: message.clone(),
        recipients,
    };
    let answer = |message: Message, info| {
        let request = post("/message/getInfo/sales", &json(""));
        answered_both::<GetMessage, GetInfo>(request, Ok(message), info)
    };
    assert_snapshot!("info", answer(message.clone(), Ok(info)));
    let not_own = Err(OpError::invalid("it is not an own message"));
    assert!(answer(samples::incoming("x"), not_own).contains("\"info\": null"));
    let late = Err(OpError::new(ErrorCode::Timeout, "x"));
    assert!(answer(message, late).starts_with("504\n"));
}

#[test]
fn people_and_quotes() {
    let list = ContactList {
        contacts: vec![samples::contact(), samples::me()],
        total: 2,
    };
    let path = "/message/getMentions/sales";
    assert_snapshot!(
        "mentions",
        answered::<GetMentions>(post(path, &json("")), Ok(list))
    );
    let quoted = |quoted| {
        let request = post("/message/getQuotedMessage/sales", &json(""));
        answered_both::<GetMessage, GetQuoted>(request, Ok(samples::incoming("x")), quoted)
    };
    assert_snapshot!("quoted", quoted(Ok(samples::own_message("earlier"))));
    assert_eq!(quoted(missing()), DONE);
    assert!(quoted(Err(OpError::new(ErrorCode::Timeout, "x"))).starts_with("504\n"));
}

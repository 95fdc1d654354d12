//! Conversations, contacts, the own profile.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{self, get, post, request, samples};
use switchboard_vocab::chats::{Change, Clear, Gone};
use switchboard_vocab::contacts::{Check, Checked, ContactList, List, ListStoryViewers, Save};
use switchboard_vocab::messages::Act;
use switchboard_vocab::profile::{GetPrivacy, Privacy, StoryPrivacy};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};

#[test]
fn conversations() {
    let archive = request(Method::PUT, "/v1/chats/4915112345678/archive");
    assert_snapshot!("archive", decoded(archive.clone()));
    assert_snapshot!("archived", answered::<Change>(archive, Ok(samples::chat())));
    let unarchive = post("/v1/chats/120363025343298765@g.us/unarchive", "");
    assert!(decoded(unarchive).contains("\"archived\": false"));
    let pin = request(Method::PUT, "/v1/groups/120363025343298765/pin");
    assert_snapshot!("pin", decoded(pin));
    let unpin = request(Method::PUT, "/v1/groups/120363025343298765@g.us/unpin");
    assert!(decoded(unpin).contains("\"pinned\": false"));
    let clear = request(Method::DELETE, "/v1/groups/120363025343298765/clear");
    assert_snapshot!("clear", decoded(clear.clone()));
    assert_snapshot!(
        "cleared",
        answered::<Clear>(clear, Ok(Gone { messages: 3 }))
    );
    check_refused(post("/v1/chats/x/archive", ""), 400, "chatId: ");
    let person = request(Method::PUT, "/v1/groups/4915112345678@c.us/pin");
    check_refused(person, 400, "groupId: it is not a group");
}

#[test]
fn deleting_messages() {
    let delete = request(Method::DELETE, "/v1/messages/3A5B/4915112345678");
    assert_snapshot!("revoke", decoded(delete.clone()));
    assert_snapshot!(
        "revoked",
        answered::<Act>(delete.clone(), Ok(samples::sent("")))
    );
    let gone = OpError::new(ErrorCode::NotFound, "there is no message 3A5B in the log");
    assert_snapshot!("revoke_unknown", answered::<Act>(delete, Err(gone)));
    let bad = request(Method::DELETE, "/v1/messages/a.b/4915112345678");
    check_refused(bad, 400, "message_id: ");
}

#[test]
fn people() {
    assert_snapshot!("contacts", decoded(get("/v1/contacts?limit=10&offset=20")));
    let page = || ContactList {
        contacts: vec![samples::contact(), samples::me()],
        total: 2,
    };
    assert_snapshot!("people", answered::<List>(get("/v1/contacts"), Ok(page())));
    let viewers = answered::<ListStoryViewers>(get("/v1/contacts/status"), Ok(page()));
    assert!(
        viewers.contains("4915112345678@s.whatsapp.net"),
        "{viewers}"
    );
    check_refused(get("/v1/contacts?limit=0"), 400, "limit: ");
    let all = vec![Ok(page()), Ok(page())];
    let all = testing::answered::<List>(&crate::dialect(), get("/v1/contacts"), all);
    assert_eq!(all.matches("\"jid\"").count(), 4, "{all}");
    let rename = |json| request(Method::PUT, "/v1/contacts").json(json);
    let good = r#"{"id":4915112345678,"info":{"FullName":"Gerda Gauss"}}"#;
    assert_snapshot!("rename", decoded(rename(good)));
    assert_snapshot!(
        "renamed",
        answered::<Save>(rename(good), Ok(samples::contact()))
    );
    check_refused(rename(r#"{"id":"x","info":{"FullName":"A"}}"#), 400, "id: ");
    let nameless = r#"{"id":4915112345678,"info":{"FullName":" "}}"#;
    check_refused(rename(nameless), 400, "info.FullName: ");
}

#[test]
fn the_address_book_is_fetched_in_pages() {
    let next = |target: &str, seen| {
        let page = ContactList {
            contacts: vec![samples::contact(), samples::me()],
            total: 9,
        };
        testing::next_page::<List>(&crate::dialect(), get(target), &page, seen)
    };
    let more = next("/v1/contacts", 4);
    assert!(more.contains("\"offset\": 6"), "{more}");
    assert!(more.contains("\"limit\": 1000"), "{more}");
    assert_eq!(next("/v1/contacts", 7), "");
    let part = "/v1/contacts?limit=5&offset=3";
    let more = next(part, 2);
    assert!(more.contains("\"offset\": 7"), "{more}");
    assert!(more.contains("\"limit\": 1"), "{more}");
    assert_eq!(next(part, 3), "", "five are wanted");
    assert_eq!(next("/v1/contacts?offset=5", 2), "", "four are left");
}

#[test]
fn checks() {
    let list = post("/v1/contacts/check", r#"[{"id":"4915112345678"}]"#);
    assert_snapshot!("check", decoded(list));
    let official = r#"{"blocking":"wait","contacts":["+49 151 12345678"],"force_check":true}"#;
    assert_snapshot!("check_official", decoded(post("/v1/contacts", official)));
    // People look for the answer under what they wrote.
    let written = post(
        "/v1/contacts",
        r#"{"contacts":["+49 151 12345678","4915100000009"]}"#,
    );
    let users = samples::checked();
    assert_snapshot!("checked", answered::<Check>(written, Ok(Checked { users })));
    check_refused(post("/v1/contacts/check", "[]"), 400, "contacts: 1 to");
    check_refused(post("/v1/contacts/check", r#"[{"id":"12"}]"#), 400, "id: ");
}

#[test]
fn privacy() {
    assert_snapshot!("privacy", decoded(get("/v1/profile/privacy")));
    let out = Privacy {
        settings: Vec::new(),
        stories: StoryPrivacy::Except(vec![samples::partner()]),
    };
    let shown = answered::<GetPrivacy>(get("/v1/profile/privacy"), Ok(out));
    assert_snapshot!("privacy_shown", shown);
}

//! Contacts, LIDs and the block list.

use http::Method;
use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{Request, get, post, request, samples};
use switchboard_vocab::contacts::{
    Addresses, Block, Check, Checked, CheckedUser, Contact, ContactList, Delete, Get, GetProfiles,
    List, ListBlocked, Picture, Profile, Profiles, Resolve, Resolved, Save,
};
use switchboard_vocab::messages::SendMessage;
use switchboard_vocab::{ErrorCode, OpError, UserId};

use super::{answered, check_refused, decoded};

const PATH: &str = "/contacts/4915112345678";

/// A contact with everything.
pub(super) fn contact() -> Contact {
    Contact {
        alt: Some(samples::partner_lid()),
        name: Some("Gerda Alt".to_owned()),
        first_name: Some("Gerda".to_owned()),
        push_name: Some("gerda".to_owned()),
        business: true,
        saved: true,
        about: Some("Available".to_owned()),
        picture_id: Some("1".to_owned()),
        ..Contact::unknown(samples::partner())
    }
}

fn list_of(contacts: Vec<Contact>) -> ContactList {
    ContactList { contacts, total: 2 }
}

#[test]
fn lists() {
    assert_snapshot!("list", decoded(get("/contacts?count=2&offset=1")));
    let hidden = Contact::unknown(samples::partner_lid());
    let out = list_of(vec![contact(), hidden]);
    assert_snapshot!("listed", answered::<List>(get("/contacts"), Ok(out)));
}

fn check(json: &str) -> Request {
    post("/contacts", json)
}

#[test]
fn checks() {
    let request =
        || check(r#"{"contacts":["+49 151 12345678","x","4915100000001"],"force_check":true}"#);
    assert_snapshot!("check", decoded(request()));
    let answer = |user: UserId, registered: bool| CheckedUser {
        phone: registered.then(|| user.clone()),
        user,
        registered,
        lid: None,
        verified_name: None,
    };
    let users = vec![
        answer(samples::partner(), true),
        answer(samples::own(), false),
    ];
    assert_snapshot!(
        "checked",
        answered::<Check>(request(), Ok(Checked { users }))
    );
    check_refused(check("{}"), 400, "contacts: ");
    check_refused(check(r#"{"contacts":[]}"#), 400, "contacts: ");
    check_refused(check(r#"{"contacts":["x"]}"#), 400, "contacts: none");
    check_refused(check(r#"{"contacts":[5]}"#), 400, "contacts");
    let many = vec![r#""4915112345678""#; 257].join(",");
    check_refused(
        check(&format!(r#"{{"contacts":[{many}]}}"#)),
        400,
        "1 to 256",
    );
    let head = || request_head();
    assert_snapshot!("head", decoded(head()));
    let found = |registered| Checked {
        users: vec![answer(samples::partner(), registered)],
    };
    let there = answered::<Check>(head(), Ok(found(true)));
    assert_eq!(
        there,
        "200\n{\n  \"success\": true,\n  \"result\": true\n}\n"
    );
    assert!(answered::<Check>(head(), Ok(found(false))).starts_with("404\n"));
}

fn request_head() -> Request {
    request(Method::HEAD, PATH)
}

#[test]
fn the_address_book() {
    let add = |json: &str| request(Method::PUT, "/contacts").json(json);
    let edit = |json: &str| request(Method::PATCH, PATH).json(json);
    let good = r#"{"phone":"4915112345678","name":"Gerda Alt"}"#;
    assert_snapshot!("add", decoded(add(good)));
    assert_snapshot!("added", answered::<Save>(add(good), Ok(contact())));
    check_refused(add(r#"{"name":"x"}"#), 400, "phone: ");
    check_refused(
        add(r#"{"phone":"4915112345678"}"#),
        400,
        "missing field `name`",
    );
    check_refused(
        add(r#"{"phone":"81234567890123@lid","name":"x"}"#),
        400,
        "phone: ",
    );
    check_refused(edit(r#"{"name":" "}"#), 400, "name: it is empty");
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(129));
    check_refused(edit(&long), 413, "name: ");
    assert_snapshot!("edit", decoded(edit(r#"{"name":"Gerda Neu"}"#)));
    let missing = OpError::new(ErrorCode::NotFound, "not in the address book");
    let answer = answered::<Save>(edit(r#"{"name":"Gerda Neu"}"#), Err(missing));
    assert!(answer.starts_with("404\n"), "{answer}");
    let delete = || request(Method::DELETE, PATH);
    assert_snapshot!("delete", decoded(delete()));
    let answer = answered::<Delete>(delete(), Ok(contact()));
    assert!(answer.starts_with("200\n"), "{answer}");
}

#[test]
fn single_contacts() {
    assert_snapshot!("get", decoded(get(PATH)));
    assert_snapshot!("shown", answered::<Get>(get(PATH), Ok(contact())));
    let by_lid = decoded(get("/contacts/81234567890123@lid"));
    assert!(by_lid.contains("81234567890123@lid"), "{by_lid}");
    check_refused(get("/contacts/12"), 400, "ContactID: ");
    let send = post(PATH, r#"{"to":"4915100000001","name":"Gerda; Alt, \\ Co"}"#);
    assert_snapshot!("send_card", decoded(send.clone()));
    let answer = answered::<SendMessage>(send, Ok(samples::sent("")));
    assert!(answer.starts_with("200\n"), "{answer}");
    let nameless = decoded(post(PATH, r#"{"to":"4915100000001"}"#));
    assert!(
        nameless.contains("\"name\": \"+4915112345678\""),
        "{nameless}"
    );
}

#[test]
fn profiles() {
    let request = || get("/contacts/4915112345678/profile");
    assert_snapshot!("profile", decoded(request()));
    let profile = |registered| Profiles {
        profiles: vec![Profile {
            contact: contact(),
            registered,
            about: Some("Available".to_owned()),
            about_at: None,
            picture: Some(Picture {
                id: "1".to_owned(),
                preview_url: Some("https://pps.whatsapp.net/small".to_owned()),
                url: Some("https://pps.whatsapp.net/full".to_owned()),
                direct_path: None,
            }),
            devices: Vec::new(),
        }],
    };
    assert_snapshot!(
        "profile_shown",
        answered::<GetProfiles>(request(), Ok(profile(true)))
    );
    let nobody = answered::<GetProfiles>(request(), Ok(profile(false)));
    assert!(nobody.starts_with("404\n"), "{nobody}");
}

#[test]
fn lids() {
    let many = || get("/contacts/lids?ContactIDList=4915112345678,4915100000001");
    assert_snapshot!("lids", decoded(many()));
    let known = Addresses {
        user: samples::partner(),
        phone: Some(samples::partner()),
        lid: Some(samples::partner_lid()),
    };
    let unknown = Addresses {
        user: samples::own(),
        phone: None,
        lid: None,
    };
    let resolved = |users| Ok(Resolved { users });
    let both = resolved(vec![known.clone(), unknown.clone()]);
    assert_snapshot!("lids_found", answered::<Resolve>(many(), both));
    check_refused(get("/contacts/lids"), 400, "ContactIDList: ");
    check_refused(
        get("/contacts/lids?ContactIDList=x"),
        400,
        "ContactIDList: ",
    );
    let one = || get("/contacts/lids/4915112345678");
    assert_snapshot!("lid", decoded(one()));
    assert_snapshot!(
        "lid_found",
        answered::<Resolve>(one(), resolved(vec![known]))
    );
    let answer = answered::<Resolve>(one(), resolved(vec![unknown]));
    assert!(answer.starts_with("404\n"), "{answer}");
}

#[test]
fn the_block_list() {
    let path = "/blacklist/4915112345678";
    assert_snapshot!("block", decoded(request(Method::PUT, path)));
    assert_snapshot!("unblock", decoded(request(Method::DELETE, path)));
    let answer = answered::<Block>(request(Method::PUT, path), Ok(contact()));
    assert!(answer.starts_with("200\n"), "{answer}");
    let hidden = Contact::unknown(samples::partner_lid());
    let blocked = list_of(vec![contact(), hidden]);
    assert_snapshot!(
        "blocked",
        answered::<ListBlocked>(get("/blacklist"), Ok(blocked))
    );
}

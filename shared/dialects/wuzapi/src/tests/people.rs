//! People, pictures, presence.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{self, get, post, samples};
use switchboard_vocab::contacts::{
    Check, Checked, Contact, ContactList, GetPicture, GetProfiles, List, Picture, Profile, Profiles,
};
use switchboard_vocab::presence::SendState;
use switchboard_vocab::profile::{SetOnline, Shown};
use switchboard_vocab::settings::{Change, Changed, Settings};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded};

#[test]
fn details() {
    let body = r#"{"phone":["4915112345678","4915199999999@s.whatsapp.net"]}"#;
    assert_snapshot!("info", decoded(post("/user/info", body)));
    let profile = |contact, registered| Profile {
        contact,
        registered,
        about: Some("busy".to_owned()),
        about_at: None,
        picture: Some(Picture {
            id: "123".to_owned(),
            preview_url: None,
            url: None,
            direct_path: None,
        }),
        devices: vec![0, 11],
    };
    let business = Contact {
        verified_name: Some("Shop".to_owned()),
        ..Contact::unknown(samples::own())
    };
    let by_lid = Contact {
        id: samples::partner_lid(),
        alt: Some(samples::partner()),
        ..samples::contact()
    };
    let out = Profiles {
        profiles: vec![
            profile(by_lid, true),
            profile(business, true),
            profile(samples::me(), false),
        ],
    };
    assert_snapshot!(
        "informed",
        answered::<GetProfiles>(post("/user/info", body), Ok(out))
    );
}

#[test]
fn numbers() {
    let body = r#"{"Phone":["+4915112345678","4915199999999"]}"#;
    assert_snapshot!("check", decoded(post("/user/check", body)));
    let users = samples::checked();
    let out = answered::<Check>(post("/user/check", body), Ok(Checked { users }));
    assert_snapshot!("checked", out);
    let failed = OpError::new(ErrorCode::Rejected, "not now");
    let failed = answered::<Check>(post("/user/check", body), Err(failed));
    assert!(
        failed.contains("Failed to check if users are on WhatsApp: not now"),
        "{failed}"
    );
    for path in ["/user/check", "/user/info"] {
        check_refused(post(path, "{}"), 400, "Missing Phone in Payload");
        check_refused(
            post(path, r#"{"Phone":[]}"#),
            400,
            "Missing Phone in Payload",
        );
        check_refused(
            post(path, r#"{"Phone":"1"}"#),
            400,
            "Could not decode Payload",
        );
        check_refused(
            post(path, r#"{"Phone":["x"]}"#),
            400,
            "Could not parse Phone",
        );
        let many = format!(r#"{{"Phone":{:?}}}"#, vec!["4915112345678"; 257]);
        check_refused(post(path, &many), 413, "Phone: at most 256");
    }
}

#[test]
fn pictures() {
    let small = r#"{"Phone":"4915112345678","Preview":true}"#;
    let large = r#"{"Phone":"120363025343298765@g.us"}"#;
    let asked = |json| get("/user/avatar").json(json);
    assert_snapshot!("avatar", decoded(asked(small)));
    assert_eq!(decoded(asked(small)), decoded(post("/user/avatar", small)));
    assert!(decoded(asked(large)).contains("\"preview\": false"));
    let picture = || Picture {
        id: "123".to_owned(),
        preview_url: Some("https://pps.whatsapp.net/small".to_owned()),
        url: Some("https://pps.whatsapp.net/large".to_owned()),
        direct_path: Some("/v/t61".to_owned()),
    };
    assert_snapshot!(
        "avatar_small",
        answered::<GetPicture>(asked(small), Ok(picture()))
    );
    let shown = answered::<GetPicture>(asked(large), Ok(picture()));
    assert!(
        shown.contains("net/large") && shown.contains("\"Type\": \"image\""),
        "{shown}"
    );
    let none = answered::<GetPicture>(asked(small), Err(OpError::new(ErrorCode::NotFound, "x")));
    assert!(
        none.starts_with("500\n") && none.contains("No avatar found"),
        "{none}"
    );
    let bare = Picture {
        preview_url: None,
        ..picture()
    };
    assert!(answered::<GetPicture>(asked(small), Ok(bare)).contains("No avatar found"));
    check_refused(asked("{}"), 400, "Missing Phone in Payload");
    check_refused(asked(r#"{"Phone":"x"}"#), 400, "Could not parse Phone");
    check_refused(
        asked(r#"{"Phone":"1@newsletter"}"#),
        400,
        "Could not parse Phone",
    );
}

#[test]
fn the_address_book_has_every_page() {
    assert_snapshot!("list", decoded(get("/user/contacts")));
    let some = ContactList {
        contacts: vec![samples::contact()],
        total: 9,
    };
    let next = testing::next_page::<List>(&crate::dialect(), get("/user/contacts"), &some, 4);
    assert!(next.contains("\"offset\": 5"), "{next}");
    let page = |contacts: Vec<Contact>| Ok(ContactList { contacts, total: 2 });
    let outputs = vec![page(vec![samples::contact()]), page(vec![samples::me()])];
    let text = testing::answered::<List>(&crate::dialect(), get("/user/contacts"), outputs);
    assert_snapshot!("contacts", text);
}

#[test]
fn typing_and_recording() {
    let sends = |state: &str| {
        let body = format!(r#"{{"Phone":"4915112345678",{state}}}"#);
        decoded(post("/chat/presence", &body))
    };
    assert_snapshot!("composing", sends(r#""State":"composing""#));
    assert!(sends(r#""State":"composing","Media":"audio""#).contains("\"recording\""));
    assert!(sends(r#""State":"paused","Media":"""#).contains("\"paused\""));
    let check =
        |body: &str, message: &str| check_refused(post("/chat/presence", body), 400, message);
    check("{}", "Missing Phone in Payload");
    check(r#"{"Phone":"4915112345678"}"#, "Missing State in Payload");
    check(r#"{"Phone":"x","State":"paused"}"#, "Could not parse Phone");
    check(
        r#"{"Phone":"4915112345678","State":"asleep"}"#,
        "State: composing or paused",
    );
    check(
        r#"{"Phone":"4915112345678","State":"paused","Media":"x"}"#,
        "Media: ",
    );
    let request = || {
        post(
            "/chat/presence",
            r#"{"Phone":"4915112345678","State":"paused"}"#,
        )
    };
    assert_snapshot!("state_set", answered::<SendState>(request(), Ok(Shown {})));
    let failed = answered::<SendState>(request(), Err(OpError::new(ErrorCode::Rejected, "x")));
    assert!(failed.contains("Failure sending chat presence"), "{failed}");
}

#[test]
fn own_presence_and_proxy() {
    let online = |kind: &str| post("/user/presence", &format!(r#"{{"type":"{kind}"}}"#));
    assert!(decoded(online("available")).contains("\"online\": true"));
    assert!(decoded(online("unavailable")).contains("\"online\": false"));
    let set = answered::<SetOnline>(online("available"), Ok(Shown {}));
    assert!(set.contains("Presence set"), "{set}");
    check_refused(online("asleep"), 400, "Type: ");
    check_refused(post("/user/presence", "{}"), 400, "Missing Type in Payload");

    let proxy = |json: &str| post("/session/proxy", json);
    let on = r#"{"proxy_url":"socks5://proxy.test:1080","enable":true}"#;
    assert!(decoded(proxy(on)).contains("\"proxy\": \"socks5://proxy.test:1080\""));
    assert!(decoded(proxy(r#"{"enable":false}"#)).contains("\"proxy\": \"\""));
    check_refused(
        proxy(r#"{"enable":true}"#),
        400,
        "Missing proxy_url in Payload",
    );
    let http = r#"{"proxy_url":"http://proxy.test","enable":true}"#;
    check_refused(proxy(http), 400, "proxy_url: socks5://");
    let changed = Changed {
        before: Settings::default(),
        after: Settings::default(),
    };
    assert!(answered::<Change>(proxy(on), Ok(changed)).contains("Proxy configured"));
}

//! People.

use insta::assert_snapshot;
use switchboard_dialect_kit::testing::{self, get, post, samples};
use switchboard_vocab::chats;
use switchboard_vocab::contacts::{
    Block, Check, Checked, CommonGroups, Contact, ContactList, Get, GetPicture, GetProfiles,
    GroupName, GroupNames, List, ListBlocked, Picture, Profile, Profiles,
};
use switchboard_vocab::{ErrorCode, OpError};

use super::{answered, check_refused, decoded, decoded_all};

const PERSON: &str = r#"{"contactId":"4915112345678@c.us"}"#;

const PATHS: [&str; 11] = [
    "/client/getContactById",
    "/client/getProfilePicUrl",
    "/client/getCommonGroups",
    "/contact/getClassInfo",
    "/contact/block",
    "/contact/unblock",
    "/contact/getAbout",
    "/contact/getChat",
    "/contact/getFormattedNumber",
    "/contact/getCountryCode",
    "/contact/getProfilePicUrl",
];

fn missing<T>() -> Result<T, OpError> {
    Err(OpError::new(ErrorCode::NotFound, "nobody knows it"))
}

#[test]
fn calls_on_a_person() {
    assert_snapshot!("calls", decoded_all(&PATHS, PERSON));
    for path in PATHS {
        let path = format!("{path}/sales");
        check_refused(post(&path, "{}"), 422, "missing field `contactId`");
        check_refused(post(&path, r#"{"contactId":"x@c.us"}"#), 422, "contactId: ");
        check_refused(
            post(&path, r#"{"contactId":"1@newsletter"}"#),
            422,
            "contactId: ",
        );
    }
    let group = post(
        "/client/getProfilePicUrl/sales",
        r#"{"contactId":"120363@g.us"}"#,
    );
    assert!(decoded(group).contains("120363@g.us"));
}

#[test]
fn listings() {
    let request = || get("/client/getContacts/sales");
    assert_snapshot!("list", decoded(request()));
    let contacts = vec![samples::contact()];
    let some = ContactList { contacts, total: 9 };
    let next = testing::next_page::<List>(&crate::dialect(), request(), &some, 4);
    assert!(next.contains("\"offset\": 5"), "{next}");
    let page = |contacts: Vec<Contact>| Ok(ContactList { contacts, total: 3 });
    let business = Contact {
        business: true,
        verified_name: Some("Shop".to_owned()),
        ..Contact::unknown(samples::partner_lid())
    };
    let outputs = vec![
        page(vec![samples::contact(), samples::me()]),
        page(vec![samples::me(), business]),
    ];
    assert_snapshot!(
        "listed",
        testing::answered::<List>(&crate::dialect(), request(), outputs)
    );
    let blocked = post("/client/getBlockedContacts/sales", "");
    assert_snapshot!("list_blocked", decoded(blocked.clone()));
    let list = page(vec![Contact {
        blocked: true,
        ..samples::contact()
    }]);
    assert_snapshot!("blocked", answered::<ListBlocked>(blocked, list));
}

#[test]
fn numbers() {
    let (id, is) = (
        "/client/getNumberId/sales",
        "/client/isRegisteredUser/sales",
    );
    let numbers = [
        r#"{"number":"4915112345678"}"#,
        r#"{"number":4915112345678}"#,
    ];
    assert_snapshot!("check", decoded(post(id, numbers[0])));
    assert_eq!(decoded(post(id, numbers[0])), decoded(post(is, numbers[1])));
    let [known, unknown] = samples::checked().try_into().unwrap();
    let found = |path, user| {
        let users = vec![user];
        answered::<Check>(post(path, numbers[0]), Ok(Checked { users }))
    };
    let texts = [
        found(id, Clone::clone(&known)),
        found(is, known),
        found(id, Clone::clone(&unknown)),
        found(is, unknown),
    ];
    assert_snapshot!("checked", texts.join("\n"));
    for path in [id, is] {
        check_refused(post(path, "{}"), 422, "number");
        check_refused(post(path, r#"{"number":"abc"}"#), 422, "number: ");
        check_refused(post(path, r#"{"number":"1@g.us"}"#), 422, "number: ");
    }
}

#[test]
fn pictures() {
    let picture = || {
        Ok(Picture {
            id: "1".to_owned(),
            preview_url: None,
            url: Some("https://pps.whatsapp.net/x.jpg".to_owned()),
            direct_path: None,
        })
    };
    let of_client = post("/client/getProfilePicUrl/sales", PERSON);
    let of_contact = post("/contact/getProfilePicUrl/sales", PERSON);
    let texts = [
        answered::<GetPicture>(of_client.clone(), picture()),
        answered::<GetPicture>(of_client, missing()),
        answered::<GetPicture>(of_contact.clone(), picture()),
        answered::<GetPicture>(of_contact.clone(), missing()),
    ];
    assert_snapshot!("pictures", texts.join("\n"));
    let late = answered::<GetPicture>(of_contact, Err(OpError::new(ErrorCode::Timeout, "x")));
    assert!(late.starts_with("504\n"), "{late}");
}

#[test]
fn one_person() {
    let path = |name: &str| post(&format!("/contact/{name}/sales"), PERSON);
    let class = answered::<Get>(path("getClassInfo"), Ok(samples::contact()));
    assert_snapshot!("class", class);
    let gone = answered::<Get>(path("getClassInfo"), missing());
    assert!(
        gone.starts_with("404\n") && gone.contains("Contact not Found"),
        "{gone}"
    );
    let by_id = answered::<Get>(
        post("/client/getContactById/sales", PERSON),
        Ok(samples::me()),
    );
    assert!(
        by_id.contains("\"contact\": {") && by_id.contains("\"isMe\": true"),
        "{by_id}"
    );
    for name in ["block", "unblock"] {
        let done = answered::<Block>(path(name), Ok(samples::contact()));
        assert!(done.contains("\"result\": true"), "{done}");
    }
    let shown = |name| answered::<Get>(path(name), Ok(samples::contact()));
    assert!(shown("getFormattedNumber").contains("\"result\": \"+49 1511 2345678\""));
    assert!(shown("getCountryCode").contains("\"result\": \"49\""));
    let hidden = Contact::unknown(samples::partner_lid());
    let hidden = answered::<Get>(path("getCountryCode"), Ok(hidden));
    assert!(hidden.starts_with("404\n"), "{hidden}");
    let chat = answered::<chats::Get>(path("getChat"), Ok(samples::chat()));
    assert!(chat.contains("\"unreadCount\": 2"), "{chat}");
    let none = answered::<chats::Get>(path("getChat"), missing());
    assert!(none.contains("\"unreadCount\": 0"), "{none}");
}

#[test]
fn what_somebody_says() {
    let said = |registered, about: Option<&str>| {
        let profile = Profile {
            contact: samples::contact(),
            registered,
            about: about.map(str::to_owned),
            about_at: None,
            picture: None,
            devices: Vec::new(),
        };
        let profiles = vec![profile];
        let request = post("/contact/getAbout/sales", PERSON);
        answered::<GetProfiles>(request, Ok(Profiles { profiles }))
    };
    assert!(said(true, Some("busy")).contains("\"result\": \"busy\""));
    assert!(said(true, None).contains("\"result\": null"));
    assert!(said(false, None).contains("Contact not Found"));
    let groups = vec![GroupName {
        id: samples::group(),
        subject: "Team".to_owned(),
    }];
    let request = post("/client/getCommonGroups/sales", PERSON);
    assert_snapshot!(
        "groups",
        answered::<CommonGroups>(request, Ok(GroupNames { groups }))
    );
}

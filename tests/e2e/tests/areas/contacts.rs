//! People: checks, the address book, blocks, profiles, both addresses.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::desk::{Desk, OWN, PEER, peer_chat};

/// Everything about the partner.
pub(crate) async fn people(desk: &Desk) -> Result<()> {
    let stranger = "15550199998";
    let checked = desk
        .post(
            "/contacts",
            json!({"contacts": [PEER, stranger], "force_check": true}),
        )
        .await?;
    let status = |number: &str| -> Option<String> {
        let all = checked["contacts"].as_array()?;
        let one = all
            .iter()
            .find(|c| c["input"].as_str().is_some_and(|i| i.contains(number)))?;
        one["status"].as_str().map(str::to_owned)
    };
    ensure!(status(PEER).as_deref() == Some("valid"), "{checked}");
    ensure!(status(stranger).as_deref() == Some("invalid"), "{checked}");
    let (exists, _) = desk
        .raw(Method::HEAD, &format!("/contacts/{PEER}"), Value::Null)
        .await?;
    ensure!(exists.is_success(), "{exists}");
    let (absent, _) = desk
        .raw(Method::HEAD, &format!("/contacts/{stranger}"), Value::Null)
        .await?;
    ensure!(absent == 404, "{absent}");

    address_book(desk).await?;
    blocks(desk).await
}

/// A second check of a number within its life asks WhatsApp no more, unless the caller wants it to.
pub(crate) async fn checks(desk: &Desk) -> Result<()> {
    let number = "15550199997";
    let check = async |force: bool| -> Result<Value> {
        let asked = json!({"contacts": [number], "force_check": force});
        let checked = desk.post("/contacts", asked).await?;
        Ok(checked["contacts"][0]["status"].clone())
    };
    let before = asked(desk).await?;
    ensure!(
        check(false).await? == "invalid",
        "nobody has the number yet"
    );
    let once = asked(desk).await?;
    ensure!(once > before, "nothing was asked: {before}, {once}");
    desk.simulator.add_phone(number).await?;
    ensure!(
        check(false).await? == "invalid",
        "the answer was not remembered"
    );
    ensure!(asked(desk).await? == once, "it was asked again");
    ensure!(
        check(true).await? == "valid",
        "a forced check did not look anew"
    );
    let twice = asked(desk).await?;
    ensure!(twice > once, "a forced check asked nothing");
    // The newer answer is the one that stays.
    ensure!(
        check(false).await? == "valid",
        "the newer answer was not remembered"
    );
    ensure!(asked(desk).await? == twice, "it was asked again");
    Ok(())
}

/// How many questions about people WhatsApp had from the account's devices.
async fn asked(desk: &Desk) -> Result<u64> {
    let journal = desk.simulator.journal().await?;
    let devices = journal["devices"].as_array().into_iter().flatten();
    let own = devices.filter(|d| {
        d["device"]
            .as_str()
            .is_some_and(|name| name.starts_with(OWN))
    });
    Ok(own
        .filter_map(|device| device["in"]["iq:usync"]["count"].as_u64())
        .sum())
}

/// Names in the address book, both ways, and what a person shows.
async fn address_book(desk: &Desk) -> Result<()> {
    desk.call(
        Method::PUT,
        "/contacts",
        json!({"phone": PEER, "name": "Gerda Gauss"}),
    )
    .await?;
    desk.own_phone_shows("the saved contact", |state| {
        state["contacts"].to_string().contains("Gerda Gauss")
    })
    .await?;
    let act = json!({"action": "save_contact", "contact": PEER, "full_name": "Gerda G.", "first_name": "Gerda"});
    desk.phone(Method::POST, &format!("{OWN}/act"), act).await?;
    desk.shows(&format!("/contacts/{PEER}"), "the new name", |c| {
        c["name"] == "Gerda G."
    })
    .await?;
    let listed = desk.get("/contacts").await?;
    ensure!(
        listed["contacts"].to_string().contains("Gerda G."),
        "{listed}"
    );

    let look = json!({"about": "busy", "picture": png_base64()?});
    desk.phone(Method::PATCH, &format!("{PEER}/profile"), look)
        .await?;
    let profile = desk.get(&format!("/contacts/{PEER}/profile")).await?;
    ensure!(profile["about"] == "busy", "{profile}");
    ensure!(profile["icon"].is_string(), "{profile}");

    let lid = desk.get(&format!("/contacts/lids/{PEER}")).await?;
    ensure!(
        lid["lid"].as_str().is_some_and(|lid| lid.ends_with("@lid")),
        "{lid}"
    );
    Ok(())
}

/// What a blocked person writes does not arrive.
async fn blocks(desk: &Desk) -> Result<()> {
    desk.call(Method::PUT, &format!("/blacklist/{PEER}"), Value::Null)
        .await?;
    let blocked = desk.get("/blacklist").await?;
    ensure!(blocked.to_string().contains(PEER), "{blocked}");
    desk.simulator
        .phone_sends(PEER, OWN, "never arrives")
        .await?;
    desk.call(Method::DELETE, &format!("/blacklist/{PEER}"), Value::Null)
        .await?;
    desk.simulator.phone_sends(PEER, OWN, "arrives").await?;
    desk.told("the text after the block", |p| {
        p["messages"][0]["text"]["body"] == "arrives"
    })
    .await?;
    let path = format!("/messages/list/{}", peer_chat());
    let list = desk.get(&path).await?;
    ensure!(!list.to_string().contains("never arrives"), "{list}");
    Ok(())
}

fn png_base64() -> Result<String> {
    use base64::Engine as _;
    Ok(base64::engine::general_purpose::STANDARD.encode(switchboard_e2e::picture(9)?))
}

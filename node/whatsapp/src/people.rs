//! Questions about people, businesses and groups, and the block list.

use switchboard_vocab::contacts::{Business, CheckedUser, GroupName, OpenHours, Picture};
use switchboard_vocab::{ChatId, UserId};
use wacore_binary::Jid;
use whatsapp_rust::Client;
use whatsapp_rust::features::IsOnWhatsAppResult;

use crate::addresses::{self, Person};
use crate::api::{Error, Group, UserInfo};
use crate::ask::ask;

/// Most people that are asked for in one question. Source: WhatsApp's own client cuts larger ones too.
const ASKED_MAX: usize = 256;

/// Which numbers have an account, in the order of the question.
pub(crate) async fn check(client: &Client, users: &[UserId]) -> Result<Vec<CheckedUser>, Error> {
    let mut checked = Vec::with_capacity(users.len());
    for asked in users.chunks(ASKED_MAX) {
        // The library asks for numbers and for LIDs apart, and answers in that order: so do we, to keep the pairs.
        let (phones, lids): (Vec<_>, Vec<_>) = asked
            .iter()
            .partition(|user| matches!(user, UserId::Phone(_)));
        let phones = ask_for(client, &phones).await?;
        let lids = ask_for(client, &lids).await?;
        let (mut phones, mut lids) = (phones.into_iter(), lids.into_iter());
        checked.extend(asked.iter().filter_map(|user| match user {
            UserId::Phone(_) => phones.next(),
            UserId::Lid(_) => lids.next(),
        }));
    }
    Ok(checked)
}

async fn ask_for(client: &Client, users: &[&UserId]) -> Result<Vec<CheckedUser>, Error> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let jids: Vec<Jid> = users
        .iter()
        .map(|user| addresses::jid_of_user(user))
        .collect();
    let contacts = client.contacts();
    let answers = ask("ask for numbers", contacts.is_on_whatsapp(&jids)).await?;
    let mut checked = Vec::with_capacity(users.len());
    for (at, user) in users.iter().enumerate() {
        let same = answers
            .iter()
            .find(|answer| addresses::user(&answer.jid).as_ref() == Some(*user));
        // WhatsApp may answer with other digits than were asked; then the place tells whom it means.
        let placed = answers.get(at).filter(|_| answers.len() == users.len());
        checked.push(checked_user(client, user, same.or(placed)).await);
    }
    Ok(checked)
}

async fn checked_user(
    client: &Client,
    user: &UserId,
    answer: Option<&IsOnWhatsAppResult>,
) -> CheckedUser {
    let mut checked = CheckedUser {
        user: user.clone(),
        registered: false,
        phone: None,
        lid: None,
        verified_name: None,
    };
    let Some(answer) = answer.filter(|answer| answer.is_registered) else {
        return checked;
    };
    checked.registered = true;
    checked.verified_name = answer
        .verified_name
        .as_ref()
        .and_then(|verified| verified.name.clone());
    let told = [
        Some(&answer.jid),
        answer.lid.as_ref(),
        answer.pn_jid.as_ref(),
    ];
    for user in told.into_iter().flatten().filter_map(addresses::user) {
        match user {
            UserId::Phone(_) => checked.phone = Some(user),
            UserId::Lid(_) => checked.lid = Some(user),
        }
    }
    let (phone, lid) = both(client, checked.phone.as_ref().unwrap_or(user)).await;
    checked.phone = checked.phone.or(phone);
    checked.lid = checked.lid.or(lid);
    checked
}

/// Both addresses of a person, from what the client knows: number, LID.
pub(crate) async fn both(client: &Client, user: &UserId) -> (Option<UserId>, Option<UserId>) {
    match addresses::person(client, &addresses::jid_of_user(user), None).await {
        Some(person) => split(person),
        None => (None, None),
    }
}

fn split(person: Person) -> (Option<UserId>, Option<UserId>) {
    match person {
        Person {
            main: phone @ UserId::Phone(_),
            alt,
        } => (Some(phone), alt),
        Person {
            main: lid @ UserId::Lid(_),
            alt,
        } => (alt, Some(lid)),
    }
}

/// What people show of themselves, in the order of the question.
pub(crate) async fn user_info(client: &Client, users: &[UserId]) -> Result<Vec<UserInfo>, Error> {
    let mut all = Vec::with_capacity(users.len());
    for asked in users.chunks(ASKED_MAX) {
        let checked = check(client, asked).await?;
        let there: Vec<Jid> = checked
            .iter()
            .filter(|user| user.registered)
            .map(|user| addresses::jid_of_user(&user.user))
            .collect();
        let told = if there.is_empty() {
            std::collections::HashMap::new()
        } else {
            ask("ask for profiles", client.contacts().get_user_info(&there)).await?
        };
        for user in checked {
            let info = told.values().find(|info| {
                let is_it = |jid: &Jid| addresses::user(jid).as_ref() == Some(&user.user);
                is_it(&info.jid) || info.lid.as_ref().is_some_and(is_it)
            });
            let about = info.and_then(|info| info.status.clone());
            let verified = info.and_then(|info| info.verified_name.as_ref()?.name.clone());
            all.push(UserInfo {
                registered: user.registered,
                phone: user.phone,
                lid: user.lid,
                about: about.filter(|text| !text.is_empty()),
                // The library leaves out when it was said.
                about_at: None,
                picture_id: info.and_then(|info| info.picture_id.clone()),
                business: info.is_some_and(|info| info.is_business),
                verified_name: verified.or(user.verified_name),
                devices: info.map(|info| info.devices.clone()).unwrap_or_default(),
                user: user.user,
            });
        }
    }
    Ok(all)
}

/// The picture of a person or group; nothing when there is none or it is hidden.
pub(crate) async fn picture(
    client: &Client,
    chat: &ChatId,
    preview: bool,
) -> Result<Option<Picture>, Error> {
    let jid = addresses::jid_of_chat(chat);
    let contacts = client.contacts();
    let picture = ask(
        "ask for a picture",
        contacts.get_profile_picture(&jid, preview),
    )
    .await?;
    Ok(picture.map(|picture| Picture {
        id: picture.id,
        preview_url: preview.then(|| picture.url.clone()),
        url: (!preview).then_some(picture.url),
        direct_path: picture.direct_path,
    }))
}

/// The profile of a business; nothing when they are none.
pub(crate) async fn business(client: &Client, user: &UserId) -> Result<Option<Business>, Error> {
    let jid = addresses::jid_of_user(user);
    let profile = ask("ask for a business", client.get_business_profile(&jid)).await?;
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(profile.map(|profile| Business {
        user: user.clone(),
        description: filled(profile.description),
        address: profile.address.and_then(filled),
        email: profile.email.and_then(filled),
        websites: profile.website,
        categories: profile
            .categories
            .into_iter()
            .map(|category| category.name)
            .collect(),
        // The library leaves out where it is.
        position: None,
        time_zone: profile.business_hours.timezone,
        hours: profile
            .business_hours
            .business_config
            .unwrap_or_default()
            .into_iter()
            .map(|hours| OpenHours {
                day: hours.day_of_week.as_str().to_owned(),
                mode: hours.mode.as_str().to_owned(),
                open: hours.open_time,
                close: hours.close_time,
            })
            .collect(),
    }))
}

/// Blocks or unblocks a person.
pub(crate) async fn block(client: &Client, user: &UserId, blocked: bool) -> Result<(), Error> {
    // WhatsApp blocks by both addresses, so both must be known.
    let (phone, lid) = both(client, user).await;
    if phone.is_none() || lid.is_none() {
        let answers = check(client, std::slice::from_ref(user)).await?;
        if answers.iter().all(|answer| !answer.registered) {
            return Err(Error::NoRecipient(
                "the number is not on whatsapp".to_owned(),
            ));
        }
    }
    let jid = addresses::jid_of_user(user);
    let blocking = client.blocking();
    if blocked {
        ask("block", blocking.block(&jid)).await
    } else {
        ask("unblock", blocking.unblock(&jid)).await
    }
}

/// Whom the account blocks.
pub(crate) async fn blocked(client: &Client) -> Result<Vec<UserId>, Error> {
    let entries = ask("ask for the block list", client.blocking().get_blocklist()).await?;
    let mut users: Vec<UserId> = Vec::with_capacity(entries.len());
    for entry in entries {
        if let Some(person) = addresses::person(client, &entry.jid, None).await
            && !users.contains(&person.main)
        {
            users.push(person.main);
        }
    }
    // WhatsApp lists LIDs; a number that it does not tell stays unknown.
    let is_lid = |user: &&mut UserId| matches!(user, UserId::Lid(_));
    let lids: Vec<UserId> = users
        .iter_mut()
        .filter(is_lid)
        .map(|user| user.clone())
        .collect();
    let checked = check(client, &lids).await.unwrap_or_default();
    for (user, checked) in users.iter_mut().filter(is_lid).zip(checked) {
        if let Some(phone) = checked.phone {
            *user = phone;
        }
    }
    Ok(users)
}

/// The groups that the account is in.
pub(crate) async fn groups(client: &Client) -> Result<Vec<Group>, Error> {
    let told = ask("ask for groups", client.groups().get_participating()).await?;
    let mut groups: Vec<Group> = told
        .into_values()
        .filter_map(|group| {
            let mut members = Vec::with_capacity(group.participants.len() * 2);
            for member in &group.participants {
                let addresses = [
                    Some(&member.jid),
                    member.phone_number.as_ref(),
                    member.lid.as_ref(),
                ];
                for user in addresses.into_iter().flatten().filter_map(addresses::user) {
                    if !members.contains(&user) {
                        members.push(user);
                    }
                }
            }
            Some(Group {
                name: GroupName {
                    id: addresses::chat(&group.id)?,
                    subject: group.subject,
                },
                members,
            })
        })
        .collect();
    groups.sort_by_key(|group| group.name.id.to_string());
    Ok(groups)
}
